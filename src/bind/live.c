/* mw.live(name): the module `name` as it is in the newest generation. */
#include "bind/bind.h"

static int l_live(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  luaL_checkstring(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->env_ref);
  lua_getfield(L, -1, "require");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

void mw_bind_open_live(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"live", l_live}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
