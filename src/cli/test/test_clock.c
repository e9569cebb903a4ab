/* The clock of a test, which the spec stops and moves. Timers fire in order. Between two of them, everything runs that
 * is ready: posts, answers of the store, work of other threads. */
#include "base/clock.h"
#include "cli/test/test.h"

#define CLOCK "moonwire.test.Clock"

enum { SAME_MOMENT_MAX = 10000, LOOK_AGAIN_NS = MW_NS_PER_MS };
#define STEP_LIMIT 9e9 /* seconds; fits in nanoseconds */

struct drive {
  struct mw_test_task turn;
  int64_t until; /* fire the timers due by then */
  size_t left;   /* maximum number of timers to fire */
  bool move;     /* finally set the clock to `until` */
  bool fired;
};

/* The content of "moonwire.test.Clock". The clock is in force while it is test->clock. */
struct clock {
  struct mw_test *test;
  int64_t moment; /* time of the last timer */
  size_t at_once; /* number of timers fired at that time */
};

/* ---- driving ---- */

/* Runs everything that is ready without time passing. Returns false while other threads work for the loop. */
static bool settle(struct mw_test *test) {
  struct mw_loop *loop = &test->worker.loop;
  do {
    mw_loop_run_posts(loop);
    mw_store_flush(test->worker.host.store);
  } while (mw_loop_has_posts(loop));
  return loop->uv.active_reqs.count == 0;
}

static bool fire_next(struct drive *d) {
  if (d->left == 0 || d->turn.err.code != 0 || !d->turn.test->clock) return false;
  if (!mw_loop_fire_next(&d->turn.test->worker.loop, d->until)) return false;
  d->left--;
  d->fired = true;
  struct clock *clock = d->turn.test->clock;
  int64_t now = mw_clock_mono();
  clock->at_once = now == clock->moment ? clock->at_once + 1 : 0;
  clock->moment = now;
  if (clock->at_once >= SAME_MOMENT_MAX) {
    mw_err_set(&d->turn.err, MW_ELIMIT, "the clock does not advance: something waits for 0 seconds repeatedly");
  }
  return true;
}

static void drive(void *arg) {
  struct drive *d = arg;
  struct mw_loop *loop = &d->turn.test->worker.loop;
  do {
    if (!settle(d->turn.test) && !mw_test_is_overdue(d->turn.test) &&
        mw_timer_start_real(loop, LOOK_AGAIN_NS, drive, d))
      return;
  } while (fire_next(d));
  if (d->move && d->turn.err.code == 0 && d->turn.test->clock && d->until > mw_clock_mono()) mw_clock_move(d->until);
  mw_test_task_end(&d->turn);
}

static void run_drive(struct mw_test_task *turn) { drive(MW_CONTAINER(turn, struct drive, turn)); }

static struct drive *push_drive(lua_State *L, struct mw_test *test) {
  struct drive *d = lua_newuserdatauv(L, sizeof *d, 0);
  *d = (struct drive){.turn = {.test = test, .err = MW_ERR_INIT, .run = run_drive}};
  return d;
}

static int after_wait(lua_State *L, int status, lua_KContext context) { return 0; }

/* test.settle() */
static int l_settle(lua_State *L) {
  return mw_test_task_wait(L, &push_drive(L, mw_test_of(L))->turn, "test.settle", after_wait);
}

/* ---- waiting by the real clock ---- */

struct pause {
  struct mw_test_task turn;
  int64_t delay;
  struct mw_timer *timer;
};

static void end_pause(void *arg) {
  struct pause *pause = arg;
  struct mw_test *test = pause->turn.test;
  if (test->pause == &pause->turn) test->pause = NULL;
  mw_test_task_end(&pause->turn);
}

static void end_pause_early(struct mw_test *test) {
  struct pause *pause = MW_CONTAINER(test->pause, struct pause, turn);
  mw_timer_stop(pause->timer);
  end_pause(pause);
}

/* Records the pause, unless a spawned function waits: the test itself has at most one. */
static void run_pause(struct mw_test_task *turn) {
  struct pause *pause = MW_CONTAINER(turn, struct pause, turn);
  if (turn->fiber == turn->test->fiber) {
    turn->test->pause = turn;
    turn->test->end_pause = end_pause_early;
  }
  pause->timer = mw_timer_start_real(&turn->test->worker.loop, pause->delay, end_pause, pause);
  if (pause->timer) return;
  turn->test->pause = NULL;
  mw_err_set(&turn->err, MW_ENOMEM, "out of memory");
  mw_test_task_end(turn);
}

/* test.pause(seconds) */
static int l_pause(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  int64_t delay = mw_duration_from_seconds(luaL_checknumber(L, 1));
  struct pause *pause = lua_newuserdatauv(L, sizeof *pause, 0);
  *pause = (struct pause){{.test = test, .err = MW_ERR_INIT, .run = run_pause}, delay, NULL};
  return mw_test_task_wait(L, &pause->turn, "test.pause", after_wait);
}

/* ---- the clock ---- */

static struct mw_test *check_clock(lua_State *L) {
  struct clock *clock = luaL_checkudata(L, 1, CLOCK);
  if (clock->test->clock != clock) luaL_error(L, "this clock was closed, with <close> or by the end of its test");
  return clock->test;
}

/* clock:advance(seconds) */
static int l_advance(lua_State *L) {
  struct mw_test *test = check_clock(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 2, "expected seconds from 0 to 1e9");
  struct drive *d = push_drive(L, test);
  d->until = mw_time_add(mw_clock_mono(), mw_duration_from_seconds(seconds));
  d->left = SIZE_MAX;
  d->move = true;
  return mw_test_task_wait(L, &d->turn, "clock:advance", after_wait);
}

static int after_step(lua_State *L, int status, lua_KContext context) {
  lua_pushboolean(L, ((struct drive *)context)->fired);
  return 1;
}

/* clock:step([limit]): moves to the next timer and fires it. Returns true if there was one by `limit`, a time of
 * mw.time.monotonic(). */
static int l_step(lua_State *L) {
  struct mw_test *test = check_clock(L);
  lua_Number limit = luaL_optnumber(L, 2, STEP_LIMIT);
  if (!(limit < STEP_LIMIT)) limit = STEP_LIMIT;
  struct drive *d = push_drive(L, test);
  d->until = mw_duration_from_seconds(limit);
  d->left = 1;
  return mw_test_task_wait(L, &d->turn, "clock:step", after_step);
}

void mw_test_clock_release(struct mw_test *test) {
  if (!test->clock) return;
  test->clock = NULL;
  mw_loop_thaw_timers(&test->worker.loop);
  mw_clock_go();
}

static int l_close(lua_State *L) {
  struct clock *clock = luaL_checkudata(L, 1, CLOCK);
  if (clock->test->clock == clock) mw_test_clock_release(clock->test);
  return 0;
}

static const char stopped_clock; /* registry key of the newest clock, which keeps it alive without a variable */

/* stop_clock([seconds since 1970]): for test.clock */
static int l_stop_clock(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  lua_Number wall = luaL_optnumber(L, 1, 0);
  luaL_argcheck(L, wall >= 0 && wall <= 9e9, 1, "expected seconds since 1970");
  if (test->clock) return luaL_error(L, "test.clock: the clock is already stopped");
  struct clock *clock = lua_newuserdatauv(L, sizeof *clock, 0);
  *clock = (struct clock){test, MW_NEVER, 0};
  luaL_setmetatable(L, CLOCK);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &stopped_clock);
  test->clock = clock;
  mw_clock_stop(lua_isnoneornil(L, 1) ? MW_NEVER : (int64_t)(wall * MW_NS_PER_S));
  mw_loop_freeze_timers(&test->worker.loop);
  return 1;
}

void mw_test_clock_open(lua_State *L, struct mw_test *test) {
  static const luaL_Reg methods[] = {{"advance", l_advance}, {"step", l_step}, {"close", l_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"stop_clock", l_stop_clock}, {"settle", l_settle}, {"pause", l_pause}, {NULL, NULL}};
  mw_bind_push_type(L, CLOCK, methods, metamethods);
  lua_pop(L, 1);
  lua_pushlightuserdata(L, test);
  luaL_setfuncs(L, functions, 1);
}
