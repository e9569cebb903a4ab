#include <lauxlib.h>

#include "script/libs/libs.h"
#include "script/state/fiber.h"

/* Runs after the called function. The `extra` values at the bottom of the stack are not results. */
static int after_call(lua_State *L, int status, lua_KContext extra) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
  if (mw_budget_settle(L, status) || mw_fiber_is_kill_error(L, -1)) return lua_error(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int l_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, after_call);
  return after_call(L, status, 0);
}

/* The message handler of xpcall. The script's own handler, upvalue 1, cannot replace the error that ends the fiber. */
static int handle_message(lua_State *L) {
  lua_settop(L, 1);
  if (mw_fiber_is_kill_error(L, 1)) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int l_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  int n_args = lua_gettop(L) - 2;
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* function, handler, true, function, arguments */
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle_message, 1);
  lua_replace(L, 2);
  int status = lua_pcallk(L, n_args, LUA_MULTRET, 2, 2, after_call);
  return after_call(L, status, 2);
}

void mw_libs_replace_base(lua_State *L) {
  lua_register(L, "pcall", l_pcall);
  lua_register(L, "xpcall", l_xpcall);
}
