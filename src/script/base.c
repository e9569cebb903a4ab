#include <lauxlib.h>

#include "script/fiber.h"
#include "script/libs.h"

/* The stack of a protected call: the coroutine that was being unwound before it (light), the message handler, true, the
 * function and its arguments, or its results. */
enum { BEFORE = 1, HANDLER, TRUE };

static int after_call(lua_State *L, int status, lua_KContext unused) {
  mw_fiber_unwound(L, lua_touserdata(L, BEFORE));
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - HANDLER;
  if (mw_budget_settle(L, status) || mw_fiber_is_doom(L, -1)) return lua_error(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* Calls the function at index 1, with the message handler at the top of the stack, which it pops. */
static int call(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)mw_fiber_unwinding(L));
  lua_insert(L, BEFORE);
  lua_insert(L, HANDLER);
  lua_pushboolean(L, 1);
  lua_insert(L, TRUE);
  int status = lua_pcallk(L, lua_gettop(L) - TRUE - 1, LUA_MULTRET, HANDLER, 0, after_call);
  return after_call(L, status, 0);
}

/* The message handler of pcall. */
static int pass_message(lua_State *L) {
  mw_fiber_unwind(L);
  return 1;
}

static int l_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushcfunction(L, pass_message);
  return call(L);
}

/* The message handler of xpcall: the script's own, upvalue 1, does not get to replace the error that ends the fiber. */
static int handle_message(lua_State *L) {
  lua_settop(L, 1);
  mw_fiber_unwind(L);
  if (mw_fiber_is_doom(L, 1)) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int l_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_remove(L, 2);
  lua_pushcclosure(L, handle_message, 1);
  return call(L);
}

void mw_libs_replace_base(lua_State *L) {
  lua_register(L, "pcall", l_pcall);
  lua_register(L, "xpcall", l_xpcall);
}

void mw_libs_replace(lua_State *L) {
  mw_libs_replace_base(L);
  mw_libs_replace_coroutine(L);
  mw_libs_replace_string(L);
  mw_libs_replace_table(L);
}
