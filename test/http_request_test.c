/* Header fields of requests: parsed values, metadata, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/http/h2/request.h"
#include "failmalloc.h"

enum { LIMIT = 2000, FIELDS = 12 };

/* Fields as "name: value", with NULL after the last. `own` ones go before those of every request. */
typedef const char *fields[FIELDS];

static const fields usual = {":method: POST",    ":scheme: http", ":path: /a.B/C",
                             ":authority: here", "te: trailers",  "content-type: application/grpc"};

/* Adds a field from memory that is freed afterwards. */
static int add(struct mw_http_request *request, const char *field) {
  const char *colon = strstr(field + 1, ": ");
  size_t name_len = (size_t)(colon - field), value_len = strlen(colon + 2);
  uint8_t *name = malloc(name_len), *value = malloc(value_len + 1);
  memcpy(name, field, name_len);
  memcpy(value, colon + 2, value_len);
  int rc = mw_http_request_add(request, mw_slice(name, name_len), mw_slice(value, value_len));
  free(name);
  free(value);
  return rc;
}

static void add_all(struct mw_http_request *request, const char *const *list) {
  for (size_t i = 0; i < FIELDS && list[i]; i++) assert_int_equal(add(request, list[i]), 0);
}

struct fixture {
  struct mw_arena arena;
  struct mw_http_request request;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  mw_arena_init(&f->arena, SIZE_MAX);
  mw_http_request_init(&f->request, &f->arena, LIMIT);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mw_arena_fini(&f->arena);
  free(f);
  return 0;
}

static void restart(struct fixture *f) {
  mw_arena_reset(&f->arena);
  mw_http_request_init(&f->request, &f->arena, LIMIT);
}

static void assert_taken(const struct mw_http_request *request) {
  struct mw_http_refusal refusal;
  if (mw_http_request_check(request, &refusal)) return;
  fail_msg("%u: %s", refusal.http, (const char *)refusal.status.message.data);
}

static void assert_metadata(const struct mw_http_request *request, const char *const *expected) {
  size_t n = 0;
  for (; expected[n]; n++) {
    assert_true(n < request->metadata.len);
    const struct mw_metadata_entry *entry = &request->metadata.entries[n];
    char text[200];
    snprintf(text, sizeof text, "%.*s: %.*s", (int)entry->key.len, (const char *)entry->key.data, (int)entry->value.len,
             (const char *)entry->value.data);
    assert_string_equal(text, expected[n]);
  }
  assert_int_equal(request->metadata.len, n);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void takes_the_usual_request(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  assert_taken(&f->request);
  assert_true(mw_slice_eq_str(f->request.path, "/a.B/C"));
  assert_true(f->request.timeout == MW_NEVER);
  assert_int_equal(f->request.compression, MW_COMPRESSION_IDENTITY);
  assert_int_equal(f->request.accepts, 1 << MW_COMPRESSION_IDENTITY);
  assert_int_equal(f->request.metadata.len, 0);
}

static void accepts_missing_optional_fields(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, LIST(":method: POST", ":path: /a.B/C", "content-type: application/grpc"));
  assert_taken(&f->request);
}

/* ---- each field ---- */

static void takes_content_types(void **state) {
  static const char *const types[] = {
      "application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+proto; x=y",
      "Application/GRPC", "application/grpc+PROTO", "application/grpc ; x=y"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    struct fixture *f = *state;
    restart(f);
    char field[100];
    snprintf(field, sizeof field, "content-type: %s", types[i]);
    add_all(&f->request, LIST(":method: POST", ":path: /", field));
    assert_taken(&f->request);
  }
}

static void reads_timeouts(void **state) {
  static const struct {
    const char *field;
    int64_t nanoseconds;
  } cases[] = {
      {"grpc-timeout: 1n", 1},
      {"grpc-timeout: 0n", 0},
      {"grpc-timeout: 20u", 20 * 1000},
      {"grpc-timeout: 300m", 300 * INT64_C(1000000)},
      {"grpc-timeout: 4S", 4 * INT64_C(1000000000)},
      {"grpc-timeout: 5M", 300 * INT64_C(1000000000)},
      {"grpc-timeout: 6H", 6 * 3600 * INT64_C(1000000000)},
      {"grpc-timeout: 00000007S", 7 * INT64_C(1000000000)},
      {"grpc-timeout: 99999999S", 99999999 * INT64_C(1000000000)},
      {"grpc-timeout: 2562047H", 2562047 * INT64_C(3600000000000)},
      {"grpc-timeout: 99999999H", MW_NEVER},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture *f = *state;
    restart(f);
    add_all(&f->request, usual);
    assert_int_equal(add(&f->request, cases[i].field), 0);
    assert_taken(&f->request);
    if (f->request.timeout != cases[i].nanoseconds) {
      fail_msg("%s: %lld", cases[i].field, (long long)f->request.timeout);
    }
  }
}

static void reads_encodings(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  add_all(&f->request, LIST("grpc-encoding: gzip", "grpc-accept-encoding: identity, deflate,gzip ,br"));
  assert_taken(&f->request);
  assert_int_equal(f->request.compression, MW_COMPRESSION_GZIP);
  assert_int_equal(f->request.accepts, 7);
  restart(f);
  add_all(&f->request, usual);
  add_all(&f->request, LIST("grpc-encoding: identity", "grpc-accept-encoding: deflate"));
  assert_taken(&f->request);
  assert_int_equal(f->request.compression, MW_COMPRESSION_IDENTITY);
  assert_int_equal(f->request.accepts, 1 << MW_COMPRESSION_IDENTITY | 1 << MW_COMPRESSION_DEFLATE);
  restart(f);
  add_all(&f->request, LIST("grpc-accept-encoding: br", "grpc-accept-encoding: gzip", "grpc-accept-encoding: "));
  assert_int_equal(f->request.accepts, 1 << MW_COMPRESSION_IDENTITY | 1 << MW_COMPRESSION_GZIP);
}

static void reads_lists_of_encodings(void **state) {
  enum { I = 1 << MW_COMPRESSION_IDENTITY, D = 1 << MW_COMPRESSION_DEFLATE, G = 1 << MW_COMPRESSION_GZIP };
  static const struct {
    const char *field;
    unsigned accepts;
  } cases[] = {
      {"grpc-accept-encoding: gzip", I | G},
      {"grpc-accept-encoding: gzap", I},
      {"grpc-accept-encoding: identity,deflate,gzip", I | D | G},
      {"grpc-accept-encoding: identity,deflate,gzap", I | D},
      {"grpc-accept-encoding: identity, deflate, gzip", I | D | G},
      {"grpc-accept-encoding: identitz, deflatz, gzip", I | G},
      {"grpc-accept-encoding:  , ,deflate", I | D},
      {"grpc-accept-encoding: ,", I},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture *f = *state;
    restart(f);
    assert_int_equal(add(&f->request, cases[i].field), 0);
    assert_int_equal(f->request.accepts, cases[i].accepts);
  }
}

static void keeps_metadata_in_order(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  add_all(&f->request, LIST("user-agent: me", "x-many: a", "cookie: c", "x-many: b", "x-empty: ", "x-many: a, b",
                            "accept-encoding: gzip"));
  assert_taken(&f->request);
  assert_metadata(&f->request, LIST("user-agent: me", "x-many: a", "cookie: c", "x-many: b",
                                    "x-empty: ", "x-many: a, b", "accept-encoding: gzip"));
}

static void fields_of_http_and_grpc_are_no_metadata(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  add_all(&f->request, LIST("grpc-timeout: 1S", "grpc-encoding: gzip", "grpc-accept-encoding: gzip", "grpc-: x",
                            "grpc-trace-bin: AAAA", "grpc-previous-rpc-attempt: 1", ":protocol: x", ":x: 1", ":abc: 1",
                            "grpc-tags-bin: !"));
  assert_taken(&f->request);
  assert_metadata(&f->request, LIST(NULL));
  /* names that only resemble those */
  const char *const near[] = {
      "ta: 1", "hosts: 1", "grpcx: 1", "content-typo: 1", "xrpc-timeout: 1", "grp: 1", "grpc-previous-rpc-attempts: 1",
      NULL};
  add_all(&f->request, near);
  assert_metadata(&f->request, near);
}

static void shows_host_only_beside_an_authority(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, LIST(":method: POST", ":path: /", "content-type: application/grpc", "host: there"));
  assert_taken(&f->request);
  assert_metadata(&f->request, LIST(NULL));
  restart(f);
  add_all(&f->request, usual);
  add_all(&f->request, LIST("host: there"));
  assert_metadata(&f->request, LIST("host: there"));
}

static void decodes_binary_metadata(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  add_all(&f->request,
          LIST("a-bin: YWJj", "b-bin: YQ", "b-bin: YQ==", "c-bin: YWI,Yw==, ZGVm", "d-bin: ", "e-bin: ,YQ"));
  assert_int_equal(add(&f->request, "f-bin: AP-_"), 0);
  assert_taken(&f->request);
  const struct mw_slice *raw = mw_metadata_get(&f->request.metadata, "f-bin");
  assert_true(raw && mw_slice_eq(*raw, mw_slice("\0\377\277", 3)));
  f->request.metadata.len--;
  assert_metadata(&f->request, LIST("a-bin: abc", "b-bin: a", "b-bin: a", "c-bin: ab", "c-bin: c", "c-bin: def",
                                    "d-bin: ", "e-bin: ", "e-bin: a"));
}

/* ---- refusals ---- */

static const struct refused {
  unsigned http;
  bool grpc;
  enum mw_code code;
  const char *message;
  fields request;
} refused[] = {
    {405,
     false,
     MW_CODE_INTERNAL,
     "method GET, must be POST",
     {":method: GET", ":path: /", "content-type: application/grpc", "te: trailers"}},
    {405, false, MW_CODE_INTERNAL, "method CONNECT, must be POST", {":method: CONNECT", ":authority: x"}},
    {405, false, MW_CODE_INTERNAL, "method post, must be POST", {":method: post", "content-type: application/grpc"}},
    {405, false, MW_CODE_INTERNAL, "no method, must be POST", {":path: /", "content-type: application/grpc"}},
    {405,
     false,
     MW_CODE_INTERNAL,
     "method PUT, must be POST",
     {"grpc-timeout: x", "content-type: text/html", ":method: PUT"}},
    {415, false, MW_CODE_INVALID_ARGUMENT, "no content-type, must be application/grpc", {":method: POST", ":path: /"}},
    {415,
     false,
     MW_CODE_INVALID_ARGUMENT,
     "content-type \"application/json\", must be application/grpc or application/grpc+proto",
     {":method: POST", "content-type: application/json"}},
    {415,
     false,
     MW_CODE_INVALID_ARGUMENT,
     "content-type \"application/grpc-web\" is gRPC-Web's, must be application/grpc; a proxy such as Envoy translates "
     "gRPC-Web",
     {":method: POST", "content-type: application/grpc-web"}},
    {415,
     false,
     MW_CODE_INVALID_ARGUMENT,
     "content-type \"application/grp\", must be application/grpc or application/grpc+proto",
     {":method: POST", "content-type: application/grp"}},
    {415,
     true,
     MW_CODE_INVALID_ARGUMENT,
     "content-type \"application/grpc+json\", must be application/grpc or application/grpc+proto",
     {":method: POST", "content-type: application/grpc+json"}},
    {415,
     true,
     MW_CODE_INVALID_ARGUMENT,
     "content-type \"application/grpc+protobuf\", must be application/grpc or application/grpc+proto",
     {":method: POST", "grpc-encoding: br", "content-type: application/grpc+protobuf"}},
    {200,
     true,
     MW_CODE_UNIMPLEMENTED,
     "grpc-encoding \"br\", must be identity, deflate or gzip",
     {":method: POST", "content-type: application/grpc", "grpc-encoding: br"}},
    {200,
     true,
     MW_CODE_INTERNAL,
     "metadata \"x-bin\": the value is not base64",
     {":method: POST", "content-type: application/grpc", "grpc-encoding: br", "x-bin: AAAA,A", "grpc-timeout: -1S"}},
    {200,
     true,
     MW_CODE_INTERNAL,
     "metadata \"y-bin\": the value is not base64",
     {":method: POST", "content-type: application/grpc", "x-bin: AAAA", "y-bin: ??"}},
};

static void assert_refused(const struct mw_http_request *request, const struct refused *expected) {
  struct mw_http_refusal refusal;
  assert_false(mw_http_request_check(request, &refusal));
  char text[300];
  snprintf(text, sizeof text, "%.*s", (int)refusal.status.message.len, (const char *)refusal.status.message.data);
  assert_string_equal(text, expected->message);
  assert_int_equal(refusal.http, expected->http);
  assert_int_equal(refusal.grpc, expected->grpc);
  assert_int_equal(refusal.body, !expected->grpc);
  assert_int_equal(refusal.status.code, expected->code);
}

static void turns_away(void **state) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct fixture *f = *state;
    restart(f);
    add_all(&f->request, refused[i].request);
    assert_refused(&f->request, &refused[i]);
  }
}

static void turns_head_away_without_a_body(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, LIST(":method: HEAD", ":path: /"));
  struct mw_http_refusal refusal;
  assert_false(mw_http_request_check(&f->request, &refusal));
  assert_int_equal(refusal.http, 405);
  assert_false(refusal.body);
}

static void turns_away_malformed_timeouts(void **state) {
  static const char *const values[] = {"",    "1",   "S",   "1s",         "1h",   "-1S", "+1S", "1.5S",
                                       " 1S", "1S ", "1 S", "123456789S", "0x1S", "1SS", "H1"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    struct fixture *f = *state;
    restart(f);
    add_all(&f->request, usual);
    char field[64], message[128];
    snprintf(field, sizeof field, "grpc-timeout: %s", values[i]);
    snprintf(message, sizeof message, "grpc-timeout \"%s\", must be 1 to 8 digits and one of H M S m u n", values[i]);
    assert_int_equal(add(&f->request, field), 0);
    struct refused expected = {200, true, MW_CODE_INTERNAL, message, {0}};
    assert_refused(&f->request, &expected);
  }
}

static void errors_show_the_start_of_a_value_in_ascii(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, usual);
  assert_int_equal(add(&f->request,
                       "grpc-encoding: \xc3\xa4-6789012345678901234567890123456789012345678901234567890123"
                       "456789"),
                   0);
  struct refused expected = {200,
                             true,
                             MW_CODE_UNIMPLEMENTED,
                             "grpc-encoding \"?"
                             "?-6789012345678901234567890123456789012345678901234567890123456\", "
                             "must be identity, deflate or gzip",
                             {0}};
  assert_refused(&f->request, &expected);
}

/* ---- the limit ---- */

static void counts_as_http_does(void **state) {
  for (size_t over = 0; over < 2; over++) {
    struct fixture *f = *state;
    restart(f);
    add_all(&f->request, usual);
    size_t size = 0;
    for (size_t i = 0; usual[i]; i++) size += strlen(usual[i]) - 2 + 32;
    char field[LIMIT];
    int len = snprintf(field, sizeof field, "x-big: ");
    memset(field + len, 'x', sizeof field - (size_t)len);
    field[(size_t)len + LIMIT - size - 32 - strlen("x-big") + over] = '\0';
    assert_int_equal(add(&f->request, field), 0);
    struct refused expected = {
        200, true, MW_CODE_RESOURCE_EXHAUSTED, "metadata longer than the limit of 2000 bytes", {0}};
    if (over) {
      assert_refused(&f->request, &expected);
    } else {
      assert_taken(&f->request);
    }
    assert_int_equal(f->request.metadata.len, over ? 0 : 1);
  }
}

static void stores_nothing_past_the_limit(void **state) {
  struct fixture *f = *state;
  add_all(&f->request, LIST(":method: GET", "content-type: text/html", "grpc-encoding: br"));
  char field[100];
  for (int i = 0; i < 100; i++) {
    snprintf(field, sizeof field, "x-%d: %50d", i, i);
    assert_int_equal(add(&f->request, field), 0);
  }
  size_t used = f->arena.used;
  for (int i = 0; i < 10000; i++) assert_int_equal(add(&f->request, field), 0);
  assert_int_equal(f->arena.used, used);
  assert_true(used < 3 * LIMIT);
  struct refused expected = {
      200, true, MW_CODE_RESOURCE_EXHAUSTED, "metadata longer than the limit of 2000 bytes", {0}};
  assert_refused(&f->request, &expected);
}

/* A list of binary values takes as much memory as one field for each value. */
static void counts_each_value_of_a_list(void **state) {
  enum { VALUES = 100 };
  for (size_t size = LIMIT; size <= VALUES * LIMIT; size *= VALUES) {
    struct fixture *f = *state;
    mw_arena_reset(&f->arena);
    mw_http_request_init(&f->request, &f->arena, size);
    add_all(&f->request, usual);
    char field[VALUES + 8];
    int len = snprintf(field, sizeof field, "x-bin: ");
    memset(field + len, ',', VALUES - 1);
    field[len + VALUES - 1] = '\0';
    assert_int_equal(add(&f->request, field), 0);
    struct refused expected = {
        200, true, MW_CODE_RESOURCE_EXHAUSTED, "metadata longer than the limit of 2000 bytes", {0}};
    if (size == LIMIT) {
      assert_refused(&f->request, &expected);
      assert_true(f->request.metadata.len <= LIMIT / 32);
    } else {
      assert_taken(&f->request);
      assert_int_equal(f->request.metadata.len, VALUES);
    }
  }
}

/* ---- without memory ---- */

static int request_without_memory(void *arg) {
  const char *const *list = arg;
  struct mw_arena arena;
  struct mw_http_request request;
  mw_arena_init(&arena, SIZE_MAX);
  mw_http_request_init(&request, &arena, LIMIT);
  int rc = 0;
  for (size_t i = 0; list[i] && rc == 0; i++) {
    const char *colon = strstr(list[i] + 1, ": ");
    rc = mw_http_request_add(&request, mw_slice(list[i], (size_t)(colon - list[i])), mw_slice_str(colon + 2));
  }
  mw_arena_fini(&arena);
  return rc;
}

static void does_without_memory(void **state) {
  failmalloc_sweep(request_without_memory,
                   (void *)(uintptr_t)LIST(":method: POST", ":path: /a.B/C", "content-type: application/grpc", "x-a: 1",
                                           "x-b-bin: AAAA,AAAA", "grpc-timeout: 1S", "grpc-accept-encoding: gzip"));
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    failmalloc_sweep(request_without_memory, (void *)(uintptr_t)refused[i].request);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(takes_the_usual_request),
      TEST(accepts_missing_optional_fields),
      TEST(takes_content_types),
      TEST(reads_timeouts),
      TEST(reads_encodings),
      TEST(reads_lists_of_encodings),
      TEST(keeps_metadata_in_order),
      TEST(fields_of_http_and_grpc_are_no_metadata),
      TEST(shows_host_only_beside_an_authority),
      TEST(decodes_binary_metadata),
      TEST(turns_away),
      TEST(turns_head_away_without_a_body),
      TEST(turns_away_malformed_timeouts),
      TEST(errors_show_the_start_of_a_value_in_ascii),
      TEST(counts_as_http_does),
      TEST(stores_nothing_past_the_limit),
      TEST(counts_each_value_of_a_list),
      TEST(does_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
