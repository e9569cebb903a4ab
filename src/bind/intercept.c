/* mw.intercept: functions around handlers, for what concerns many methods (who may call, what is logged).
 *
 * An interceptor gets (call, next) and decides: `return next()` runs what it stands around and passes its results on,
 * or it returns nil and a status without. Those registered first stand outermost. The table of them is
 * program->interceptors_ref: a sequence of {filter, function}. */
#include <string.h>

#include "bind/bind.h"
#include "bind/intercept.h"

/* wrap(interceptor, handler, request_is_streamed): the handler with the interceptor around it. */
static const char wrap_source[] =
    "local interceptor, handler, streamed = ...\n"
    "if streamed then\n"
    "  return function(call)\n"
    "    return interceptor(call, function() return handler(call) end)\n"
    "  end\n"
    "end\n"
    "return function(request, call)\n"
    "  return interceptor(call, function() return handler(request, call) end)\n"
    "end\n";

/* mw.intercept([service or "service/Method",] function) */
static int l_intercept(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  if (lua_isfunction(L, 1)) {
    lua_pushliteral(L, "");
    lua_insert(L, 1);
  }
  const char *filter = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (program->vm->loading != program) return luaL_error(L, "mw.intercept: interceptors are set while scripts load");
  const char *slash = strchr(filter, '/');
  lua_pushfstring(L, "/%s", filter);
  lua_pushlstring(L, filter, slash ? (size_t)(slash - filter) : strlen(filter));
  bool known = slash ? mw_pool_method(program->pool, mw_slice_str(lua_tostring(L, -2))) != NULL
                     : mw_pool_service(program->pool, lua_tostring(L, -1)) != NULL;
  if (*filter && !known) {
    return luaL_argerror(L, 1, "expected a service or service/Method of the schema, like \"tasks.TaskService\"");
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->interceptors_ref);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

static bool concerns(const char *filter, const struct mw_method_type *method) {
  return !*filter || strcmp(filter, method->service->full_name) == 0 || strcmp(filter, method->path + 1) == 0;
}

bool mw_bind_is_intercepted(lua_State *L, struct mw_program *program, const struct mw_method_type *method) {
  int top = lua_gettop(L);
  bool found = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->interceptors_ref);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, top + 1); i > 0 && !found; i--) {
    lua_rawgeti(L, top + 1, i);
    lua_rawgeti(L, -1, 1);
    found = concerns(lua_tostring(L, -1), method);
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
  return found;
}

void mw_bind_intercept(lua_State *L, struct mw_program *program, const struct mw_method_type *method) {
  int handler = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->interceptors_ref);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, handler + 1); i > 0; i--) {
    lua_rawgeti(L, handler + 1, i);
    lua_rawgeti(L, -1, 1);
    if (concerns(lua_tostring(L, -1), method)) {
      if (luaL_loadbufferx(L, wrap_source, sizeof wrap_source - 1, "=mw.intercept", "t") != LUA_OK) lua_error(L);
      lua_rawgeti(L, handler + 2, 2);
      lua_pushvalue(L, handler);
      lua_pushboolean(L, method->client_streaming);
      lua_call(L, 3, 1);
      lua_replace(L, handler);
    }
    lua_settop(L, handler + 1);
  }
  lua_settop(L, handler);
}

void mw_bind_open_intercept(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"intercept", l_intercept}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
