/* os.time and os.date read the clock of mw.time. time() of the C library, which Lua's own read, may lag behind that
 * clock at the turn of a second, and goes on where a spec stopped the clock. */
#include <lauxlib.h>
#include <lualib.h>

#include "base/clock.h"
#include "script/libs/libs.h"
#include "script/libs/wrap.h"

static void push_now(lua_State *L) { lua_pushinteger(L, mw_clock_wall() / MW_NS_PER_S); }

static int l_time(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) return mw_libs_call_wrapped(L);
  push_now(L);
  return 1;
}

static int l_date(lua_State *L) {
  lua_settop(L, 2);
  if (lua_isnil(L, 1)) {
    lua_pushliteral(L, "%c");
    lua_replace(L, 1);
  }
  if (lua_isnil(L, 2)) {
    push_now(L);
    lua_replace(L, 2);
  }
  return mw_libs_with_format(L);
}

void mw_libs_replace_os(lua_State *L) {
  lua_getglobal(L, LUA_OSLIBNAME);
  mw_libs_wrap(L, "time", l_time);
  mw_libs_wrap(L, "date", l_date);
  lua_pop(L, 1);
}
