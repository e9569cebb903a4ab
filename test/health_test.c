/* The health service in cases that no spec can produce: a client that does not read, a lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/engine.h"
#include "server/services/health.h"

enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

/* ---- a fake engine that records its calls ---- */

struct fake {
  struct mw_call call;
  uint8_t reserved[64];
  bool full; /* it has no memory left */
  unsigned sends;
  int status; /* of the newest message */
  bool finished;
  enum mw_code code;
};

static struct fake *fake_of(struct mw_call *call) { return MW_CONTAINER(call, struct fake, call); }
static void fake_read(struct mw_call *call) {}
static uint8_t *fake_reserve(struct mw_call *call, size_t size) {
  return fake_of(call)->full ? NULL : fake_of(call)->reserved;
}
static void take(struct fake *fake) {
  fake->sends++;
  fake->status = fake->reserved[1];
}
static void fake_send(struct mw_call *call, unsigned flags) { take(fake_of(call)); }
static void fake_send_headers(struct mw_call *call) {}
static void fake_finish(struct mw_call *call, const struct mw_status *status) {
  fake_of(call)->finished = true;
  fake_of(call)->code = status->code;
}
static const struct mw_engine_call_ops ops = {fake_read, fake_reserve, fake_send, fake_send_headers, fake_finish, NULL};

/* ---- a worker with two generations: only the newer one has a.S ---- */

static struct mw_pool *builtin;
static struct mw_loop loop;
static struct mw_dispatch dispatch;
static struct mw_health health;
static struct mw_router routes, older, newer;

static const struct mw_service_type service;
static const struct mw_method_type method = {.name = "Get", .path = "/a.S/Get", .service = &service};
static const struct mw_service_type service = {.full_name = "a.S", .methods = &method, .n_methods = 1};
static const struct mw_handler handler;

static void share(struct mw_router *router, const char *path) {
  const struct mw_route *route = mw_router_find(&routes, mw_slice_str(path));
  assert_int_equal(mw_router_alias(router, route->method, route), 0);
}

static int setup(void **state) {
  mw_log_set_level(MW_LOG_OFF);
  assert_int_equal(mw_pool_new(&builtin, mw_slice(NULL, 0), NULL), 0);
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  mw_dispatch_init(&dispatch, "fake", 0);
  mw_health_init(&health, &dispatch, &loop, NULL);
  mw_router_init(&routes, 0);
  assert_int_equal(mw_health_route(&health, &routes, builtin), 0);
  struct mw_router *const generations[] = {&older, &newer};
  for (size_t i = 0; i < 2; i++) {
    mw_router_init(generations[i], i + 1);
    share(generations[i], "/grpc.health.v1.Health/Check");
    share(generations[i], "/grpc.health.v1.Health/Watch");
  }
  dispatch.router = &older;
  return mw_router_add(&newer, &method, &handler, NULL);
}

static int teardown(void **state) {
  mw_health_fini(&health);
  mw_dispatch_fini(&dispatch);
  mw_router_fini(&newer);
  mw_router_fini(&older);
  mw_router_fini(&routes);
  mw_loop_fini(&loop);
  mw_pool_unref(builtin);
  return 0;
}

static void call(struct fake *fake, const char *path, struct mw_slice request) {
  *fake = (struct fake){.call = {.ops = &ops, .path = mw_slice_str(path), .peer = "fake", .deadline = MW_NEVER}};
  mw_arena_init(&fake->call.arena, SIZE_MAX);
  mw_dispatch_start(&dispatch, &fake->call);
  mw_call_on_message(&fake->call, request);
}

static void watch(struct fake *fake) {
  call(fake, "/grpc.health.v1.Health/Watch",
       mw_slice("\x0a\x03"
                "a.S",
                5));
}

static void leave(struct fake *fake) {
  mw_call_on_cancel(&fake->call, mw_status(MW_CODE_CANCELLED, ""));
  assert_true(fake->finished);
  mw_arena_fini(&fake->call.arena);
}

/* Brings another generation into force. */
static void adopt(struct mw_router *router) {
  dispatch.router = router;
  mw_health_follow(&health);
  mw_loop_run_posts(&loop);
}

static void assert_sent(const struct fake *fake, unsigned sends, int status) {
  assert_int_equal(fake->sends, sends);
  assert_int_equal(fake->status, status);
}

/* ---- */

static void a_watcher_follows_each_generation(void **state) {
  struct fake fake;
  watch(&fake);
  assert_sent(&fake, 1, SERVICE_UNKNOWN);
  adopt(&newer);
  assert_sent(&fake, 2, SERVING);
  adopt(&newer);
  assert_sent(&fake, 2, SERVING);
  adopt(&older);
  assert_sent(&fake, 3, SERVICE_UNKNOWN);
  assert_int_equal(older.calls + newer.calls, 0);
  leave(&fake);
}

static void statuses_are_sent_after_the_event_that_brings_a_generation(void **state) {
  struct fake fake;
  watch(&fake);
  dispatch.router = &newer;
  mw_health_follow(&health);
  mw_health_follow(&health);
  assert_sent(&fake, 1, SERVICE_UNKNOWN);
  mw_loop_run_posts(&loop);
  assert_sent(&fake, 2, SERVING);
  leave(&fake);
}

static void a_watcher_that_leaves_meanwhile_is_forgotten(void **state) {
  struct fake fake, other;
  watch(&fake);
  watch(&other);
  dispatch.router = &newer;
  mw_health_follow(&health);
  leave(&fake);
  mw_loop_run_posts(&loop);
  assert_sent(&other, 2, SERVING);
  leave(&other);
}

static void a_client_that_does_not_read_gets_the_newest_status(void **state) {
  struct fake fake;
  dispatch.send_limit = 1;
  watch(&fake);
  adopt(&newer);
  adopt(&older);
  mw_call_on_sent(&fake.call, 1);
  assert_sent(&fake, 1, SERVICE_UNKNOWN); /* the status is the same again */
  adopt(&newer);
  assert_sent(&fake, 2, SERVING);
  adopt(&older);
  assert_sent(&fake, 2, SERVING);
  mw_call_on_sent(&fake.call, 1);
  assert_sent(&fake, 3, SERVICE_UNKNOWN);
  leave(&fake);
}

static void a_status_without_memory_is_sent_later(void **state) {
  struct fake fake;
  watch(&fake);
  fake.full = true;
  adopt(&newer);
  assert_sent(&fake, 1, SERVICE_UNKNOWN);
  fake.full = false;
  adopt(&newer);
  assert_sent(&fake, 2, SERVING);
  leave(&fake);
}

static void names_are_compared_whole(void **state) {
  static const struct {
    struct mw_slice request;
    enum mw_code code;
  } cases[] = {{{(const uint8_t *)"\x0a\x03"
                                  "a.S",
                 5},
                MW_CODE_OK},
               {{(const uint8_t *)"\x0a\x04"
                                  "a.S\0",
                 6},
                MW_CODE_NOT_FOUND},
               {{(const uint8_t *)"\x0a\x02"
                                  "a.",
                 4},
                MW_CODE_NOT_FOUND},
               {{(const uint8_t *)"\x0a\x04"
                                  ".a.S",
                 6},
                MW_CODE_NOT_FOUND},
               {{(const uint8_t *)"\x0a\x09"
                                  "a",
                 3},
                MW_CODE_INVALID_ARGUMENT}};
  dispatch.router = &newer;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fake fake;
    call(&fake, "/grpc.health.v1.Health/Check", cases[i].request);
    assert_true(fake.finished);
    if (fake.code != cases[i].code) fail_msg("case %zu: got %s", i, mw_code_name(fake.code));
    mw_arena_fini(&fake.call.arena);
  }
}

static void a_server_that_stops_ends_its_watchers(void **state) {
  struct fake known, unknown, late;
  watch(&unknown);
  dispatch.router = &newer;
  watch(&known);
  mw_health_stop(&health);
  watch(&late);
  assert_sent(&unknown, 1, SERVICE_UNKNOWN);
  assert_sent(&known, 2, NOT_SERVING);
  assert_sent(&late, 1, NOT_SERVING);
  struct fake *const fakes[] = {&known, &unknown, &late};
  for (size_t i = 0; i < 3; i++) {
    assert_true(fakes[i]->finished);
    assert_int_equal(fakes[i]->code, MW_CODE_UNAVAILABLE);
    mw_arena_fini(&fakes[i]->call.arena);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_watcher_follows_each_generation),
      TEST(statuses_are_sent_after_the_event_that_brings_a_generation),
      TEST(a_watcher_that_leaves_meanwhile_is_forgotten),
      TEST(a_client_that_does_not_read_gets_the_newest_status),
      TEST(a_status_without_memory_is_sent_later),
      TEST(names_are_compared_whole),
      TEST(a_server_that_stops_ends_its_watchers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
