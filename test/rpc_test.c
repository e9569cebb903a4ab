/* The call, dispatch, router, metadata and status, on a fake engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rpc/dispatch.h"
#include "rpc/engine.h"

/* ---- a fake engine that records its calls ---- */

struct fake {
  struct mw_call call;
  uint8_t reserved[64];
  unsigned reads, sends, headers, finishes;
  bool last;
  enum mw_code code;
  char message[256];
};

static struct fake *fake_of(struct mw_call *call) { return MW_CONTAINER(call, struct fake, call); }
static void fake_read(struct mw_call *call) { fake_of(call)->reads++; }
static uint8_t *fake_reserve(struct mw_call *call, size_t size) { return fake_of(call)->reserved; }
static void fake_send(struct mw_call *call, unsigned flags) {
  fake_of(call)->sends++;
  fake_of(call)->last = flags & MW_SEND_LAST;
}
static void fake_send_headers(struct mw_call *call) { fake_of(call)->headers++; }
static void fake_finish(struct mw_call *call, const struct mw_status *status) {
  struct fake *fake = fake_of(call);
  fake->finishes++;
  fake->code = status->code;
  snprintf(fake->message, sizeof fake->message, "%.*s", (int)status->message.len, (const char *)status->message.data);
}

static const struct mw_engine_call_ops fake_ops = {fake_read,         fake_reserve, fake_send,
                                                   fake_send_headers, fake_finish,  NULL};

/* ---- a handler that counts its events ---- */

static struct {
  unsigned start, message, end, writable, cancelled, unpinned, idle;
  bool finish_on_cancel;
  struct mw_status status;
} seen;

static void on_start(struct mw_call *call) { seen.start++; }
static void on_message(struct mw_call *call, struct mw_slice bytes) { seen.message++; }
static void on_end(struct mw_call *call) { seen.end++; }
static void on_writable(struct mw_call *call) { seen.writable++; }
static void on_cancelled(struct mw_call *call, struct mw_status status) {
  seen.cancelled++;
  seen.status = status;
  if (seen.finish_on_cancel) mw_call_finish(call, &status);
}
static void on_unpinned(void *arg) { seen.unpinned++; }
static void on_idle(void *arg) { seen.idle++; }

static const struct mw_handler handler = {on_start, on_message, on_end, on_writable, on_cancelled, NULL};
static const struct mw_service_type service;
static const struct mw_method_type methods[] = {{.name = "Get", .path = "/test.Echo/Get", .service = &service},
                                                {.name = "Put", .path = "/test.Echo/Put", .service = &service}};
static const struct mw_service_type service = {.full_name = "test.Echo", .methods = methods, .n_methods = 2};

/* ---- a worker's dispatch ---- */

static struct mw_dispatch dispatch;
static struct mw_router router;

static int setup(void **state) {
  memset(&seen, 0, sizeof seen);
  mw_log_set_level(MW_LOG_OFF);
  mw_router_init(&router, 1);
  mw_dispatch_init(&dispatch, "fake", 0);
  dispatch.router = &router;
  dispatch.metrics = mw_metrics_new();
  dispatch.idle = on_idle;
  router.unpinned = on_unpinned;
  return mw_router_add(&router, &methods[0], &handler, NULL);
}

static int teardown(void **state) {
  mw_dispatch_fini(&dispatch);
  mw_router_fini(&router);
  mw_metrics_free(dispatch.metrics);
  return 0;
}

static void start(struct fake *fake, const char *path) {
  *fake = (struct fake){.call = {.ops = &fake_ops, .path = mw_slice_str(path), .peer = "ipv4:127.0.0.1:1"}};
  fake->call.deadline = MW_NEVER;
  mw_dispatch_start(&dispatch, &fake->call);
}

static const struct mw_status ok = {MW_CODE_OK, {NULL, 0}, {NULL, 0}};

/* ---- calls ---- */

static void a_call_runs_from_start_to_finish(void **state) {
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  struct mw_call *call = &fake.call;
  assert_int_equal(seen.start, 1);
  assert_int_equal(dispatch.live, 1);
  assert_int_equal(router.calls, 1);
  mw_call_read(call);
  assert_int_equal(fake.reads, 1);
  mw_call_on_message(call, mw_slice_str("hello"));
  mw_call_read(call);
  mw_call_on_end(call);
  assert_int_equal(seen.message, 1);
  assert_int_equal(seen.end, 1);
  assert_non_null(mw_call_reserve(call, 5));
  mw_call_send(call, MW_SEND_LAST);
  mw_call_finish(call, &ok);
  assert_int_equal(fake.finishes, 1);
  assert_true(fake.last);
  assert_int_equal(call->received, 1);
  assert_int_equal(call->sent, 1);
  assert_int_equal(dispatch.live, 0);
  assert_int_equal(seen.unpinned, 1);
  assert_int_equal(seen.idle, 1);
}

static void ids_are_unique(void **state) {
  struct fake a, b;
  start(&a, "/test.Echo/Get");
  start(&b, "/test.Echo/Get");
  assert_true(a.call.id != b.call.id);
  mw_call_finish(&a.call, &ok);
  mw_call_finish(&b.call, &ok);
}

static void headers_go_once(void **state) {
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  mw_call_send_headers(&fake.call);
  mw_call_send_headers(&fake.call);
  mw_call_send(&fake.call, 0);
  mw_call_send_headers(&fake.call);
  assert_int_equal(fake.headers, 1);
  mw_call_finish(&fake.call, &ok);
}

static void sending_waits_at_the_limit_and_goes_on_at_half(void **state) {
  dispatch.send_limit = 4;
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  struct mw_call *call = &fake.call;
  assert_true(mw_call_send(call, 0));
  assert_true(mw_call_send(call, 0));
  assert_true(mw_call_send(call, 0));
  assert_false(mw_call_send(call, 0));
  mw_call_on_sent(call, 1);
  assert_int_equal(seen.writable, 0);
  mw_call_on_sent(call, 1);
  assert_int_equal(seen.writable, 1);
  mw_call_on_sent(call, 2);
  assert_int_equal(seen.writable, 1);
  mw_call_finish(call, &ok);
}

static bool send_bytes(struct mw_call *call, size_t size) {
  assert_non_null(mw_call_reserve(call, size));
  return mw_call_send(call, 0);
}

static void sending_waits_for_few_large_messages(void **state) {
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  struct mw_call *call = &fake.call;
  assert_true(send_bytes(call, MW_CALL_UNSENT_BYTES - 10));
  assert_true(send_bytes(call, 9));
  assert_false(send_bytes(call, 1));
  mw_call_on_sent(call, 1);
  assert_int_equal(seen.writable, 0);
  mw_call_on_sent(call, 1);
  assert_int_equal(seen.writable, 1);
  mw_call_on_sent(call, 1);
  assert_false(send_bytes(call, MW_CALL_UNSENT_BYTES)); /* one message of any size is sent */
  mw_call_on_sent(call, 1);
  assert_int_equal(seen.writable, 2);
  mw_call_finish(call, &ok);
}

static void cancelling_is_told_once_and_stops_everything_else(void **state) {
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  struct mw_call *call = &fake.call;
  mw_call_read(call);
  mw_call_on_cancel(call, mw_status(MW_CODE_CANCELLED, "gone"));
  mw_call_on_cancel(call, mw_status(MW_CODE_UNAVAILABLE, "again"));
  assert_int_equal(seen.cancelled, 1);
  assert_int_equal(seen.status.code, MW_CODE_CANCELLED);
  mw_call_on_message(call, mw_slice_str("late"));
  mw_call_on_end(call);
  assert_int_equal(seen.message + seen.end, 0);
  assert_false(mw_call_send(call, 0));
  mw_call_send_headers(call);
  mw_call_send(call, MW_SEND_LAST);
  assert_int_equal(fake.sends + fake.headers, 0);
  mw_call_finish(call, &seen.status);
  assert_false(fake.last);
  assert_int_equal(fake.finishes, 1);
}

/* Its handler stops when a send fails, and returns as if it had sent everything. */
static void a_cancelled_call_does_not_end_with_ok(void **state) {
  struct fake fake;
  char text[] = "the server is stopping";
  start(&fake, "/test.Echo/Get");
  mw_arena_init(&fake.call.arena, SIZE_MAX);
  mw_call_on_cancel(&fake.call, mw_status(MW_CODE_UNAVAILABLE, text));
  text[0] = 'T';
  mw_call_finish(&fake.call, &ok);
  assert_int_equal(fake.code, MW_CODE_UNAVAILABLE);
  assert_string_equal(fake.message, "the server is stopping");
  mw_arena_fini(&fake.call.arena);
  start(&fake, "/test.Echo/Get");
  mw_call_on_cancel(&fake.call, mw_status(MW_CODE_UNAVAILABLE, text));
  mw_call_finish(&fake.call, &(struct mw_status){MW_CODE_ABORTED, mw_slice_str("undone"), {NULL, 0}});
  assert_int_equal(fake.code, MW_CODE_ABORTED);
}

static void cancel_all_reaches_every_live_call(void **state) {
  seen.finish_on_cancel = true;
  struct fake fakes[5];
  for (size_t i = 0; i < 5; i++) start(&fakes[i], "/test.Echo/Get");
  mw_dispatch_cancel_all(&dispatch, mw_status(MW_CODE_UNAVAILABLE, "the server is stopping"));
  assert_int_equal(seen.cancelled, 5);
  assert_int_equal(dispatch.live, 0);
  assert_int_equal(seen.idle, 1);
  for (size_t i = 0; i < 5; i++) assert_int_equal(fakes[i].code, MW_CODE_UNAVAILABLE);
  mw_dispatch_cancel_all(&dispatch, mw_status(MW_CODE_UNAVAILABLE, "nobody is left"));
  assert_int_equal(seen.cancelled, 5);
}

static void unknown_paths_are_unimplemented(void **state) {
  static const struct {
    const char *path, *message;
  } cases[] = {{"/test.Echo/Put", "method /test.Echo/Put has no handler"},
               {"/test.Echo/Gte", "unknown method /test.Echo/Gte"},
               {"/test.Echo/", "unknown method /test.Echo/"},
               {"/test.Echo/Put/x", "unknown method /test.Echo/Put/x"},
               {"/test.Echo", "malformed method path /test.Echo"},
               {"/test.Ecco/Get", "unknown service test.Ecco"},
               {"nonsense", "malformed method path nonsense"},
               {"", "malformed method path "}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fake fake;
    start(&fake, cases[i].path);
    assert_int_equal(fake.code, MW_CODE_UNIMPLEMENTED);
    assert_string_equal(fake.message, cases[i].message);
  }
  assert_int_equal(seen.start, 0);
  assert_int_equal(dispatch.live, 0);
}

static void a_shared_route_pins_its_own_table_alone(void **state) {
  struct mw_router newer;
  mw_router_init(&newer, 2);
  assert_int_equal(mw_router_alias(&newer, &methods[0], mw_router_find(&router, mw_slice_str("/test.Echo/Get"))), 0);
  assert_ptr_equal(mw_router_service(&newer, mw_slice_str("test.Echo")), &service);
  assert_true(mw_router_serves(&newer, &service));
  dispatch.router = &newer;
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  assert_int_equal(newer.calls, 0);
  assert_int_equal(router.calls, 1);
  assert_int_equal(mw_router_add(&newer, &methods[0], &handler, NULL), 0); /* in its place */
  struct fake other;
  start(&other, "/test.Echo/Get");
  assert_int_equal(newer.calls, 1);
  mw_call_finish(&other.call, &ok);
  mw_router_fini(&newer);
  dispatch.router = &router;
  mw_call_finish(&fake.call, &ok);
  assert_int_equal(router.calls, 0);
}

static void a_service_may_have_no_routes(void **state) {
  static const struct mw_service_type begun = {.full_name = "test.Begun"};
  assert_null(mw_router_service(&router, mw_slice_str("test.Begun")));
  assert_int_equal(mw_router_add_service(&router, &begun), 0);
  assert_ptr_equal(mw_router_service(&router, mw_slice_str("test.Begun")), &begun);
  assert_false(mw_router_serves(&router, &begun));
}

static void a_draining_worker_turns_calls_away(void **state) {
  dispatch.draining = true;
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  assert_int_equal(fake.code, MW_CODE_UNAVAILABLE);
  assert_string_equal(fake.message, "the server is shutting down");
  assert_int_equal(seen.start, 0);
}

static void calls_are_counted(void **state) {
  struct fake fake;
  start(&fake, "/test.Echo/Get");
  mw_call_on_message(&fake.call, mw_slice_str("x"));
  mw_call_finish(&fake.call, &ok);
  start(&fake, "/test.Echo/Get");
  struct mw_status missing = mw_status(MW_CODE_NOT_FOUND, "no");
  mw_call_finish(&fake.call, &missing);
  struct mw_buf text = MW_BUF_INIT;
  assert_int_equal(mw_metrics_write(dispatch.metrics, &text), 0);
  assert_non_null(strstr(mw_buf_str(&text), "moonwire_calls_total{method=\"/test.Echo/Get\",code=\"OK\"} 1"));
  assert_non_null(strstr(mw_buf_str(&text), "moonwire_calls_total{method=\"/test.Echo/Get\",code=\"NOT_FOUND\"} 1"));
  assert_non_null(strstr(mw_buf_str(&text), "moonwire_messages_received_total{method=\"/test.Echo/Get\"} 1"));
  assert_non_null(strstr(mw_buf_str(&text), "moonwire_call_seconds_count{method=\"/test.Echo/Get\"} 2"));
  mw_buf_fini(&text);
}

static void an_expired_call_does_not_begin(void **state) {
  struct fake fake = {.call = {.ops = &fake_ops, .path = mw_slice_str("/test.Echo/Get"), .peer = ""}};
  fake.call.arrived = mw_clock_mono() - 2 * MW_NS_PER_MS;
  fake.call.deadline = fake.call.arrived + 1;
  mw_dispatch_start(&dispatch, &fake.call);
  assert_int_equal(fake.finishes, 1);
  assert_int_equal(fake.code, MW_CODE_DEADLINE_EXCEEDED);
  assert_string_equal(fake.message, "the deadline has passed");
  assert_int_equal(seen.start, 0);
  assert_int_equal(router.calls, 0);
  struct mw_buf text = MW_BUF_INIT;
  assert_int_equal(mw_metrics_write(dispatch.metrics, &text), 0);
  assert_non_null(
      strstr(mw_buf_str(&text), "moonwire_calls_total{method=\"/test.Echo/Get\",code=\"DEADLINE_EXCEEDED\"} 1"));
  assert_non_null(strstr(mw_buf_str(&text), "moonwire_call_wait_seconds_count{method=\"/test.Echo/Get\"} 1"));
  mw_buf_fini(&text);
}

static void grpcs_own_services_go_first(void **state) {
  assert_true(mw_dispatch_is_priority(mw_slice_str("/grpc.health.v1.Health/Check")));
  assert_true(mw_dispatch_is_priority(mw_slice_str("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")));
  assert_false(mw_dispatch_is_priority(mw_slice_str("/grpc.testing.TestService/UnaryCall")));
  assert_false(mw_dispatch_is_priority(mw_slice_str("/grpc.")));
  assert_false(mw_dispatch_is_priority(mw_slice_str("")));
}

/* ---- the rest ---- */

static void a_route_is_replaced_in_place(void **state) {
  int arg = 0;
  const struct mw_route *before = mw_router_find(&router, mw_slice_str("/test.Echo/Get"));
  assert_int_equal(mw_router_add(&router, &methods[0], &handler, &arg), 0);
  assert_ptr_equal(mw_router_find(&router, mw_slice_str("/test.Echo/Get")), before);
  assert_ptr_equal(before->arg, &arg);
  assert_ptr_equal(before->router, &router);
  assert_null(mw_router_find(&router, mw_slice_str("/test.Echo/Ge")));
}

static void metadata_of_an_application_is_bounded(void **state) {
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  struct mw_metadata metadata = {0};
  struct mw_slice key = mw_slice_str("k"), empty = mw_slice(NULL, 0);
  size_t n = 0;
  for (; mw_metadata_fits(&metadata, key, empty); n++) {
    assert_int_equal(mw_metadata_add(&metadata, &arena, key, empty), 0);
  }
  assert_int_equal(n, MW_METADATA_MOST / (1 + MW_METADATA_OVERHEAD));
  static const uint8_t bytes[MW_METADATA_MOST];
  metadata = (struct mw_metadata){0};
  assert_true(mw_metadata_fits(&metadata, key, mw_slice(bytes, MW_METADATA_MOST - MW_METADATA_OVERHEAD - 1)));
  assert_false(mw_metadata_fits(&metadata, key, mw_slice(bytes, MW_METADATA_MOST - MW_METADATA_OVERHEAD)));
  mw_arena_fini(&arena);
}

static void metadata_keeps_order_and_repeats(void **state) {
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  struct mw_metadata metadata = {0};
  char value[16];
  for (int i = 0; i < 20; i++) {
    snprintf(value, sizeof value, "%d", i);
    struct mw_slice key = mw_slice_str(i % 2 ? "odd" : "even");
    assert_int_equal(mw_metadata_add(&metadata, &arena, key, mw_slice_str(value)), 0);
  }
  assert_int_equal(mw_metadata_add(&metadata, &arena, mw_slice_str("empty"), mw_slice(NULL, 0)), 0);
  assert_int_equal(metadata.len, 21);
  assert_true(mw_slice_eq_str(*mw_metadata_get(&metadata, "odd"), "1"));
  assert_true(mw_slice_eq_str(metadata.entries[19].value, "19"));
  assert_int_equal(mw_metadata_get(&metadata, "empty")->len, 0);
  assert_null(mw_metadata_get(&metadata, "none"));
  mw_arena_fini(&arena);
}

static void metadata_out_of_memory_changes_nothing(void **state) {
  struct mw_arena arena;
  mw_arena_init(&arena, 0);
  struct mw_metadata metadata = {0};
  assert_int_equal(mw_metadata_add(&metadata, &arena, mw_slice_str("a"), mw_slice_str("b")), MW_ENOMEM);
  assert_int_equal(metadata.len, 0);
  mw_arena_fini(&arena);
}

static void metadata_is_checked(void **state) {
  char long_key[130];
  memset(long_key, 'k', sizeof long_key - 1);
  long_key[129] = '\0';
  const struct {
    const char *key, *value, *error;
  } cases[] = {
      {"x-token_1.a", "printable ~", NULL},
      {"x-raw-bin", "\x01\xff", NULL},
      {"", "v", "metadata key: 0 bytes, must be 1 to 128"},
      {long_key, "v", "metadata key: 129 bytes, must be 1 to 128"},
      {"X-Token", "v", "metadata key \"X-Token\": byte 0x58 at 1, must be one of 0-9 a-z _ - ."},
      {":path", "v", "metadata key \":path\": byte 0x3a at 1, must be one of 0-9 a-z _ - ."},
      {"grpc-timeout", "v", "metadata key \"grpc-timeout\" is reserved for HTTP and gRPC, choose another name"},
      {"content-type", "v", "metadata key \"content-type\" is reserved for HTTP and gRPC, choose another name"},
      {"-bin", "v", "metadata key \"-bin\": no name, must have one before -bin"},
      {"te", "v", "metadata key \"te\" is reserved for HTTP and gRPC, choose another name"},
      {"x-name", "caf\xc3\xa9",
       "metadata \"x-name\": byte 0xc3 at 4 of the value, must be printable ASCII (a key that ends in -bin carries "
       "any bytes)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mw_err err = MW_ERR_INIT;
    int rc = mw_metadata_check(mw_slice_str(cases[i].key), mw_slice_str(cases[i].value), &err);
    assert_int_equal(rc, cases[i].error ? MW_EINVAL : 0);
    if (cases[i].error) assert_string_equal(mw_err_text(&err), cases[i].error);
    mw_err_fini(&err);
  }
}

static void codes_have_names(void **state) {
  for (int code = 0; code < MW_CODE_COUNT; code++) {
    assert_int_equal(mw_code_from_name(mw_code_name((enum mw_code)code)), code);
  }
  assert_int_equal(mw_code_from_name("not_found"), MW_CODE_NOT_FOUND);
  assert_int_equal(mw_code_from_name("nonsense"), -1);
  assert_string_equal(mw_code_name((enum mw_code)99), "UNKNOWN");
  assert_int_equal(mw_code_of_error(MW_EFORMAT), MW_CODE_INVALID_ARGUMENT);
  assert_int_equal(mw_code_of_error(MW_ELIMIT), MW_CODE_RESOURCE_EXHAUSTED);
  assert_int_equal(mw_code_of_error(-99), MW_CODE_INTERNAL);
}

static void long_messages_are_cut_between_characters(void **state) {
  static char text[MW_STATUS_MESSAGE_MAX + 8];
  memset(text, 'x', sizeof text);
  assert_int_equal(mw_status_message_cut(mw_slice(text, MW_STATUS_MESSAGE_MAX)).len, MW_STATUS_MESSAGE_MAX);
  assert_int_equal(mw_status_message_cut(mw_slice(text, MW_STATUS_MESSAGE_MAX + 1)).len, MW_STATUS_MESSAGE_MAX);
  memset(text, '%', sizeof text); /* three bytes each on the wire */
  assert_int_equal(mw_status_message_cut(mw_slice(text, sizeof text)).len, MW_STATUS_MESSAGE_MAX / 3);
  for (size_t i = 0; i + 3 <= sizeof text; i += 3) memcpy(text + i, "\xe2\x82\xac", 3); /* euro signs */
  assert_int_equal(mw_status_message_cut(mw_slice(text, sizeof text)).len, MW_STATUS_MESSAGE_MAX / 9 * 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_call_runs_from_start_to_finish),
      TEST(ids_are_unique),
      TEST(headers_go_once),
      TEST(sending_waits_at_the_limit_and_goes_on_at_half),
      TEST(sending_waits_for_few_large_messages),
      TEST(cancelling_is_told_once_and_stops_everything_else),
      TEST(a_cancelled_call_does_not_end_with_ok),
      TEST(cancel_all_reaches_every_live_call),
      TEST(unknown_paths_are_unimplemented),
      TEST(a_shared_route_pins_its_own_table_alone),
      TEST(a_service_may_have_no_routes),
      TEST(a_draining_worker_turns_calls_away),
      TEST(calls_are_counted),
      TEST(a_route_is_replaced_in_place),
      TEST(metadata_of_an_application_is_bounded),
      TEST(metadata_keeps_order_and_repeats),
      TEST(metadata_out_of_memory_changes_nothing),
      TEST(metadata_is_checked),
      TEST(an_expired_call_does_not_begin),
      TEST(grpcs_own_services_go_first),
      TEST(codes_have_names),
      TEST(long_messages_are_cut_between_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
