#include "script/program/environment.h"

#include <lauxlib.h>
#include <string.h>

#include "observe/log.h"
#include "script/program/show.h"
#include "script/state/budget.h"
#include "script/state/collect.h"
#include "script/state/vm.h"
#include "script/state/weak.h"

/* Global functions and library functions that scripts see. load, print, rawset, getmetatable, setmetatable and
 * collectgarbage are replaced. */
static const char *const base_names[] = {"_VERSION", "assert",   "error",  "ipairs", "next",   "pairs",
                                         "pcall",    "rawequal", "rawget", "rawlen", "select", "tonumber",
                                         "tostring", "type",     "xpcall", NULL};
static const char *const library_names[] = {"coroutine", "table", "string", "math", "utf8", NULL};
static const char *const os_names[] = {"time", "date", "clock", "difftime", NULL};

/* Names that scripts might use, and their replacements. */
struct refusal {
  const char *library, *name, *reason;
};
static const struct refusal refusals[] = {
    {"os", "exit", "a script cannot stop the server"},
    {"os", "execute", "it would block every call of the worker"},
    {"os", "getenv", "use mw.env"},
    {"os", "remove", "use mw.fs.remove"},
    {"os", "rename", "use mw.fs.rename"},
    {"os", "tmpname", "use mw.fs.temp"},
    {"os", "setlocale", "the locale belongs to the whole process"},
    {"io", NULL, "it would block every call of the worker: use mw.fs and mw.log"},
    {"debug", NULL, "it could break out of the script's environment"},
    {"package", NULL, "modules are the files of the lua folder: use require"},
    {"dofile", NULL, "modules are the files of the lua folder: use require"},
    {"loadfile", NULL, "modules are the files of the lua folder: use require"},
    {"string", "dump", "only text chunks can be loaded"},
};

/* Raises if the key at index 2 is a refused name of the library in the first upvalue. */
static void check_member(lua_State *L) {
  const char *library = lua_tostring(L, lua_upvalueindex(1));
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const struct refusal *r = &refusals[i];
    if (strcmp(r->library, library) != 0 || (r->name && strcmp(r->name, name) != 0)) continue;
    luaL_error(L, "%s.%s is not available to scripts: %s", library, name, r->reason);
  }
}

/* __index of a library table: nil for a name that is not refused. Upvalue: the library's name. */
static int refuse_member(lua_State *L) {
  check_member(L);
  return 0;
}

/* __newindex of a library table. Upvalue: the library's name. */
static int write_member(lua_State *L) {
  check_member(L);
  lua_rawset(L, 1);
  return 0;
}

/* __index of the environment: the same for global functions. */
static int refuse_global(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const struct refusal *r = &refusals[i];
    if (!r->name && strcmp(r->library, name) == 0) {
      return luaL_error(L, "%s is not available to scripts: %s", name, r->reason);
    }
  }
  return 0;
}

static int refuse_write(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_error(L, "scripts cannot write to the globals");
  return luaL_error(L, "assignment to undefined global '%s': declare it with 'local %s' first", lua_tostring(L, 2),
                    lua_tostring(L, 2));
}

static int l_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    mw_show_push(L, i);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  mw_log(MW_LOG_INFO, NULL, "%s", lua_tostring(L, -1));
  return 0;
}

static int l_collectgarbage(lua_State *L) {
  if (strcmp(luaL_optstring(L, 1, "count"), "count") != 0) {
    return luaL_argerror(L, 1, "the collector belongs to the server: only \"count\" is available to scripts");
  }
  lua_pushnumber(L, (lua_Number)mw_vm_of(L)->memory.used / 1024);
  return 1;
}

/* getmetatable() for tables that scripts make. All programs share the metatables of strings, of userdata and of the
 * server's own tables. */
static int l_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (!lua_getmetatable(L, 1)) return lua_pushnil(L), 1;
  if (lua_getfield(L, -1, "__metatable") != LUA_TNIL) return 1;
  lua_getfield(L, -2, "__name");
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  bool own = lua_istable(L, 1) && strncmp(name, "moonwire.", strlen("moonwire.")) != 0;
  if (own) {
    lua_pop(L, 2);
  } else {
    lua_pushliteral(L, "protected");
  }
  return 1;
}

/* Upvalue: the environment. */
static int l_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  luaL_argcheck(L, !lua_rawequal(L, 1, lua_upvalueindex(1)), 1, "scripts cannot write to the globals");
  lua_rawset(L, 1);
  return 1;
}

bool mw_has_finalizer(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_pushliteral(L, "__gc");
  bool has = lua_rawget(L, index) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

/* setmetatable() without finalizers. */
static int l_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  if (type == LUA_TTABLE) {
    luaL_argcheck(L, !mw_has_finalizer(L, 2), 2, MW_NO_FINALIZERS);
    if (mw_weak_check(L, 1) && !mw_vm_of(L)->collecting) mw_collect_start(mw_vm_of(L));
  }
  lua_setmetatable(L, 1);
  return 1;
}

/* The reader of load(): calls the function at index 1, and keeps its string alive at index 5. */
static const char *read_piece(lua_State *L, void *unused, size_t *size) {
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    *size = 0;
    return NULL;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "load: the reader function must return a string");
  lua_replace(L, 5);
  return lua_tolstring(L, 5, size);
}

/* Stack: 1 text or reader, 2 the chunk's name. Returns the function, or raises the error. */
static int compile(lua_State *L) {
  size_t size;
  const char *name = lua_tostring(L, 2), *text = lua_tolstring(L, 1, &size);
  lua_settop(L, 5);
  int rc = text ? mw_vm_compile(L, mw_slice(text, size), name) : lua_load(L, read_piece, NULL, name, "t");
  return rc == LUA_OK ? 1 : lua_error(L);
}

/* Adds the chunk's name to the error at the top, of a binary chunk, if the name is a file's or the chunk's own. Lua
 * adds none. */
static void name_chunk(lua_State *L, const char *name) {
  if ((*name != '@' && *name != '=') || lua_type(L, -1) != LUA_TSTRING) return;
  if (strncmp(lua_tostring(L, -1), "attempt to load a binary chunk", 30) != 0) return;
  lua_pushfstring(L, "%s: %s", name + 1, lua_tostring(L, -1));
  lua_remove(L, -2);
}

/* load(chunk [, name [, mode [, env]]]): text only. The environment is the script's own. Upvalue: the environment. It
 * runs protected, because lua_load() would run the message handler of the surrounding handler or job, which logs. */
static int l_load(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  const char *name = luaL_optstring(L, 2, text ? text : "=(load)");
  bool own_env = !lua_isnone(L, 4);
  if (!text) luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 4);
  lua_pushcfunction(L, compile);
  lua_pushvalue(L, 1);
  lua_pushstring(L, name);
  int rc = lua_pcall(L, 2, 1, 0);
  if (rc != LUA_OK) {
    if (mw_budget_settle(L, rc)) return lua_error(L);
    name_chunk(L, name);
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, own_env ? 4 : lua_upvalueindex(1));
  if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  return 1;
}

static void copy_names(lua_State *L, int from, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, from, *names);
    lua_setfield(L, -2, *names);
  }
}

static void copy_all(lua_State *L, int from) {
  lua_pushnil(L);
  while (lua_next(L, from)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

/* Sets a metatable on the table at the top. `index` and `newindex` have `name` as upvalue. */
static void guard(lua_State *L, lua_CFunction index, lua_CFunction newindex, const char *name) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, name);
  lua_pushcclosure(L, index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_pushcclosure(L, newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

static void add_library(lua_State *L, const char *name, const char *const *names) {
  lua_newtable(L);
  if (lua_getglobal(L, name) == LUA_TTABLE) {
    lua_insert(L, -2);
    if (names) {
      copy_names(L, lua_gettop(L) - 1, names);
    } else {
      copy_all(L, lua_gettop(L) - 1);
    }
    lua_remove(L, -2);
  } else {
    lua_pop(L, 1);
  }
  guard(L, refuse_member, write_member, name);
  lua_setfield(L, -2, name);
}

/* All programs share the table of string methods (s:upper()). No script can get it. */
static void protect_strings(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

void mw_environment_push(lua_State *L) {
  static const char *const nothing[] = {NULL};
  luaL_checkstack(L, 12, NULL);
  protect_strings(L);
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_insert(L, -2);
  copy_names(L, lua_gettop(L) - 1, base_names);
  lua_remove(L, -2);
  for (const char *const *name = library_names; *name; name++) add_library(L, *name, NULL);
  lua_getfield(L, -1, "string");
  lua_pushnil(L);
  lua_setfield(L, -2, "dump");
  lua_pop(L, 1);
  add_library(L, "os", os_names);
  add_library(L, "io", nothing);
  add_library(L, "debug", nothing);
  add_library(L, "package", nothing);

  lua_pushcfunction(L, l_print);
  lua_setfield(L, -2, "print");
  lua_pushcfunction(L, l_collectgarbage);
  lua_setfield(L, -2, "collectgarbage");
  lua_pushcfunction(L, l_setmetatable);
  lua_setfield(L, -2, "setmetatable");
  lua_pushcfunction(L, l_getmetatable);
  lua_setfield(L, -2, "getmetatable");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_rawset, 1);
  lua_setfield(L, -2, "rawset");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_load, 1);
  lua_setfield(L, -2, "load");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "_G");
  guard(L, refuse_global, refuse_write, "");
}
