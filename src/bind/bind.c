#include "bind/bind.h"

#include <stdio.h>

void mw_bind_functions(lua_State *L, struct mw_program *program, const luaL_Reg *functions) {
  mw_program_push(L, program);
  luaL_setfuncs(L, functions, 1);
}

void mw_bind_push_err(lua_State *L, struct mw_err *err) {
  char text[2048]; /* pushing may raise, and `err` would leak */
  snprintf(text, sizeof text, "%s", mw_err_text(err));
  mw_err_fini(err);
  lua_pushstring(L, text);
}

int mw_bind_raise_err(lua_State *L, struct mw_err *err) {
  mw_bind_push_err(L, err);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}
