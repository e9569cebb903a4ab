#include "bind/message/marker.h"

#include <lauxlib.h>

#define ARRAY "moonwire.array"

static const char array_key; /* registry key of the array metatable */

/* The null of lua-cjson and other libraries, so that values pass between them unchanged. */
void mw_bind_push_null(lua_State *L) { lua_pushlightuserdata(L, NULL); }

bool mw_bind_is_null(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL;
}

void mw_bind_mark_array(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
  lua_setmetatable(L, -2);
}

bool mw_bind_is_array(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

bool mw_bind_is_weak(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_pushliteral(L, "__mode");
  bool weak = lua_rawget(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return weak;
}

void mw_marker_open(lua_State *L) {
  luaL_newmetatable(L, ARRAY);
  lua_pushliteral(L, ARRAY);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
}
