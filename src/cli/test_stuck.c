/* Ends a wait of the specs that nothing can end: no timer is due, and no call, file or write to the store is under way.
 * The wait raises an error with its place, which fails the test; the others run. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/test.h"

#define LOOK_EVERY_NS (10 * (int64_t)MW_NS_PER_MS)

enum { SHOWN_CALLS = 5 };

/* Adds where the calls of the folder's handlers wait, and that the clock is stopped. */
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

/* In the coroutine that waits, in place of the end of its wait. */
static int raise_stuck(lua_State *L, int status, lua_KContext context) {
  struct mw_buf *words = &((struct mw_test *)context)->stuck;
  luaL_where(L, 1);
  lua_pushliteral(L, "waits for ever: no timer, call or other work is left that could end the wait");
  lua_pushlstring(L, mw_buf_str(words), words->len);
  lua_concat(L, 3);
  mw_buf_clear(words);
  return lua_error(L);
}

/* Records that expire wake watches, by the clock that may be stopped. */
static bool awaits_expiry(const struct mw_test *test) {
  int64_t next = mw_store_next_expiry(test->worker.host.store);
  return next != MW_NEVER && (!test->clock || next <= mw_clock_wall());
}

/* True when the specs wait and nothing can wake them. Other threads' results are in the loop once the store is flushed:
 * posts are looked at last. */
static bool is_stuck(struct mw_test *test) {
  struct mw_loop *loop = &test->worker.loop;
  const struct mw_fiber *fiber = test->fiber;
  if (!fiber->waiting || !fiber->cancel || mw_loop_has_due(loop)) return false;
  if (loop->uv.active_reqs.count > 0 || loop->n_remote > 0 || mw_loop_has_posts(loop)) return false;
  mw_store_flush(test->worker.host.store);
  return !awaits_expiry(test) && !mw_loop_has_posts(loop);
}

static void look(void *arg) {
  struct mw_test *test = arg;
  test->look = NULL;
  if (is_stuck(test)) {
    describe(test, &test->stuck);
    mw_fiber_interrupt(test->fiber, raise_stuck, (lua_KContext)test);
  }
  if (test->fiber && !test->look) test->look = mw_timer_start_real(&test->worker.loop, LOOK_EVERY_NS, look, test);
}

void mw_test_watch_start(struct mw_test *test, struct mw_fiber *fiber) {
  test->fiber = fiber;
  test->look = mw_timer_start_real(&test->worker.loop, LOOK_EVERY_NS, look, test);
}

void mw_test_watch_stop(struct mw_test *test) {
  test->fiber = NULL;
  mw_timer_stop(test->look);
  test->look = NULL;
}
