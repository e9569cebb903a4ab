/* mw.live(name): the module `name` of the newest committed generation.
 *
 * A proxy ("moonwire.Live") has the module's value as its first user value and the name as its second. A state has one
 * proxy for each name, for all generations: the registry's table LIVE has the proxies in use. Each adoption sets their
 * values to those of the new program. If the program lacks the module, the last value stays. */
#include "bind/live.h"

#include "bind/base/bind.h"
#include "bind/base/openers.h"

#define PROXY "moonwire.Live"
#define LIVE "moonwire.live"

enum { VALUE = 1, NAME = 2 };

/* ---- the proxy ---- */

/* Pushes the value of the proxy at the bottom of the stack. While scripts load, this is their own module. */
static void push_value(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  if (vm->loading) {
    lua_getiuservalue(L, 1, NAME);
    bool is_loaded = mw_program_push_module(L, vm->loading, -1);
    lua_remove(L, is_loaded ? -2 : -1);
    if (is_loaded) return;
  }
  if (lua_getiuservalue(L, 1, VALUE) != LUA_TNIL) return;
  lua_getiuservalue(L, 1, NAME);
  luaL_error(L, "mw.live: no generation with module '%s' has come into force", lua_tostring(L, -1));
}

static int proxy_index(lua_State *L) {
  push_value(L);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

static int proxy_newindex(lua_State *L) {
  lua_getiuservalue(L, 1, NAME);
  return luaL_error(L,
                    "module '%s' is read only through mw.live: its values change with its file; values that "
                    "scripts change belong in mw.state or the store",
                    lua_tostring(L, -1));
}

static int all_results(lua_State *L, int status, lua_KContext context) { return lua_gettop(L); }

static int proxy_call(lua_State *L) {
  push_value(L);
  lua_replace(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, all_results);
  return all_results(L, LUA_OK, 0);
}

static int proxy_len(lua_State *L) {
  push_value(L);
  lua_len(L, -1);
  return 1;
}

static int next_pair(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

/* pairs() traverses the value that the module has when the loop begins. */
static int proxy_pairs(lua_State *L) {
  push_value(L);
  if (luaL_getmetafield(L, -1, "__pairs") != LUA_TNIL) {
    lua_insert(L, -2);
    lua_call(L, 1, 3);
    return 3;
  }
  luaL_argexpected(L, lua_istable(L, -1), 1, "live module that is a table");
  lua_pushcfunction(L, next_pair);
  lua_insert(L, -2);
  lua_pushnil(L);
  return 3;
}

static int proxy_tostring(lua_State *L) {
  push_value(L);
  luaL_tolstring(L, -1, NULL);
  return 1;
}

static const luaL_Reg metamethods[] = {{"__index", proxy_index},
                                       {"__newindex", proxy_newindex},
                                       {"__call", proxy_call},
                                       {"__len", proxy_len},
                                       {"__pairs", proxy_pairs},
                                       {"__tostring", proxy_tostring},
                                       {NULL, NULL}};

/* ---- mw.live ---- */

/* Pushes the table of proxies, name -> proxy, with weak values. */
static void push_proxies(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LIVE) != LUA_TNIL) return;
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, LIVE);
}

/* Pushes the proxy for the name at 1. */
static void push_proxy(lua_State *L) {
  push_proxies(L);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) != LUA_TNIL) return;
  lua_newuserdatauv(L, 0, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, NAME);
  mw_bind_push_type(L, PROXY, NULL, metamethods);
  lua_setmetatable(L, -2);
  struct mw_program *newest = mw_vm_of(L)->newest;
  if (newest && mw_program_push_module(L, newest, 1)) lua_setiuservalue(L, -2, VALUE);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, -5);
}

/* Loads the module in the program that is loading. Prefixes errors with the place of the call of mw.live(): require()
 * finds none, because C calls it. */
static void require_module(lua_State *L, const struct mw_program *loading) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, loading->env_ref);
  lua_getfield(L, -1, "require");
  lua_pushvalue(L, 1);
  int rc = lua_pcall(L, 1, 0, 0);
  if (rc != LUA_OK && (mw_budget_settle(L, rc) || lua_type(L, -1) != LUA_TSTRING)) lua_error(L);
  if (rc == LUA_OK) return;
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  lua_error(L);
}

static int l_live(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  struct mw_program *loading = mw_vm_of(L)->loading;
  if (loading) require_module(L, loading);
  push_proxy(L);
  if (loading) return 1;
  if (lua_getiuservalue(L, -1, VALUE) == LUA_TNIL) {
    return luaL_error(L, "module '%s' not found in the lua folder", lua_tostring(L, 1));
  }
  lua_pop(L, 1);
  return 1;
}

void mw_bind_open_live(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"live", l_live}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}

/* ---- adoption ---- */

/* Logs that only the last version of the module at the top is left. One worker logs for all. */
static void log_kept(lua_State *L, const struct mw_program *program) {
  if (program->host->worker != 0) return;
  mw_log(MW_LOG_WARN, NULL, "mw.live: module '%s' is no longer in the lua folder; its last version stays in force",
         lua_tostring(L, -1));
}

void mw_bind_adopt_live(lua_State *L, struct mw_program *program) {
  push_proxies(L);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (mw_program_push_module(L, program, -2)) {
      lua_setiuservalue(L, -2, VALUE);
    } else if (lua_getiuservalue(L, -1, VALUE) != LUA_TNIL) {
      lua_pushvalue(L, -3);
      log_kept(L, program);
      lua_pop(L, 2);
    } else {
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
