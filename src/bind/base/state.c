/* mw.state(name, version, init_or_migrate): a table of this worker that outlives the generation that made it.
 *
 * The registry's table STATES has the states in force: name -> {table, version, generation that last declared it}. A
 * program begins with a copy, STAGED, to which its scripts add the states that they declare. Adopting the program
 * replaces STATES by STAGED, which needs no memory. Dropping the program leaves STATES as it is. There is at most one
 * candidate at a time. */
#include "bind/base/state.h"

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "script/program/environment.h"

#define STATES "moonwire.states"
#define STAGED "moonwire.states.staged"

enum { TABLE = 1, VERSION = 2, DECLARED_BY = 3 };

/* ---- copying ---- */

/* Replaces the value at the top by its copy if it is a table: the copy in `copies`, or a new one, which is added to
 * `queue`. */
static void copy_value(lua_State *L, int copies, int queue) {
  if (!lua_istable(L, -1)) return;
  lua_pushvalue(L, -1);
  if (lua_rawget(L, copies) != LUA_TNIL) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  lua_rawset(L, copies);
  lua_pushvalue(L, -2);
  lua_rawseti(L, queue, (lua_Integer)lua_rawlen(L, queue) + 1);
  lua_remove(L, -2);
}

/* Sets the metatable of the original at `table` on the copy at the top. */
static void copy_metatable(lua_State *L, int table, const char *name) {
  if (!lua_getmetatable(L, table)) return;
  if (mw_has_finalizer(L, -1)) {
    luaL_error(L, "mw.state: a metatable of '%s' has a __gc: " MW_NO_FINALIZERS, name);
  }
  lua_setmetatable(L, -2);
}

/* Fills the copy of the table at the top, and pops the table. */
static void fill_copy(lua_State *L, int copies, int queue, const char *name, unsigned *steps) {
  int table = lua_gettop(L);
  lua_pushvalue(L, table);
  lua_rawget(L, copies);
  copy_metatable(L, table, name);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    mw_budget_tick(L, steps);
    lua_pushvalue(L, -2);
    copy_value(L, copies, queue);
    lua_insert(L, -2);
    copy_value(L, copies, queue);
    lua_rawset(L, table + 1);
  }
  lua_settop(L, table - 1);
}

/* Replaces the table at the top by a deep copy. Metatables, functions and objects are shared. Works without recursion,
 * because a linked list may be long. */
static void deep_copy(lua_State *L, const char *name) {
  luaL_checkstack(L, 12, NULL);
  lua_newtable(L);
  lua_newtable(L);
  int queue = lua_gettop(L), copies = queue - 1;
  lua_pushvalue(L, copies - 1);
  copy_value(L, copies, queue);
  unsigned steps = 0;
  for (lua_Integer i = 1; lua_rawgeti(L, queue, i) != LUA_TNIL; i++) {
    mw_budget_spend(L, &steps, MW_BUDGET_WALK);
    fill_copy(L, copies, queue, name, &steps);
  }
  lua_pop(L, 1);
  lua_replace(L, copies - 1);
  lua_settop(L, copies - 1);
}

/* ---- mw.state ---- */

/* Stack: 1 name, 2 version, 3 function, 4 STAGED, 5 the entry there or nil. Pushes the table that the function
 * returns. */
static void make(lua_State *L, const char *name) {
  lua_pushvalue(L, 3);
  if (lua_isnil(L, 5)) {
    lua_pushnil(L);
    lua_pushnil(L);
  } else {
    lua_rawgeti(L, 5, TABLE);
    deep_copy(L, name);
    lua_rawgeti(L, 5, VERSION);
  }
  lua_call(L, 2, 1);
  if (!lua_istable(L, -1)) {
    luaL_error(L, "mw.state: the function for '%s' must return a table, got %s", name, luaL_typename(L, -1));
  }
}

/* Puts the table at the top into STAGED. The table stays at the top. */
static void stage(lua_State *L, uint64_t generation) {
  lua_pushvalue(L, 1);
  lua_createtable(L, 3, 0);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, TABLE);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, VERSION);
  lua_pushinteger(L, (lua_Integer)generation);
  lua_rawseti(L, -2, DECLARED_BY);
  lua_rawset(L, 4);
}

static int l_state(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const char *name = mw_bind_check_name(L, 1);
  lua_Integer version = luaL_checkinteger(L, 2), old = version;
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  lua_pushinteger(L, version); /* converts a numeric string */
  lua_replace(L, 2);
  if (program->vm->loading != program) {
    return luaL_error(L, "mw.state: ask for a state while the script loads, and keep it in a local");
  }
  lua_getfield(L, LUA_REGISTRYINDEX, STAGED);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 4) != LUA_TNIL) {
    lua_rawgeti(L, 5, VERSION);
    lua_rawgeti(L, 5, DECLARED_BY);
    old = lua_tointeger(L, -2);
    bool declared_again = (uint64_t)lua_tointeger(L, -1) == program->generation;
    if (declared_again && old != version) {
      return luaL_error(L, "mw.state: another script asks for '%s' in version %I, this one for %I", name, old, version);
    }
    lua_settop(L, 5);
  }
  if (lua_istable(L, 5) && old == version) {
    lua_rawgeti(L, 5, TABLE);
  } else {
    make(L, name);
  }
  stage(L, program->generation);
  return 1;
}

void mw_bind_open_state(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"state", l_state}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, STATES);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, STAGED);
  lua_pop(L, 1);
}

void mw_bind_forget_states(lua_State *L) {
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, STATES);
}

void mw_bind_adopt_state(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, STAGED);
  lua_setfield(L, LUA_REGISTRYINDEX, STATES);
}
