/* The in-process engine, in cases that no spec can make: a client that breaks the rules, a channel that is closed with
 * live calls, lack of memory. */
#include "engine/inproc/inproc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"

struct fixture {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_engine *engine;
  struct mw_channel *channel;
  /* events of the handler */
  unsigned started, messages, cancelled;
  /* events of the client */
  unsigned done;
  enum mw_code code;
  char words[128];
};

static struct fixture *f;

/* ---- a handler that waits for its message ---- */

static void on_start(struct mw_call *call) {
  f->started++;
  mw_call_read(call);
}
static void on_message(struct mw_call *call, struct mw_slice bytes) {
  struct mw_status ok = mw_status(MW_CODE_OK, "");
  f->messages++;
  mw_call_finish(call, &ok);
}
static void on_end(struct mw_call *call) {}
static void on_writable(struct mw_call *call) {}
static void on_cancelled(struct mw_call *call, struct mw_status status) {
  f->cancelled++;
  mw_call_finish(call, &status);
}
static const struct mw_handler handler = {on_start, on_message, on_end, on_writable, on_cancelled, NULL};
static const struct mw_service_type service = {.full_name = "test.Echo"};
static const struct mw_method_type method = {.name = "Get", .path = "/test.Echo/Get", .service = &service};

/* ---- a client that records its events ---- */

static void on_headers(void *user, const struct mw_metadata *headers) {}
static void on_reply(void *user, struct mw_slice bytes) {}
static void on_space(void *user) {}
static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  f->done++;
  f->code = status->code;
  snprintf(f->words, sizeof f->words, "%.*s", (int)status->message.len, (const char *)status->message.data);
}
static const struct mw_client_events events = {on_headers, on_reply, on_space, on_done};

static int open_all(struct fixture *fixture) {
  f = fixture;
  int rc = mw_loop_init(&f->loop, NULL);
  if (rc != 0) return rc;
  mw_dispatch_init(&f->dispatch, "inproc", 0);
  mw_router_init(&f->router, 1);
  f->dispatch.router = &f->router;
  rc = mw_router_add(&f->router, &method, &handler, NULL);
  struct mw_engine_config config = {.loop = &f->loop, .dispatch = &f->dispatch, .max_receive_bytes = 10};
  struct mw_channel_config channel = {.target = "inproc"};
  if (rc == 0) rc = mw_engine_inproc.open(&config, &f->engine, NULL);
  if (rc == 0) rc = mw_engine_inproc.channels->open(f->engine, &channel, &f->channel, NULL);
  return rc;
}

static void close_all(void) {
  if (f->channel) mw_engine_inproc.channels->close(f->channel);
  mw_loop_run_posts(&f->loop);
  if (f->engine) mw_engine_inproc.close(f->engine);
  mw_loop_fini(&f->loop);
  mw_dispatch_fini(&f->dispatch);
  mw_router_fini(&f->router);
}

static int setup(void **state) {
  *state = calloc(1, sizeof(struct fixture));
  return open_all(*state);
}

static int teardown(void **state) {
  close_all();
  free(*state);
  return 0;
}

static int start(struct mw_client_call **out, int64_t deadline) {
  struct mw_client_request request = {.path = mw_slice_str(method.path), .deadline = deadline};
  return mw_engine_inproc.channels->start(f->channel, &request, &events, NULL, out, NULL);
}

static struct mw_client_call *start_call(void) {
  struct mw_client_call *call;
  assert_int_equal(start(&call, MW_NEVER), 0);
  return call;
}

static bool put(struct mw_client_call *call, const char *text) {
  uint8_t *out = mw_engine_inproc.channels->reserve(call, strlen(text));
  if (!out) return false;
  memcpy(out, text, strlen(text));
  mw_engine_inproc.channels->send(call);
  return true;
}

static void run(void) {
  while (mw_loop_has_posts(&f->loop)) mw_loop_run_posts(&f->loop);
}

static void ends_with(struct mw_client_call *call, enum mw_code code, const char *words) {
  run();
  assert_int_equal(f->done, 1);
  assert_int_equal(f->code, code);
  assert_string_equal(f->words, words);
  mw_engine_inproc.channels->release(call);
  run();
  assert_int_equal(f->dispatch.live, 0);
}

static void one_message_is_delivered_behind_the_half_close(void **state) {
  struct mw_client_call *call = start_call();
  put(call, "x");
  run();
  assert_int_equal(f->messages, 0);
  mw_engine_inproc.channels->half_close(call);
  ends_with(call, MW_CODE_OK, "");
  assert_int_equal(f->messages, 1);
}

static void two_messages_are_too_many(void **state) {
  struct mw_client_call *call = start_call();
  put(call, "x");
  put(call, "y");
  ends_with(call, MW_CODE_UNIMPLEMENTED, "more than one request message, the method takes one");
  assert_int_equal(f->messages, 0);
  assert_int_equal(f->cancelled, 1);
}

static void none_is_too_few(void **state) {
  struct mw_client_call *call = start_call();
  mw_engine_inproc.channels->half_close(call);
  ends_with(call, MW_CODE_UNIMPLEMENTED, "no request message, the method takes one");
}

static void a_long_one_is_refused(void **state) {
  struct mw_client_call *call = start_call();
  put(call, "eleven char");
  mw_engine_inproc.channels->half_close(call);
  ends_with(call, MW_CODE_RESOURCE_EXHAUSTED, "message longer than the limit of 10 bytes");
}

static void a_call_that_is_cancelled_at_once_never_begins(void **state) {
  struct mw_client_call *call = start_call();
  mw_engine_inproc.channels->cancel(call);
  ends_with(call, MW_CODE_CANCELLED, "the call was cancelled on this side");
  assert_int_equal(f->started, 0);
}

static void a_call_that_is_let_go_is_cancelled(void **state) {
  struct mw_client_call *call = start_call();
  run();
  mw_engine_inproc.channels->release(call);
  run();
  assert_int_equal(f->cancelled, 1);
  assert_int_equal(f->done, 0);
}

static void a_closed_channel_cancels_its_calls(void **state) {
  struct mw_client_call *call = start_call();
  run();
  mw_engine_inproc.channels->close(f->channel);
  f->channel = NULL;
  ends_with(call, MW_CODE_CANCELLED, "the call was cancelled on this side");
}

static void calls_may_outlive_the_engine(void **state) {
  struct mw_client_call *call = start_call();
  put(call, "x");
  mw_engine_inproc.channels->half_close(call);
  run();
  mw_engine_inproc.channels->close(f->channel);
  f->channel = NULL;
  mw_engine_inproc.close(f->engine);
  f->engine = NULL;
  mw_engine_inproc.channels->release(call);
}

static int one_call(void *arg) {
  struct fixture fixture = {0};
  int rc = open_all(&fixture);
  struct mw_client_call *call;
  if (rc == 0) rc = start(&call, mw_clock_mono() + MW_NS_PER_S);
  if (rc == 0) {
    bool sent = put(call, "x");
    mw_engine_inproc.channels->half_close(call);
    run();
    mw_engine_inproc.channels->release(call);
    run();
    rc = sent && f->code == MW_CODE_OK ? 0 : MW_ENOMEM;
  }
  if (fixture.loop.wake) close_all();
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(one_call, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(one_message_is_delivered_behind_the_half_close),
      TEST(two_messages_are_too_many),
      TEST(none_is_too_few),
      TEST(a_long_one_is_refused),
      TEST(a_call_that_is_cancelled_at_once_never_begins),
      TEST(a_call_that_is_let_go_is_cancelled),
      TEST(a_closed_channel_cancels_its_calls),
      TEST(calls_may_outlive_the_engine),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
