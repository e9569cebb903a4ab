#include "script/libs/wrap.h"

#include <lauxlib.h>
#include <stdbool.h>

void mw_libs_wrap(lua_State *L, const char *name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

int mw_libs_call_wrapped(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

int mw_libs_with_format(lua_State *L) {
  bool is_long = lua_type(L, 1) == LUA_TSTRING && lua_rawlen(L, 1) > MW_FORMAT_MAX;
  luaL_argcheck(L, !is_long, 1, "format too long, expected at most 262144 bytes");
  return mw_libs_call_wrapped(L);
}
