#include "bind/base/bind.h"

#include <stdio.h>
#include <string.h>

#include "script/lua/guard.h"

void mw_bind_functions(lua_State *L, struct mw_program *program, const luaL_Reg *functions) {
  mw_program_push(L, program);
  luaL_setfuncs(L, functions, 1);
}

void mw_bind_make_type(lua_State *L, const char *name, const luaL_Reg *metamethods) {
  lua_createtable(L, 0, 7);
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -2);
  if (lua_istable(L, -1)) mw_guard_fields(L, name);
  lua_setfield(L, -2, "__index");
  lua_insert(L, -2);
  if (metamethods) {
    luaL_setfuncs(L, metamethods, 1);
  } else {
    lua_pop(L, 1);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void mw_bind_push_type(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods) {
  if (luaL_getmetatable(L, name) != LUA_TNIL) return;
  if (methods) {
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
  }
  mw_bind_make_type(L, name, metamethods);
}

/* The name of the running function if it was called with a dot, else NULL. */
static const char *name_after_dot(lua_State *L) {
  lua_Debug info;
  if (!lua_getstack(L, 0, &info) || !lua_getinfo(L, "n", &info) || !info.name) return NULL;
  return strcmp(info.namewhat, "field") == 0 ? info.name : NULL;
}

void *mw_bind_check_self(lua_State *L, const char *type) {
  void *self = luaL_testudata(L, 1, type);
  const char *name = self ? NULL : name_after_dot(L);
  if (name) {
    luaL_error(L,
               "%s: expected %s before a colon, got %s as the first argument: write object:%s(...), not object.%s(...)",
               name, type, luaL_typename(L, 1), name, name);
  }
  return self ? self : luaL_checkudata(L, 1, type);
}

void mw_bind_push_err(lua_State *L, struct mw_err *err) {
  char text[2048]; /* lua_pushstring() may raise, and `err` would leak */
  snprintf(text, sizeof text, "%s", mw_err_text(err));
  mw_err_fini(err);
  lua_pushstring(L, text);
}

int mw_bind_raise_err(lua_State *L, struct mw_err *err) {
  if (err->code == MW_ENOMEM) {
    mw_err_fini(err);
    return mw_budget_refuse(L);
  }
  mw_bind_push_err(L, err);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}
