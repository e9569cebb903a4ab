/* Blocking work of fibers (bind/files/work.h): the owner of its result if the fiber is cancelled meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "bind/files/work.h"
#include "script/open.h"

static struct fixture {
  struct mw_loop loop;
  struct mw_vm vm;
  struct mw_fiber *fiber;
  sem_t begun, may_end; /* the work has begun, may end */
  pthread_t releaser;
  unsigned released; /* releases, by the pool's or the loop's thread, never both at once */
  char log[100];
  bool busy, ended;
} f;

static void note(const char *what) {
  size_t len = strlen(f.log);
  snprintf(f.log + len, sizeof f.log - len, "%s%s", len ? ", " : "", what);
}

/* ---- the work ---- */

static int run(struct mw_work *work) {
  sem_post(&f.begun);
  sem_wait(&f.may_end);
  return 0;
}

static int deliver(lua_State *L, struct mw_work *work) {
  assert_false(f.busy);
  note("delivered");
  return 0;
}

static void release(struct mw_work *work) {
  f.released++;
  f.releaser = pthread_self();
}

static int l_work(lua_State *L) {
  struct mw_work *work = mw_work_push(L, sizeof *work, "t.work");
  work->run = run;
  work->deliver = deliver;
  work->release = release;
  work->busy = &f.busy;
  return mw_work_wait(L, work);
}

/* ---- the fiber ---- */

static void on_done(struct mw_fiber *fiber, void *owner) { f.ended = true; }

static int after_main(lua_State *L, int status, lua_KContext context) {
  note(status == LUA_OK || status == LUA_YIELD ? "returned" : luaL_tolstring(L, -1, NULL));
  if (f.released > 0) note("released");
  return 0;
}

static int fiber_main(lua_State *L) {
  lua_pushcfunction(L, l_work);
  lua_setglobal(L, "work");
  if (luaL_loadstring(L, lua_touserdata(L, 1)) != LUA_OK) return lua_error(L);
  return after_main(L, lua_pcallk(L, 0, 0, 0, 0, after_main), 0);
}

static void push_killed(lua_State *L, void *arg) { lua_pushliteral(L, "killed"); }

/* Returns after the work has begun. */
static void start(const char *script) {
  f.fiber = mw_fiber_new(&f.vm, NULL, on_done, &f);
  assert_non_null(f.fiber);
  mw_fiber_start(f.fiber, fiber_main, (void *)(uintptr_t)script);
  sem_wait(&f.begun);
}

static void finish(void) {
  assert_false(f.ended);
  assert_int_equal(f.released, 0);
  sem_post(&f.may_end);
  while (!f.ended) uv_run(&f.loop.uv, UV_RUN_ONCE);
}

/* The work ends when the turn of the loop has no time left for the fiber. */
static void finish_without_turn(void) {
  f.vm.ready.rested = INT64_MAX;
  sem_post(&f.may_end);
  while (!f.ended && !mw_fiber_is_queued(f.fiber)) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_false(f.ended);
}

static int setup(void **state) {
  f = (struct fixture){0};
  sem_init(&f.begun, 0, 0);
  sem_init(&f.may_end, 0, 0);
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_loop_init(&f.loop, &err);
  if (rc == 0) rc = mw_vm_init(&f.vm, &f.loop, 1 << 20, &err);
  if (rc == 0) lua_gc(f.vm.L, LUA_GCSTOP); /* the collector would release the work too */
  mw_err_fini(&err);
  return rc;
}

static int teardown(void **state) {
  mw_vm_fini(&f.vm);
  mw_loop_fini(&f.loop);
  sem_destroy(&f.begun);
  sem_destroy(&f.may_end);
  return 0;
}

/* ---- tests ---- */

static void a_fiber_takes_the_result_of_its_work(void **state) {
  start("work()");
  finish();
  assert_string_equal(f.log, "delivered, returned, released");
  assert_int_equal(f.released, 1);
}

static void a_result_that_a_killed_fiber_cannot_take_is_released_before_it_goes_on(void **state) {
  start("work()");
  mw_fiber_kill(f.fiber, push_killed, NULL);
  finish();
  assert_string_equal(f.log, "killed, released");
}

/* A release may close or remove a file, which can block. */
static void the_loop_does_not_wait_for_a_release(void **state) {
  start("work()");
  mw_fiber_kill(f.fiber, push_killed, NULL);
  finish();
  assert_int_equal(f.released, 1);
  assert_false(pthread_equal(f.releaser, pthread_self()));
}

static void a_killed_fiber_takes_results_while_it_unwinds(void **state) {
  start("local t <close> = setmetatable({}, {__close = function() work() end})");
  mw_fiber_kill(f.fiber, push_killed, NULL);
  finish();
  assert_string_equal(f.log, "delivered, returned, released");
}

static void a_work_is_busy_until_its_fiber_goes_on(void **state) {
  start("work()");
  finish_without_turn();
  assert_true(f.busy);
  while (!f.ended) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_false(f.busy);
  assert_string_equal(f.log, "delivered, returned, released");
}

static void a_result_of_a_fiber_that_is_killed_before_its_turn_is_released(void **state) {
  start("work()");
  finish_without_turn();
  mw_fiber_kill(f.fiber, push_killed, NULL);
  assert_false(f.busy);
  assert_int_equal(f.released, 1);
  while (!f.ended) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_string_equal(f.log, "killed, released");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_fiber_takes_the_result_of_its_work),
      TEST(a_result_that_a_killed_fiber_cannot_take_is_released_before_it_goes_on),
      TEST(a_work_is_busy_until_its_fiber_goes_on),
      TEST(a_result_of_a_fiber_that_is_killed_before_its_turn_is_released),
      TEST(the_loop_does_not_wait_for_a_release),
      TEST(a_killed_fiber_takes_results_while_it_unwinds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
