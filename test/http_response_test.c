/* The headers and trailers of responses and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/http/h2/response.h"
#include "failmalloc.h"

#define HEADERS ":status: 200\ncontent-type: application/grpc\n"
#define ACCEPT "grpc-accept-encoding: identity,deflate,gzip\n"

static struct mw_arena arena;

static int setup(void **state) {
  mw_arena_init(&arena, SIZE_MAX);
  return 0;
}

static int teardown(void **state) {
  mw_arena_fini(&arena);
  return 0;
}

/* Makes metadata from keys and values in turn. */
static struct mw_metadata metadata_of(const char *const *words) {
  struct mw_metadata metadata = {0};
  for (size_t i = 0; words[i]; i += 2) {
    struct mw_slice key = mw_slice_str(words[i]), value = mw_slice_str(words[i + 1]);
    assert_int_equal(mw_metadata_add(&metadata, &arena, key, value), 0);
  }
  return metadata;
}

#define METADATA(...) metadata_of((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((struct mw_metadata){0})

/* Compares the fields as lines. nghttp2 must copy none, and must not index per-response values. */
static void assert_fields(struct mw_http_fields fields, const char *expected) {
  struct mw_buf text = MW_BUF_INIT;
  for (size_t i = 0; i < fields.len; i++) {
    const nghttp2_nv *nv = &fields.nv[i];
    struct mw_slice name = mw_slice(nv->name, nv->namelen);
    bool varies = mw_metadata_is_binary(name) || mw_slice_eq_str(name, "grpc-message");
    assert_int_equal(nv->flags, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                                    (varies ? NGHTTP2_NV_FLAG_NO_INDEX : 0));
    int rc = mw_buf_printf(&text, "%.*s: %.*s\n", (int)nv->namelen, nv->name, (int)nv->valuelen, nv->value);
    assert_int_equal(rc, 0);
    assert_true(nghttp2_check_header_name(nv->name, nv->namelen));
    assert_true(nghttp2_check_header_value_rfc9113(nv->value, nv->valuelen));
  }
  assert_string_equal(mw_buf_str(&text), expected);
  mw_buf_fini(&text);
}

static void assert_headers(enum mw_compression compression, struct mw_metadata headers, const char *expected) {
  struct mw_http_fields fields;
  assert_int_equal(mw_http_response_headers(&fields, compression, &headers, &arena), 0);
  assert_fields(fields, expected);
}

static void assert_trailers(struct mw_status status, struct mw_metadata trailers, const char *expected) {
  struct mw_http_fields fields;
  assert_int_equal(mw_http_response_trailers(&fields, &status, &trailers, &arena), 0);
  assert_fields(fields, expected);
}

static void begins(void **state) {
  assert_headers(MW_COMPRESSION_IDENTITY, NONE, HEADERS ACCEPT);
  assert_int_equal(arena.used, 0);
  assert_headers(MW_COMPRESSION_GZIP, NONE, HEADERS "grpc-encoding: gzip\n" ACCEPT);
  assert_headers(MW_COMPRESSION_DEFLATE, METADATA("x-a", "1", "x-a", "2", "b-bin", "\xff"),
                 HEADERS "grpc-encoding: deflate\n" ACCEPT "x-a: 1\nx-a: 2\nb-bin: /w\n");
}

static void ends(void **state) {
  assert_trailers(mw_status(MW_CODE_OK, ""), NONE, "grpc-status: 0\n");
  assert_trailers(mw_status(MW_CODE_UNAUTHENTICATED, ""), NONE, "grpc-status: 16\n");
  assert_int_equal(arena.used, 0);
  assert_trailers(mw_status(MW_CODE_NOT_FOUND, "no such thing"), METADATA("x-t", "1"),
                  "grpc-status: 5\ngrpc-message: no such thing\nx-t: 1\n");
  struct mw_status status = {MW_CODE_ABORTED, {NULL, 0}, mw_slice_str("12345")};
  assert_trailers(status, NONE, "grpc-status: 10\ngrpc-status-details-bin: MTIzNDU\n");
}

static void has_a_number_for_every_code(void **state) {
  for (int code = 0; code < MW_CODE_COUNT; code++) {
    char expected[32];
    snprintf(expected, sizeof expected, "grpc-status: %d\n", code);
    assert_trailers(mw_status((enum mw_code)code, ""), NONE, expected);
  }
  assert_trailers(mw_status((enum mw_code)99, ""), NONE, "grpc-status: 2\n");
}

static void encodes_messages(void **state) {
  static const struct {
    const char *message, *encoded;
  } cases[] = {
      {"plain, with \"marks\" and ~", "plain, with \"marks\" and ~"},
      {"100%", "100%25"},
      {"%41", "%2541"},
      {"two\nlines\r\n", "two%0Alines%0D%0A"},
      {"\xc3\xa4\xe2\x82\xac", "%C3%A4%E2%82%AC"},
      {"\x01\x1f\x7f", "%01%1F%7F"},
      {" blanks at the ends ", "%20blanks at the ends%20"},
      {" ", "%20"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char expected[128];
    snprintf(expected, sizeof expected, "grpc-status: 3\ngrpc-message: %s\n", cases[i].encoded);
    assert_trailers(mw_status(MW_CODE_INVALID_ARGUMENT, cases[i].message), NONE, expected);
  }
}

static void cuts_long_messages(void **state) {
  char message[MW_STATUS_MESSAGE_MAX + 2], expected[MW_STATUS_MESSAGE_MAX + 64];
  memset(message, 'm', sizeof message - 1);
  message[sizeof message - 1] = '\0';
  snprintf(expected, sizeof expected, "grpc-status: 13\ngrpc-message: %.*s\n", MW_STATUS_MESSAGE_MAX, message);
  assert_trailers(mw_status(MW_CODE_INTERNAL, message), NONE, expected);
}

static void leaves_out_invalid_metadata(void **state) {
  assert_headers(MW_COMPRESSION_IDENTITY,
                 METADATA("X-Upper", "1", "", "1", ":status", "500", "a b", "1", "x-control", "a\nb", "x-high",
                          "\xc3\xa4", "x-blanks", "  a b  ", "x-only-blanks", "  ", "x-empty", "", "e-bin", ""),
                 HEADERS ACCEPT "x-blanks: a b\nx-only-blanks: \nx-empty: \ne-bin: \n");
}

static void sends_binary_metadata_that_reads_the_same(void **state) {
  uint8_t bytes[256];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
  for (size_t len = 0; len <= sizeof bytes; len++) {
    struct mw_metadata sent = NONE;
    struct mw_http_fields fields;
    struct mw_http_request request;
    assert_int_equal(mw_metadata_add(&sent, &arena, mw_slice_str("x-bin"), mw_slice(bytes, len)), 0);
    assert_int_equal(mw_http_response_headers(&fields, MW_COMPRESSION_IDENTITY, &sent, &arena), 0);
    const nghttp2_nv *nv = &fields.nv[fields.len - 1];
    mw_http_request_init(&request, &arena, SIZE_MAX);
    assert_int_equal(mw_http_request_add(&request, mw_slice(nv->name, nv->namelen), mw_slice(nv->value, nv->valuelen)),
                     0);
    assert_int_equal(request.metadata.len, 1);
    assert_true(mw_slice_eq(request.metadata.entries[0].value, mw_slice(bytes, len)));
  }
}

static void ends_at_once(void **state) {
  struct mw_http_fields fields;
  struct mw_metadata headers = METADATA("x-h", "1"), trailers = METADATA("x-t", "2");
  struct mw_status status = {MW_CODE_NOT_FOUND, mw_slice_str("none"), mw_slice_str("d")};
  assert_int_equal(mw_http_response_trailers_only(&fields, &status, &headers, &trailers, &arena), 0);
  assert_fields(fields, HEADERS ACCEPT
                "grpc-status: 5\ngrpc-message: none\n"
                "grpc-status-details-bin: ZA\nx-h: 1\nx-t: 2\n");
  status = mw_status(MW_CODE_OK, "");
  headers = trailers = NONE;
  assert_int_equal(mw_http_response_trailers_only(&fields, &status, &headers, &trailers, &arena), 0);
  assert_fields(fields, HEADERS ACCEPT "grpc-status: 0\n");
}

static void refuses(void **state) {
  static const struct {
    struct mw_http_refusal refusal;
    const char *expected;
  } cases[] = {
      {{405, false, true, {MW_CODE_INTERNAL, {(const uint8_t *)"m", 1}, {NULL, 0}}},
       ":status: 405\nallow: POST\ncontent-type: text/plain; charset=utf-8\n"},
      {{405, false, false, {MW_CODE_INTERNAL, {(const uint8_t *)"m", 1}, {NULL, 0}}}, ":status: 405\nallow: POST\n"},
      {{415, false, true, {MW_CODE_INVALID_ARGUMENT, {(const uint8_t *)"m", 1}, {NULL, 0}}},
       ":status: 415\ncontent-type: text/plain; charset=utf-8\n"},
      {{415, true, false, {MW_CODE_INVALID_ARGUMENT, {(const uint8_t *)"m", 1}, {NULL, 0}}},
       ":status: 415\ncontent-type: application/grpc\ngrpc-status: 3\ngrpc-message: m\n"},
      {{200, true, false, {MW_CODE_UNIMPLEMENTED, {(const uint8_t *)"m", 1}, {NULL, 0}}},
       HEADERS ACCEPT "grpc-status: 12\ngrpc-message: m\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mw_http_fields fields;
    assert_int_equal(mw_http_response_refusal(&fields, &cases[i].refusal, &arena), 0);
    assert_fields(fields, cases[i].expected);
  }
}

static int respond_without_memory(void *arg) {
  struct mw_metadata *metadata = arg;
  struct mw_arena own;
  mw_arena_init(&own, SIZE_MAX);
  struct mw_status status = {MW_CODE_NOT_FOUND, mw_slice_str("100%"), mw_slice_str("d")};
  struct mw_http_fields fields;
  struct mw_http_refusal refusal = {415, true, false, status};
  int rc = mw_http_response_headers(&fields, MW_COMPRESSION_GZIP, metadata, &own);
  if (rc == 0) rc = mw_http_response_trailers(&fields, &status, metadata, &own);
  if (rc == 0) rc = mw_http_response_trailers_only(&fields, &status, metadata, metadata, &own);
  if (rc == 0) rc = mw_http_response_refusal(&fields, &refusal, &own);
  mw_arena_fini(&own);
  return rc;
}

static void does_without_memory(void **state) {
  struct mw_metadata metadata = METADATA("x-a", "1", "x-bin", "2");
  failmalloc_sweep(respond_without_memory, &metadata);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(begins),
      TEST(ends),
      TEST(has_a_number_for_every_code),
      TEST(encodes_messages),
      TEST(cuts_long_messages),
      TEST(leaves_out_invalid_metadata),
      TEST(sends_binary_metadata_that_reads_the_same),
      TEST(ends_at_once),
      TEST(refuses),
      TEST(does_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
