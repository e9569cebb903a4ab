#include "script/lua/guard.h"

#include <lauxlib.h>

#include "base/text.h"

enum { MOST_NAMES = 128 };

static const char *name_at(const void *ctx, size_t i) { return ((const char *const *)ctx)[i]; }

const char *mw_guard_nearest(lua_State *L, int index, const char *word) {
  const char *names[MOST_NAMES];
  size_t n = 0;
  index = lua_absindex(L, index);
  luaL_checkstack(L, 3, NULL);
  for (lua_pushnil(L); n < MOST_NAMES && lua_next(L, index) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) names[n++] = lua_tostring(L, -2);
  }
  if (n == MOST_NAMES) lua_pop(L, 1);
  return mw_nearest(word, n, name_at, names);
}

/* __index. Upvalue: the table's name. */
static int refuse_field(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING || !lua_istable(L, 1)) return 0;
  const char *name = lua_tostring(L, lua_upvalueindex(1)), *key = lua_tostring(L, 2);
  const char *near = mw_guard_nearest(L, 1, key);
  if (near) return luaL_error(L, "%s has no %s (did you mean %s?)", name, key, near);
  return luaL_error(L, "%s has no %s", name, key);
}

void mw_guard_fields(lua_State *L, const char *name) {
  luaL_checkstack(L, 4, NULL);
  if (!lua_getmetatable(L, -1)) {
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, -3);
  }
  lua_pushliteral(L, "__index");
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_field, 1);
    lua_setfield(L, -3, "__index");
  }
  lua_pop(L, 2);
}
