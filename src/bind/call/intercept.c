/* mw.intercept: functions around handlers, for concerns that many methods share, such as authorization and logging.
 *
 * An interceptor gets (call, next). `return next()` runs the wrapped handler and passes its results on; `return nil,
 * status` ends the call without it. An interceptor that returns nothing is a mistake and raises, unless the handler
 * returned nothing too. Interceptors that are registered first are outermost. The table program->interceptors_ref is a
 * sequence of {filter, function}. */
#include "bind/call/intercept.h"

#include <string.h>

#include "base/text.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "script/lua/traceback.h"

/* wrap(interceptor, handler, request_is_streamed, raise_no_results): returns the handler wrapped in the interceptor. */
static const char wrap_source[] =
    "local interceptor, handler, streamed, raise_no_results = ...\n"
    "local select <const> = select\n"
    "return function(request, call)\n"
    "  local count\n"
    "  local function count_results(...)\n"
    "    count = select('#', ...)\n"
    "    return ...\n"
    "  end\n"
    "  local function check(...)\n"
    "    if select('#', ...) == 0 and count ~= 0 then raise_no_results(interceptor) end\n"
    "    return ...\n"
    "  end\n"
    "  local function next() return count_results(handler(request, call)) end\n"
    "  return check(interceptor(streamed and request or call, next))\n"
    "end\n";

/* raise_no_results(interceptor): raises an error with the place of the interceptor's definition. */
static int l_raise_no_results(lua_State *L) {
  lua_Debug info;
  lua_settop(L, 1);
  lua_getinfo(L, ">S", &info);
  return luaL_error(
      L,
      "%s:%d: the interceptor returned neither the handler's results nor a status: expected return next(), "
      "or return nil, status",
      mw_place_source(&info), info.linedefined);
}

static const char *service_at(const void *ctx, size_t i) {
  return mw_pool_service_at((const struct mw_pool *)ctx, i)->full_name;
}

static const char *method_at(const void *ctx, size_t i) {
  return ((const struct mw_service_type *)ctx)->methods[i].path + 1;
}

/* Raises unless the schema has the service, or the method, `filter`. */
static void check_filter(lua_State *L, const struct mw_pool *pool, const char *filter) {
  const char *slash = strchr(filter, '/');
  const char *name = lua_pushlstring(L, filter, slash ? (size_t)(slash - filter) : strlen(filter));
  const struct mw_service_type *service = mw_pool_service(pool, name);
  const char *near;
  if (service && !slash) return;
  if (service) {
    if (mw_pool_method(pool, mw_slice_str(lua_pushfstring(L, "/%s", filter)))) return;
    near = mw_nearest(filter, service->n_methods, method_at, service);
  } else {
    near = mw_nearest(name, mw_pool_service_count(pool), service_at, pool);
  }
  luaL_error(L, "mw.intercept: no %s %s in the schema%s%s%s", service ? "method" : "service", service ? filter : name,
             near ? " (did you mean " : ", expected a name like \"tasks.TaskService\" or \"tasks.TaskService/GetTask\"",
             near ? near : "", near ? "?)" : "");
}

/* mw.intercept([service or "service/Method",] function) */
static int l_intercept(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  if (lua_isfunction(L, 1)) {
    if (!lua_isnoneornil(L, 2)) return luaL_error(L, "mw.intercept: expected ([name,] function), the name comes first");
    lua_pushliteral(L, "");
    lua_insert(L, 1);
  }
  const char *filter = mw_bind_check_name(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (program->vm->loading != program) return luaL_error(L, "mw.intercept: interceptors are set while scripts load");
  if (*filter) check_filter(L, program->pool, filter);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->interceptors_ref);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

static bool applies_to(const char *filter, const struct mw_method_type *method) {
  return !*filter || strcmp(filter, method->service->full_name) == 0 || strcmp(filter, method->path + 1) == 0;
}

bool mw_bind_is_intercepted(lua_State *L, struct mw_program *program, const struct mw_method_type *method) {
  int top = lua_gettop(L);
  bool found = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->interceptors_ref);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, top + 1); i > 0 && !found; i--) {
    lua_rawgeti(L, top + 1, i);
    lua_rawgeti(L, -1, 1);
    found = applies_to(lua_tostring(L, -1), method);
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
    if (applies_to(lua_tostring(L, -1), method)) {
      if (luaL_loadbufferx(L, wrap_source, sizeof wrap_source - 1, "=mw.intercept", "t") != LUA_OK) lua_error(L);
      lua_rawgeti(L, handler + 2, 2);
      lua_pushvalue(L, handler);
      lua_pushboolean(L, method->client_streaming);
      lua_pushcfunction(L, l_raise_no_results);
      lua_call(L, 4, 1);
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
