/* Tables of options. They are read raw, so that no metamethod of a script runs while a binding reads them. */
#include "bind/base/options.h"

#include <string.h>

#include "bind/base/bind.h"

static bool is_one_of(const char *name, const char *const *allowed) {
  for (; *allowed; allowed++) {
    if (strcmp(name, *allowed) == 0) return true;
  }
  return false;
}

static const char *push_joined(lua_State *L, const char *const *words) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (size_t i = 0; words[i]; i++) {
    if (i > 0) luaL_addstring(&buffer, ", ");
    luaL_addstring(&buffer, words[i]);
  }
  luaL_pushresult(&buffer);
  return lua_tostring(L, -1);
}

/* Pushes the key at the top as text. Runs no __tostring of a script. */
static const char *push_key(lua_State *L) {
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
    case LUA_TBOOLEAN: return luaL_tolstring(L, -1, NULL);
    default: return lua_pushfstring(L, "of type %s", luaL_typename(L, -1));
  }
}

bool mw_bind_check_options(lua_State *L, int arg, const char *what, const char *const *allowed) {
  if (lua_isnoneornil(L, arg)) return false;
  luaL_checktype(L, arg, LUA_TTABLE);
  luaL_checkstack(L, 6, NULL);
  for (lua_pushnil(L); lua_next(L, arg);) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && is_one_of(lua_tostring(L, -1), allowed)) continue;
    const char *key = push_key(L);
    luaL_error(L, "%s: unknown option %s (expected %s)", what, key, push_joined(L, allowed));
  }
  return true;
}

int mw_bind_get_option(lua_State *L, int arg, const char *name) {
  if (lua_isnoneornil(L, arg)) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  lua_pushstring(L, name);
  return lua_rawget(L, arg);
}

const char *mw_bind_check_name(lua_State *L, int arg) {
  size_t len;
  const char *name = luaL_checklstring(L, arg, &len);
  luaL_argcheck(L, strlen(name) == len, arg, "expected a string without a zero byte");
  return name;
}
