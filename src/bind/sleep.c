/* mw.sleep */
#include "bind/sleep.h"

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"

struct sleeper {
  struct mw_timer *timer; /* NULL after it has fired */
  struct mw_fiber *fiber;
};

static void on_alarm(void *arg) {
  struct sleeper *sleeper = arg;
  sleeper->timer = NULL;
  mw_fiber_wake(sleeper->fiber);
}

static void stop_sleeping(void *arg) {
  struct sleeper *sleeper = arg;
  mw_timer_stop(sleeper->timer);
}

static int after_sleep(lua_State *L, int status, lua_KContext context) { return 0; }

int64_t mw_bind_check_seconds(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TNUMBER); /* rejects "5", which Lua would convert */
  lua_Number seconds = lua_tonumber(L, index);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "expected seconds from 0 to 1e9");
  return mw_duration_from_seconds(seconds);
}

static int l_sleep(lua_State *L) {
  int64_t delay = mw_bind_check_seconds(L, 1);
  struct mw_fiber *fiber = mw_fiber_check(L, "mw.sleep");
  struct sleeper *sleeper = lua_newuserdatauv(L, sizeof *sleeper, 0);
  sleeper->fiber = fiber;
  sleeper->timer = mw_timer_start(fiber->vm->loop, delay, on_alarm, sleeper);
  if (!sleeper->timer) return luaL_error(L, "mw.sleep: out of memory");
  return mw_fiber_wait(L, fiber, stop_sleeping, sleeper, after_sleep, 0);
}

void mw_bind_open_sleep(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"sleep", l_sleep}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
