#include "bind/base/status.h"

#include <stdarg.h>
#include <stdio.h>

static const char is_failure; /* key of a boolean in the metatables of statuses */

/* For a status, pushes that boolean and returns true. Otherwise pushes nothing. */
static bool push_kind(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  bool found = lua_rawgetp(L, -1, &is_failure) == LUA_TBOOLEAN;
  lua_remove(L, -2);
  if (!found) lua_pop(L, 1);
  return found;
}

bool mw_status_is(lua_State *L, int index) {
  bool is = push_kind(L, index);
  if (is) lua_pop(L, 1);
  return is;
}

/* True for the codes of a damaged store and of a failing disk. */
static bool is_server_fault(enum mw_code code) {
  return code == MW_CODE_DATA_LOSS || code == MW_CODE_UNAVAILABLE || code == MW_CODE_INTERNAL;
}

bool mw_bind_is_failure(lua_State *L, int index) {
  if (!push_kind(L, index)) return false;
  bool is = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

void mw_status_check(lua_State *L, int arg) { luaL_argexpected(L, mw_status_is(L, arg), arg, "status"); }

int mw_status_get(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushstring(L, name);
  return lua_rawget(L, index);
}

void mw_status_push(lua_State *L, const char *type, enum mw_code code) {
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, mw_code_name(code));
  lua_setfield(L, -2, "code");
  luaL_setmetatable(L, type);
}

int mw_bind_raise_status(lua_State *L) {
  if (mw_status_is(L, -1)) {
    int code = mw_status_get(L, -1, "code") == LUA_TSTRING ? mw_code_from_name(lua_tostring(L, -1)) : -1;
    lua_pop(L, 1);
    if (!is_server_fault(code < 0 ? MW_CODE_UNKNOWN : (enum mw_code)code)) luaL_setmetatable(L, MW_STATUS);
  }
  return lua_error(L);
}

int mw_bind_fail(lua_State *L, enum mw_code code, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  lua_pushnil(L);
  lua_pushstring(L, text);
  mw_status_push(L, MW_FAILURE, code);
  return 2;
}

int mw_bind_fail_err(lua_State *L, enum mw_code code, struct mw_err *err) {
  mw_bind_push_err(L, err);
  lua_pushnil(L);
  lua_insert(L, -2);
  mw_status_push(L, MW_FAILURE, code);
  return 2;
}

static int l_tostring(lua_State *L) {
  mw_status_check(L, 1);
  mw_status_get(L, 1, "code");
  mw_status_get(L, 1, "message");
  lua_pushfstring(L, "%s: %s", luaL_tolstring(L, 2, NULL), luaL_tolstring(L, 3, NULL));
  return 1;
}

/* Makes one of the two metatables. Both have the same name for scripts. */
static void make_type(lua_State *L, const char *name, const luaL_Reg *methods, bool failure) {
  static const luaL_Reg metamethods[] = {{"__tostring", l_tostring}, {NULL, NULL}};
  mw_bind_push_type(L, name, methods, metamethods);
  lua_getfield(L, -1, "__index");
  lua_pushnil(L);
  lua_setmetatable(L, -2); /* no guard: a status may lack details */
  lua_pop(L, 1);
  lua_pushboolean(L, failure);
  lua_rawsetp(L, -2, &is_failure);
  lua_pushliteral(L, MW_STATUS);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

void mw_status_open(lua_State *L, const luaL_Reg *methods) {
  make_type(L, MW_STATUS, methods, false);
  make_type(L, MW_FAILURE, methods, true);
}
