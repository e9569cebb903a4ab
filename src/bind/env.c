/* mw.env: the environment of the process, read only. */
#include <stdlib.h>

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"

/* mw.env.NAME: nil if it is not set. */
static int l_index(lua_State *L) {
  lua_pushstring(L, getenv(mw_bind_check_name(L, 2)));
  return 1;
}

/* mw.env(NAME [, default]) */
static int l_call(lua_State *L) {
  const char *value = getenv(mw_bind_check_name(L, 2));
  lua_settop(L, 3);
  if (value) lua_pushstring(L, value);
  return 1;
}

static int l_newindex(lua_State *L) {
  return luaL_error(L, "mw.env.%s cannot be set: the environment belongs to the whole process",
                    luaL_tolstring(L, 2, NULL));
}

void mw_bind_open_env(lua_State *L, struct mw_program *program) {
  static const luaL_Reg metamethods[] = {
      {"__index", l_index}, {"__newindex", l_newindex}, {"__call", l_call}, {NULL, NULL}};
  lua_newtable(L);
  luaL_newlib(L, metamethods);
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "env");
}
