/* The attempts of an RPC, on a fake engine, with the clocks stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"
#include "rpc/client_rpc.h"
#include "rpc/retry.h"

enum { MAX_CALLS = MW_REPEATS_MAX + 2 };

#define MS ((int64_t)MW_NS_PER_MS)

#define NAMES "\"name\":[{\"service\":\"t.T\"}]"
#define RETRY                                                                             \
  "{\"methodConfig\":[{" NAMES                                                            \
  ",\"retryPolicy\":{\"maxAttempts\":3,\"initialBackoff\":\"1s\",\"maxBackoff\":\"10s\"," \
  "\"backoffMultiplier\":4,\"retryableStatusCodes\":[14,1]}}]}"
#define HEDGE                  \
  "{\"methodConfig\":[{" NAMES \
  ",\"hedgingPolicy\":{\"maxAttempts\":3,\"hedgingDelay\":\"1s\",\"nonFatalStatusCodes\":[14]}}]}"

/* ---- a fake engine that records its calls ---- */

struct mw_client_call {
  const struct mw_client_events *events;
  struct mw_attempt *user;
  char previous[8]; /* grpc-previous-rpc-attempts */
  uint8_t reserved[512 * 1024];
  size_t reserved_len, bytes;
  unsigned sends, reads, closes, cancels;
  bool stalls, released;
  int64_t started;
};

static struct {
  struct mw_client_call *calls[MAX_CALLS];
  unsigned n;
  struct mw_client_failure fate;
  bool stalls; /* number of new calls */
} fake;

static int fake_open(struct mw_engine *engine, const struct mw_channel_config *config, struct mw_channel **out,
                     struct mw_err *err) {
  *out = (struct mw_channel *)&fake;
  return 0;
}
static void fake_close(struct mw_channel *channel) {}
static int fake_start(struct mw_channel *channel, const struct mw_client_request *request,
                      const struct mw_client_events *events, void *user, struct mw_client_call **out,
                      struct mw_err *err) {
  struct mw_client_call *call = calloc(1, sizeof *call);
  if (!call) return mw_err_set(err, MW_ENOMEM, "out of memory");
  assert_true(fake.n < MAX_CALLS);
  fake.calls[fake.n++] = call;
  const struct mw_slice *previous = mw_metadata_get(request->metadata, "grpc-previous-rpc-attempts");
  if (previous) {
    snprintf(call->previous, sizeof call->previous, "%.*s", (int)previous->len, (const char *)previous->data);
  }
  assert_non_null(mw_metadata_get(request->metadata, "x-mine"));
  call->events = events;
  call->user = user;
  call->stalls = fake.stalls;
  call->started = mw_clock_mono();
  *out = call;
  return 0;
}
static uint8_t *fake_reserve(struct mw_client_call *call, size_t size) {
  assert_false(call->released);
  call->reserved_len = size;
  return call->reserved;
}
static bool fake_send(struct mw_client_call *call) {
  call->sends++;
  call->bytes += call->reserved_len;
  return !call->stalls;
}
static bool fake_over(const struct mw_client_call *call) { return false; }
static void fake_half_close(struct mw_client_call *call) { call->closes++; }
static void fake_read(struct mw_client_call *call) { call->reads++; }
static struct mw_client_failure fake_fate(const struct mw_client_call *call) { return fake.fate; }
static void fake_cancel(struct mw_client_call *call) { call->cancels++; }
static void fake_release(struct mw_client_call *call) {
  assert_false(call->released);
  call->released = true;
}

static const struct mw_channel_ops channel_ops = {.open = fake_open,
                                                  .close = fake_close,
                                                  .start = fake_start,
                                                  .reserve = fake_reserve,
                                                  .send = fake_send,
                                                  .over = fake_over,
                                                  .half_close = fake_half_close,
                                                  .read = fake_read,
                                                  .fate = fake_fate,
                                                  .cancel = fake_cancel,
                                                  .release = fake_release};
static const struct mw_engine_ops engine_ops = {.name = "fake", .channels = &channel_ops};
static struct mw_engine engine = {&engine_ops};

static struct mw_client_call *call(unsigned i) {
  assert_true(i < fake.n);
  return fake.calls[i];
}

static const struct mw_metadata none;

static void fails(unsigned i, enum mw_code code) {
  struct mw_status status = mw_status(code, "no");
  call(i)->events->done(call(i)->user, &status, &none);
}
static void answers(unsigned i) {
  call(i)->events->headers(call(i)->user, &none);
  call(i)->events->message(call(i)->user, mw_slice_str("reply"));
  fails(i, MW_CODE_OK);
}

/* ---- the owner ---- */

static struct mw_loop loop;
static struct mw_client_channel *channel;
static struct mw_client_rpc *rpc;
static struct {
  unsigned headers, messages, writables, done;
  enum mw_code code;
  bool release;
} seen;

static void let_go(void) {
  if (rpc) mw_client_rpc_release(rpc);
  rpc = NULL;
}
static void on_headers(void *user, const struct mw_metadata *headers) { seen.headers++; }
static void on_message(void *user, struct mw_slice bytes) {
  seen.messages++;
  if (seen.release) let_go();
}
static void on_writable(void *user) { seen.writables++; }
static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  seen.done++;
  seen.code = status->code;
  if (seen.release) let_go();
}
static const struct mw_client_events events = {on_headers, on_message, on_writable, on_done};

static void open_with(const char *config) {
  const struct mw_channel_config with = {.target = "t:1", .service_config = config};
  assert_int_equal(mw_client_channel_open(&engine, &loop, &with, &channel, NULL), 0);
}

static int start(bool single, int64_t deadline) {
  struct mw_metadata_entry entry = {mw_slice_str("x-mine"), mw_slice_str("1")};
  struct mw_metadata metadata = {.entries = &entry, .len = 1, .cap = 1};
  struct mw_client_request request = {
      .path = mw_slice_str("/t.T/Get"), .deadline = deadline, .metadata = &metadata, .single = single};
  return mw_client_rpc_start(channel, &request, &events, NULL, &rpc, NULL);
}

static bool put(size_t size) {
  uint8_t *out = mw_client_rpc_reserve(rpc, size);
  assert_non_null(out);
  memset(out, 'x', size);
  return mw_client_rpc_send(rpc);
}

static void request(const char *config, int64_t deadline) {
  open_with(config);
  assert_int_equal(start(true, deadline), 0);
  mw_client_rpc_read(rpc);
  assert_true(put(10));
  mw_client_rpc_half_close(rpc);
}

static int64_t after(int64_t ns) { return mw_clock_mono() + ns; }
static void pass(int64_t ns) {
  int64_t until = after(ns);
  while (mw_loop_fire_next(&loop, until)) continue;
  mw_clock_move(until);
  mw_loop_run_posts(&loop);
}

static int setup(void **state) {
  memset(&seen, 0, sizeof seen);
  memset(&fake, 0, sizeof fake);
  mw_loop_init(&loop, NULL);
  mw_clock_stop(MW_NEVER);
  mw_loop_freeze_timers(&loop);
  return 0;
}

static int teardown(void **state) {
  let_go();
  mw_client_channel_close(channel);
  channel = NULL;
  for (unsigned i = 0; i < fake.n; i++) {
    assert_true(call(i)->released);
    free(call(i));
  }
  mw_loop_thaw_timers(&loop);
  mw_clock_go();
  mw_loop_fini(&loop);
  return 0;
}

/* ---- retries ---- */

static void backoff_delays_the_retry(void **state) {
  request(RETRY, MW_NEVER);
  assert_string_equal(call(0)->previous, "");
  fails(0, MW_CODE_UNAVAILABLE);
  assert_true(call(0)->released);
  pass(799 * MS);
  assert_int_equal(fake.n, 1);
  pass(402 * MS);
  assert_int_equal(fake.n, 2);
  assert_string_equal(call(1)->previous, "1");
  assert_int_equal(call(1)->bytes, 10);
  assert_int_equal(call(1)->closes, 1);
  assert_int_equal(call(1)->reads, 1);
  fails(1, MW_CODE_UNAVAILABLE);
  pass(3199 * MS); /* four times as long */
  assert_int_equal(fake.n, 2);
  pass(1602 * MS);
  assert_int_equal(fake.n, 3);
  assert_int_equal(seen.done, 0);
  fails(2, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.done, 1);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void pushback_starts_the_backoff_over(void **state) {
  request(RETRY, MW_NEVER);
  fake.fate.pushback = mw_slice_str("60000");
  fails(0, MW_CODE_UNAVAILABLE);
  pass(59999 * (int64_t)MS);
  assert_int_equal(fake.n, 1);
  pass(MS);
  assert_int_equal(fake.n, 2);
  fake.fate.pushback = mw_slice(NULL, 0);
  fails(1, MW_CODE_UNAVAILABLE);
  pass(1201 * MS);
  assert_int_equal(fake.n, 3);
  answers(2);
  assert_int_equal(seen.code, MW_CODE_OK);
  assert_int_equal(seen.headers, 1);
  assert_int_equal(seen.messages, 1);
}

static void the_deadline_ends_a_backoff(void **state) {
  request(RETRY, after(500 * MS));
  fails(0, MW_CODE_UNAVAILABLE);
  pass(499 * MS);
  assert_int_equal(seen.done, 0);
  pass(MS);
  assert_int_equal(seen.code, MW_CODE_DEADLINE_EXCEEDED);
  assert_int_equal(fake.n, 1);
}

static void a_cancel_is_not_retried(void **state) {
  request(RETRY, MW_NEVER);
  mw_client_rpc_cancel(rpc);
  assert_int_equal(call(0)->cancels, 1);
  fails(0, MW_CODE_CANCELLED); /* a code that the policy retries */
  assert_int_equal(seen.done, 1);
  assert_int_equal(seen.code, MW_CODE_CANCELLED);
}

static void a_cancel_ends_a_backoff(void **state) {
  request(RETRY, MW_NEVER);
  fails(0, MW_CODE_UNAVAILABLE);
  mw_client_rpc_cancel(rpc);
  assert_int_equal(seen.done, 0); /* never from within an operation */
  pass(0);
  assert_int_equal(seen.code, MW_CODE_CANCELLED);
  pass(60 * (int64_t)MW_NS_PER_S);
  assert_int_equal(fake.n, 1);
}

static void it_may_be_released_anywhere(void **state) {
  request(RETRY, MW_NEVER);
  fails(0, MW_CODE_UNAVAILABLE);
  let_go(); /* in a backoff */
  pass(60 * (int64_t)MW_NS_PER_S);
  assert_int_equal(start(true, MW_NEVER), 0);
  seen.release = true;
  call(1)->events->message(call(1)->user, mw_slice_str("reply")); /* in `message` */
  assert_null(rpc);
  assert_true(call(1)->released);
  assert_int_equal(start(true, MW_NEVER), 0);
  fails(2, MW_CODE_INVALID_ARGUMENT); /* in `done` */
  assert_null(rpc);
  assert_int_equal(seen.done, 1);
}

static void a_closed_channel_ends_it(void **state) {
  request(RETRY, MW_NEVER);
  mw_client_channel_close(channel);
  channel = NULL;
  assert_int_equal(call(0)->cancels, 1);
  fails(0, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.done, 1);
  assert_int_equal(fake.n, 1);
}

/* ---- transparent retries ---- */

static void a_refusal_is_repeated_once(void **state) {
  request(NULL, MW_NEVER);
  fake.fate.reach = MW_REACH_REFUSED;
  fails(0, MW_CODE_UNAVAILABLE);
  assert_int_equal(fake.n, 2);
  assert_string_equal(call(1)->previous, "");
  fails(1, MW_CODE_UNAVAILABLE);
  assert_int_equal(fake.n, 2);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void what_never_left_is_repeated_until_it_does(void **state) {
  request(NULL, MW_NEVER);
  fake.fate.reach = MW_REACH_NONE;
  for (unsigned i = 0; i < MW_REPEATS_MAX; i++) fails(i, MW_CODE_UNAVAILABLE);
  assert_int_equal(fake.n, MW_REPEATS_MAX + 1);
  assert_int_equal(seen.done, 0);
  assert_int_equal(call(MW_REPEATS_MAX)->bytes, 10);
  answers(MW_REPEATS_MAX);
  assert_int_equal(seen.code, MW_CODE_OK);
}

static void what_never_leaves_is_not_repeated_for_ever(void **state) {
  request(NULL, MW_NEVER);
  fake.fate.reach = MW_REACH_NONE;
  for (unsigned i = 0; i <= MW_REPEATS_MAX; i++) fails(i, MW_CODE_UNAVAILABLE);
  assert_int_equal(fake.n, MW_REPEATS_MAX + 1);
  assert_int_equal(seen.done, 1);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

/* ---- held messages ---- */

static void headers_commit(void **state) {
  request(RETRY, MW_NEVER);
  struct mw_metadata_entry entry = {mw_slice_str("x"), mw_slice_str("y")};
  struct mw_metadata headers = {.entries = &entry, .len = 1, .cap = 1};
  call(0)->events->headers(call(0)->user, &headers);
  assert_int_equal(seen.headers, 1);
  fails(0, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void bare_headers_commit_unless_the_end_follows(void **state) {
  request(RETRY, MW_NEVER);
  call(0)->events->headers(call(0)->user, &none);
  fails(0, MW_CODE_UNAVAILABLE); /* trailers only */
  assert_int_equal(seen.headers + seen.done, 0);
  pass(1201 * MS);
  call(1)->events->headers(call(1)->user, &none);
  while (seen.headers == 0) uv_run(&loop.uv, UV_RUN_ONCE); /* by the machine's clock */
  fails(1, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void a_request_beyond_the_limit_commits(void **state) {
  open_with(RETRY);
  assert_int_equal(start(false, MW_NEVER), 0);
  assert_true(put(MW_RPC_HELD_BYTES - 1));
  assert_true(put(1));
  fails(0, MW_CODE_UNAVAILABLE);
  pass(1201 * MS);
  assert_int_equal(call(1)->bytes, MW_RPC_HELD_BYTES);
  assert_int_equal(call(1)->sends, 2);
  assert_true(put(1));
  assert_int_equal(call(1)->sends, 3);
  fails(1, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void less_is_held_without_a_policy(void **state) {
  fake.fate.reach = MW_REACH_REFUSED;
  open_with(NULL);
  for (unsigned single = 0; single < 2; single++) {
    size_t limit = single ? MW_RPC_HELD_BYTES : MW_RPC_HELD_PLAIN_BYTES;
    assert_int_equal(start(single, MW_NEVER), 0);
    assert_true(put(limit));
    fails(fake.n - 1, MW_CODE_UNAVAILABLE);
    assert_int_equal(call(fake.n - 1)->bytes, limit);
    let_go();
    seen.done = 0;
    unsigned before = fake.n;
    assert_int_equal(start(single, MW_NEVER), 0);
    assert_true(put(limit + 1));
    fails(before, MW_CODE_UNAVAILABLE);
    assert_int_equal(fake.n, before + 1);
    assert_int_equal(seen.done, 1);
    let_go();
  }
}

static void a_single_request_is_held_whatever_its_size(void **state) {
  open_with(RETRY);
  assert_int_equal(start(true, MW_NEVER), 0);
  assert_true(put(2 * MW_RPC_HELD_BYTES));
  fails(0, MW_CODE_UNAVAILABLE);
  pass(1201 * MS);
  assert_int_equal(call(1)->bytes, 2 * MW_RPC_HELD_BYTES);
}

static void a_stalled_attempt_has_the_owner_wait(void **state) {
  fake.stalls = true;
  open_with(RETRY);
  assert_int_equal(start(false, MW_NEVER), 0);
  assert_false(put(1));
  assert_false(put(2));
  assert_int_equal(call(0)->sends, 1);
  call(0)->stalls = false;
  call(0)->events->writable(call(0)->user);
  assert_int_equal(call(0)->sends, 2);
  assert_int_equal(seen.writables, 1);
  mw_client_rpc_half_close(rpc);
  assert_int_equal(call(0)->closes, 1);
  answers(0);
}

static void messages_of_a_backoff_wait_for_the_attempt(void **state) {
  open_with(RETRY);
  assert_int_equal(start(false, MW_NEVER), 0);
  fails(0, MW_CODE_UNAVAILABLE);
  unsigned sent = 1;
  while (put(1)) sent++;
  assert_int_equal(sent, 32);
  pass(1201 * MS);
  assert_int_equal(call(1)->sends, 32);
}

/* ---- hedging ---- */

static void hedges_start_one_after_the_other(void **state) {
  request(HEDGE, MW_NEVER);
  pass(999 * MS);
  assert_int_equal(fake.n, 1);
  pass(MS);
  assert_int_equal(fake.n, 2);
  pass(MW_NS_PER_S);
  assert_int_equal(fake.n, 3);
  assert_string_equal(call(2)->previous, "2");
  pass(60 * (int64_t)MW_NS_PER_S);
  assert_int_equal(fake.n, 3);
  answers(1);
  assert_true(call(0)->released && call(1)->released && call(2)->released);
  assert_int_equal(seen.code, MW_CODE_OK);
}

static void a_failure_starts_the_next_hedge(void **state) {
  request(HEDGE, MW_NEVER);
  fails(0, MW_CODE_UNAVAILABLE);
  pass(0);
  assert_int_equal(fake.n, 2);
  pass(999 * MS);
  assert_int_equal(fake.n, 2);
  pass(MS);
  assert_int_equal(fake.n, 3);
  fails(2, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.done, 0); /* one token is left */
  fails(1, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void a_fatal_status_ends_all_hedges(void **state) {
  request(HEDGE, MW_NEVER);
  pass(MW_NS_PER_S);
  fails(1, MW_CODE_INVALID_ARGUMENT);
  assert_true(call(0)->released);
  assert_int_equal(seen.code, MW_CODE_INVALID_ARGUMENT);
  pass(60 * (int64_t)MW_NS_PER_S);
  assert_int_equal(fake.n, 2);
}

static void pushback_delays_or_forbids_hedges(void **state) {
  request(HEDGE, MW_NEVER);
  fake.fate.pushback = mw_slice_str("3000");
  fails(0, MW_CODE_UNAVAILABLE);
  pass(2999 * MS);
  assert_int_equal(fake.n, 1);
  pass(MS);
  assert_int_equal(fake.n, 2);
  pass(MW_NS_PER_S);
  assert_int_equal(fake.n, 3);
  fake.fate.pushback = mw_slice_str("-1");
  fails(1, MW_CODE_UNAVAILABLE);
  fails(2, MW_CODE_UNAVAILABLE);
  assert_int_equal(seen.code, MW_CODE_UNAVAILABLE);
}

static void a_cancel_ends_all_hedges(void **state) {
  request(HEDGE, MW_NEVER);
  pass(MW_NS_PER_S);
  mw_client_rpc_cancel(rpc);
  assert_true(call(1)->released);
  assert_int_equal(call(0)->cancels, 1);
  fails(0, MW_CODE_CANCELLED);
  assert_int_equal(seen.code, MW_CODE_CANCELLED);
}

/* ---- memory ---- */

static int one_rpc(void *arg) {
  const struct mw_channel_config with = {.target = "t:1", .service_config = HEDGE};
  int rc = mw_client_channel_open(&engine, &loop, &with, &channel, NULL);
  if (rc == 0) rc = start(true, MW_NEVER);
  uint8_t *out = rc == 0 ? mw_client_rpc_reserve(rpc, 10) : NULL;
  if (out) {
    memset(out, 'x', 10);
    mw_client_rpc_send(rpc);
    mw_client_rpc_half_close(rpc);
    fails(0, MW_CODE_UNAVAILABLE);
    pass(MW_NS_PER_S);
    if (!seen.done && fake.n > 1 && !call(fake.n - 1)->released) answers(fake.n - 1);
    assert_int_equal(seen.done, 1);
  } else if (rc == 0) {
    rc = MW_ENOMEM;
  }
  let_go();
  mw_client_channel_close(channel);
  channel = NULL;
  for (unsigned i = 0; i < fake.n; i++) free(call(i));
  memset(&fake, 0, sizeof fake);
  memset(&seen, 0, sizeof seen);
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(one_rpc, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(backoff_delays_the_retry),
      TEST(pushback_starts_the_backoff_over),
      TEST(the_deadline_ends_a_backoff),
      TEST(a_cancel_is_not_retried),
      TEST(a_cancel_ends_a_backoff),
      TEST(it_may_be_released_anywhere),
      TEST(a_closed_channel_ends_it),
      TEST(a_refusal_is_repeated_once),
      TEST(what_never_left_is_repeated_until_it_does),
      TEST(what_never_leaves_is_not_repeated_for_ever),
      TEST(headers_commit),
      TEST(bare_headers_commit_unless_the_end_follows),
      TEST(a_request_beyond_the_limit_commits),
      TEST(less_is_held_without_a_policy),
      TEST(a_single_request_is_held_whatever_its_size),
      TEST(a_stalled_attempt_has_the_owner_wait),
      TEST(messages_of_a_backoff_wait_for_the_attempt),
      TEST(hedges_start_one_after_the_other),
      TEST(a_failure_starts_the_next_hedge),
      TEST(a_fatal_status_ends_all_hedges),
      TEST(pushback_delays_or_forbids_hedges),
      TEST(a_cancel_ends_all_hedges),
      TEST(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
