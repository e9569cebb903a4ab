/* Ends a wait of the specs that nothing can end, because no timer is due, and no call, file operation or write to the
 * store is under way. Also ends the wait of a test that exceeds its limit. The wait raises an error with its place,
 * which fails the test; the other tests run. A test that runs without waiting is stopped by its budget, which ends the
 * specs. SIGINT also ends the specs. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "bind/call/handler.h"
#include "cli/base/cli.h"
#include "cli/test/test.h"

#define LOOK_EVERY_NS (10 * (int64_t)MW_NS_PER_MS)

enum { SHOWN_CALLS = 5 };

/* Adds the places at which the folder's handlers wait, and a note if the clock is stopped. */
static void describe(const struct mw_test *test, struct mw_buf *words) {
  const struct mw_list *calls = &test->worker.dispatch.calls;
  int n = 0;
  for (const struct mw_list *node = calls->next; node != calls && n < SHOWN_CALLS; node = node->next, n++) {
    const struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    char place[256];
    mw_bind_call_place(call, place, sizeof place);
    mw_buf_printf(words, "; the call of %s waits at %s", call->route->method->path + 1, place);
  }
  if (test->clock) mw_buf_printf(words, "; the clock is stopped: clock:run() lets time pass while a function waits");
}

/* Raises the error in the waiting coroutine, in place of the result of its wait. */
static int raise_stuck(lua_State *L, int status, lua_KContext context) {
  struct mw_buf *words = &((struct mw_test *)context)->stuck;
  luaL_where(L, 1);
  lua_pushliteral(L, "waits forever: no timer, call or other work can end the wait");
  lua_pushlstring(L, mw_buf_str(words), words->len);
  lua_concat(L, 3);
  mw_buf_clear(words);
  return lua_error(L);
}

/* ---- a test beyond its limit ---- */

bool mw_test_is_overdue(const struct mw_test *test) {
  return test->limit > 0 && mw_clock_real() - test->since > test->limit;
}

int mw_test_raise_overdue(lua_State *L, struct mw_test *test) {
  luaL_where(L, 1);
  lua_pushfstring(L,
                  "the test has taken more than %f s, the limit (--timeout, or the setting test.seconds), and waits "
                  "here",
                  (double)test->limit / MW_NS_PER_S);
  lua_pushlstring(L, mw_buf_str(&test->stuck), test->stuck.len);
  lua_concat(L, 3);
  mw_buf_clear(&test->stuck);
  test->since = mw_clock_real(); /* time for after_each */
  return lua_error(L);
}

/* Raises the error in the waiting coroutine, in place of the result of its wait. */
static int raise_overdue(lua_State *L, int status, lua_KContext context) {
  return mw_test_raise_overdue(L, (struct mw_test *)context);
}

/* begins(name, place): a test starts; without arguments, a test has ended. */
static int l_begins(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  mw_buf_clear(&test->name);
  test->since = mw_clock_real();
  if (lua_isnoneornil(L, 1)) return 0;
  mw_buf_printf(&test->name, "\"%s\" (%s)", luaL_checkstring(L, 1), luaL_checkstring(L, 2));
  return 0;
}

void mw_test_watch_open(lua_State *L, struct mw_test *test) {
  static const luaL_Reg functions[] = {{"begins", l_begins}, {NULL, NULL}};
  lua_pushlightuserdata(L, test);
  luaL_setfuncs(L, functions, 1);
}

/* ---- SIGINT ---- */

static struct mw_test *interruptible; /* the test that the signal handler stops */

/* Makes the next budget check stop a run without waits. A second SIGINT ends the process. */
static void on_interrupt(int number) {
  interruptible->interrupted = 1;
  interruptible->fiber->account.slice = 1;
}

static void set_handler(struct mw_test *test, void (*handler)(int number)) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  interruptible = test;
  sigaction(SIGINT, &action, NULL);
}

void mw_test_report_interrupt(struct mw_test *test, const char *verb, const char *place) {
  const char *name = test->name.len > 0 ? mw_buf_str(&test->name) : "no test";
  fprintf(stderr, "moonwire test: interrupted in %s, which %s at %s%s\n", name, verb, place, mw_buf_str(&test->stuck));
  mw_buf_clear(&test->stuck);
  test->code = MW_EXIT_INTERRUPTED;
}

static void push_interrupt(lua_State *L, void *arg) { lua_pushliteral(L, "interrupted"); }

static void interrupt(struct mw_test *test) {
  char place[256];
  mw_bind_fiber_place(test->fiber, place, sizeof place);
  describe(test, &test->stuck);
  mw_test_report_interrupt(test, "waits", place);
  mw_fiber_abandon(test->fiber, push_interrupt, NULL);
}

/* ---- the watch ---- */

/* True if an expiring record will wake watches. With a stopped clock, only a record that is due counts. */
static bool awaits_expiry(const struct mw_test *test) {
  int64_t next = mw_store_next_expiry(test->worker.host.store);
  return next != MW_NEVER && (!test->clock || next <= mw_clock_wall());
}

/* True if the specs wait and nothing can wake them. Flushing the store moves the results of other threads into the
 * loop, so posts are checked last. */
static bool is_stuck(struct mw_test *test) {
  struct mw_loop *loop = &test->worker.loop;
  const struct mw_fiber *fiber = test->fiber;
  if (!fiber->waiting || !fiber->cancel || mw_loop_has_due(loop)) return false;
  if (loop->uv.active_reqs.count > 0 || loop->n_remote > 0 || mw_loop_has_posts(loop)) return false;
  mw_store_flush(test->worker.host.store);
  return !awaits_expiry(test) && !mw_loop_has_posts(loop);
}

/* Ends the test's wait, if it can be ended. The end of a turn (test_turn.c) raises the error by itself. */
static void end_overdue(struct mw_test *test) {
  const struct mw_fiber *fiber = test->fiber;
  if (test->pause) test->end_pause(test);
  if (!fiber->waiting || !fiber->cancel || mw_fiber_is_queued(fiber)) return;
  mw_buf_clear(&test->stuck);
  describe(test, &test->stuck);
  mw_fiber_interrupt(test->fiber, raise_overdue, (lua_KContext)test);
}

static void look(void *arg) {
  struct mw_test *test = arg;
  test->look = NULL;
  if (test->interrupted) {
    if (test->code < 0) interrupt(test);
    if (test->pause) test->end_pause(test);
  } else if (mw_test_is_overdue(test)) {
    end_overdue(test);
  } else if (is_stuck(test)) {
    describe(test, &test->stuck);
    mw_fiber_interrupt(test->fiber, raise_stuck, (lua_KContext)test);
  }
  if (test->fiber && !test->look) test->look = mw_timer_start_real(&test->worker.loop, LOOK_EVERY_NS, look, test);
}

void mw_test_watch_start(struct mw_test *test, struct mw_fiber *fiber) {
  test->fiber = fiber;
  test->since = mw_clock_real();
  fiber->account.slice = test->limit;
  set_handler(test, on_interrupt);
  test->look = mw_timer_start_real(&test->worker.loop, LOOK_EVERY_NS, look, test);
}

void mw_test_watch_stop(struct mw_test *test) {
  set_handler(NULL, SIG_DFL);
  test->fiber = NULL;
  mw_timer_stop(test->look);
  test->look = NULL;
}
