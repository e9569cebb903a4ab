/* mw.service: scripts assign their handlers to its objects. Each assignment is checked against the schema. */
#include "bind/call/service.h"

#include <stdlib.h>
#include <string.h>

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/unknown.h"
#include "bind/call/builtin.h"
#include "bind/call/handler.h"
#include "bind/call/intercept.h"
#include "script/lua/traceback.h"

#define PATHS "moonwire.paths" /* in the registry: path -> itself */

static const struct mw_method_type *find_method(const struct mw_service_type *service, const char *name) {
  for (size_t i = 0; i < service->n_methods; i++) {
    if (strcmp(service->methods[i].name, name) == 0) return &service->methods[i];
  }
  return NULL;
}

/* Pushes the place where the function at `index` is defined, as "lua/tasks.lua:12". */
static const char *push_place(lua_State *L, int index) {
  lua_Debug info;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &info);
  return lua_pushfstring(L, "%s:%d", mw_place_source(&info), info.linedefined);
}

/* True for the parameters (call, request), and for (call) if the handler then could not send. A request alone may be
 * named "call". */
static bool takes_call_for_request(const struct mw_method_type *method, const char *first, const char *second) {
  if (method->client_streaming || !first || strcmp(first, "call") != 0) return false;
  if (!second) return method->server_streaming;
  return strcmp(second, "request") == 0 || strcmp(second, "req") == 0;
}

/* Raises if the parameters of the function at index 3 show a mistake: `self`, from a colon in place of a dot, or the
 * parameters of a method with other streams. */
static void check_parameters(lua_State *L, const struct mw_method_type *method) {
  lua_Debug info;
  lua_pushvalue(L, 3);
  lua_getinfo(L, ">u", &info);
  lua_pushvalue(L, 3);
  const char *first = info.nparams >= 1 ? lua_getlocal(L, NULL, 1) : NULL;
  const char *second = info.nparams >= 2 ? lua_getlocal(L, NULL, 2) : NULL;
  lua_pop(L, 1);
  const char *service = method->service->full_name, *name = method->name;
  const char *expected = method->client_streaming ? "(call)" : "(request, call)";
  if (first && strcmp(first, "self") == 0) {
    luaL_error(L,
               "%s.%s: the handler has a parameter self: define it with a dot, function Service.%s%s, not with a colon",
               service, name, name, expected);
  }
  if (takes_call_for_request(method, first, second)) {
    luaL_error(L,
               "%s.%s: the handler's first parameter is the request: expected function Service.%s(request, call), "
               "got (%s%s%s)",
               service, name, name, first, second ? ", " : "", second ? second : "");
  }
  if (method->client_streaming && second && strcmp(second, "call") == 0) {
    luaL_error(L,
               "%s.%s takes a stream: expected function Service.%s(call), with the messages in call:messages(), "
               "got (%s, call)",
               service, name, name, first);
  }
}

/* service.Name = function. Upvalues: program, service, handlers. */
static int l_newindex(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const struct mw_service_type *service = lua_touserdata(L, lua_upvalueindex(2));
  const char *name = mw_bind_check_name(L, 2);
  if (program->vm->loading != program) {
    return luaL_error(L, "%s.%s: handlers are set while the script loads, not later", service->full_name, name);
  }
  const struct mw_method_type *method = find_method(service, name);
  if (!method) return mw_bind_no_method(L, service->full_name, service, name, name);
  if (!lua_isfunction(L, 3)) {
    return luaL_error(L, "%s.%s: expected a function, got %s", service->full_name, name, luaL_typename(L, 3));
  }
  lua_settop(L, 3);
  check_parameters(L, method);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(3)) == LUA_TFUNCTION) {
    return luaL_error(L, "%s.%s has a handler already, at %s", service->full_name, name, push_place(L, -1));
  }
  lua_settop(L, 3);
  lua_rawset(L, lua_upvalueindex(3));
  return 0;
}

/* Pushes the object of a service: an empty table whose assignments go to l_newindex. The metatable is locked, because
 * route_all() reads the handlers through it while no script runs. */
static void push_new_service(lua_State *L, struct mw_program *program, const struct mw_service_type *service) {
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  lua_newtable(L); /* the table of handlers */
  mw_program_push(L, program);
  lua_pushlightuserdata(L, (void *)(uintptr_t)service);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, l_newindex, 3);
  lua_setfield(L, -3, "__newindex");
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, service->full_name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

/* mw.service(name): returns the same object each time. */
static int l_service(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const char *name = mw_bind_check_name(L, 1);
  const struct mw_service_type *service = mw_pool_service(program->pool, name);
  if (!service) return mw_bind_no_service(L, "mw.service", program->pool, name);
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, program->services_ref) != LUA_TTABLE) {
    return luaL_error(L, "mw.service: the generation of this function has ended");
  }
  if (lua_getfield(L, -1, name) != LUA_TNIL) return 1;
  if (program->vm->loading != program) return luaL_error(L, "mw.service: services are registered while scripts load");
  push_new_service(L, program, service);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, name);
  return 1;
}

void mw_bind_open_service(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"service", l_service}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}

/* ---- routes ---- */

/* True if the function at the top has a parameter for the call object, which is a handler's last. */
static bool takes_call(lua_State *L, const struct mw_method_type *method) {
  lua_Debug info;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &info);
  return info.isvararg || info.nparams > (method->client_streaming ? 0 : 1);
}

/* Returns a copy of the path that lives as long as the Lua state. Equal paths share one copy. */
static const char *keep_path(lua_State *L, const char *path) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, PATHS);
  if (lua_getfield(L, -1, path) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushstring(L, path);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, path);
  }
  const char *kept = lua_tostring(L, -1);
  lua_pop(L, 2);
  return kept;
}

/* Adds a route to the function at the top, and pops it. */
static void add_route(lua_State *L, struct mw_program *program, const struct mw_method_type *method,
                      const struct mw_handler *handler) {
  const char *place = lua_iscfunction(L, -1) ? lua_pushstring(L, method->path) : push_place(L, -1);
  lua_insert(L, -2);
  mw_bind_intercept(L, program, method);
  const char *path = keep_path(L, method->path);
  bool takes = takes_call(L, method);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  size_t size = strlen(place) + 1;
  struct mw_bind_target *target = malloc(sizeof *target + size);
  if (target) *target = (struct mw_bind_target){ref, takes, path};
  if (target) memcpy(target->place, place, size);
  lua_pop(L, 1);
  if (target && mw_router_add(&program->router, method, handler, target) == 0) return;
  free(target);
  luaL_unref(L, LUA_REGISTRYINDEX, ref);
  luaL_error(L, "out of memory");
}

/* Pushes the handlers of a service and returns true. If no script has asked for the service, pushes nil and returns
 * false. */
static bool push_handlers(lua_State *L, int services, const struct mw_service_type *service) {
  if (lua_getfield(L, services, service->full_name) == LUA_TNIL) return false;
  luaL_getmetafield(L, -1, "__index");
  lua_remove(L, -2);
  return true;
}

static int route_all(lua_State *L) {
  struct mw_program *program = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->services_ref);
  for (size_t i = 0; i < mw_pool_service_count(program->pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(program->pool, i);
    bool known = push_handlers(L, 2, service);
    if (known && mw_router_add_service(&program->router, service) != 0) luaL_error(L, "out of memory");
    for (size_t j = 0; j < service->n_methods; j++) {
      const struct mw_method_type *method = &service->methods[j];
      const struct mw_route *builtin = mw_router_find(&program->router, mw_slice_str(method->path));
      if (known && lua_getfield(L, 3, method->name) == LUA_TFUNCTION) {
        add_route(L, program, method, &mw_bind_handler);
      } else if (builtin && mw_bind_is_intercepted(L, program, method)) {
        mw_bind_push_builtin(L, builtin);
        add_route(L, program, method, &mw_bind_builtin_handler);
      }
      lua_settop(L, 3);
    }
    lua_settop(L, 2);
  }
  return 0;
}

int mw_bind_route(struct mw_program *program, struct mw_err *err) {
  return mw_vm_protect(program->vm, route_all, program, err);
}

void mw_bind_retire(struct mw_program *program) {
  size_t cursor = 0;
  const struct mw_route *route;
  while ((route = mw_map_next(&program->router.routes, &cursor, NULL)) != NULL) {
    if (mw_bind_handles(route)) {
      struct mw_bind_target *target = route->arg;
      luaL_unref(program->vm->L, LUA_REGISTRYINDEX, target->function);
      free(target);
    }
  }
  mw_program_retire(program);
}
