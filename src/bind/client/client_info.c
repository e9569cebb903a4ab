/* The headers and trailers that an outbound call received, for Lua: tables with the first value of each key, and
 * functions that return all values of a key. */
#include "bind/client/client.h"

#define INFO "moonwire.CallInfo"

/* Pushes a table with the first value of each key. Returns true if a key repeats. */
static bool push_first(lua_State *L, const struct mw_metadata *metadata) {
  bool repeats = false;
  lua_createtable(L, 0, (int)metadata->len);
  for (size_t i = metadata->len; i-- > 0;) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    lua_pushlstring(L, (const char *)entry->key.data, entry->key.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) repeats = true;
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
    lua_rawset(L, -3);
  }
  return repeats;
}

void mw_outbound_push_metadata(lua_State *L, const struct mw_metadata *metadata) { push_first(L, metadata); }

void mw_outbound_push_values(lua_State *L, const struct mw_metadata *metadata, int index) {
  struct mw_slice key;
  key.data = (const uint8_t *)luaL_checklstring(L, index, &key.len);
  lua_newtable(L);
  lua_Integer n = 0;
  for (size_t i = 0; i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    if (!mw_slice_eq(entry->key, key)) continue;
    lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
    lua_rawseti(L, -2, ++n);
  }
}

/* ---- the info of a call: {headers = {...}, trailers = {...}} with two methods ---- */

/* Appends the values of the sequence below the top to the sequence at the top. */
static void append_all(lua_State *L) {
  unsigned steps = 0;
  for (lua_Integer i = 1; lua_rawgeti(L, -2, i) != LUA_TNIL; i++) {
    mw_budget_tick(L, &steps);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
}

/* Pushes the values of a key as a sequence. The first upvalue is a table of key -> sequence. If no key repeats there is
 * no such table, and the info's own table `field` has the only value. */
static int push_values_of(lua_State *L, const char *field) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  bool repeats = lua_istable(L, lua_upvalueindex(1));
  if (repeats) {
    lua_pushvalue(L, lua_upvalueindex(1));
  } else {
    lua_pushstring(L, field);
    lua_rawget(L, 1);
    luaL_argexpected(L, lua_istable(L, 3), 1, INFO);
  }
  lua_pushvalue(L, 2);
  bool found = lua_rawget(L, 3) != LUA_TNIL;
  lua_newtable(L);
  if (!found) return 1;
  if (repeats) {
    append_all(L);
  } else {
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 1);
  }
  return 1;
}

static int l_header_values(lua_State *L) { return push_values_of(L, "headers"); }

static int l_trailer_values(lua_State *L) { return push_values_of(L, "trailers"); }

/* Pushes all values of each key: key -> sequence. */
static void push_all(lua_State *L, const struct mw_metadata *metadata) {
  lua_createtable(L, 0, (int)metadata->len);
  for (size_t i = 0; i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    lua_pushlstring(L, (const char *)entry->key.data, entry->key.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
  }
}

/* Pushes a metatable for the info of one call. The upvalues of its methods hold all values. */
static void push_own_type(lua_State *L, const struct mw_outbound *o) {
  lua_createtable(L, 0, 3);
  lua_createtable(L, 0, 2);
  push_all(L, &o->headers);
  lua_pushcclosure(L, l_header_values, 1);
  lua_setfield(L, -2, "header_values");
  push_all(L, &o->trailers);
  lua_pushcclosure(L, l_trailer_values, 1);
  lua_setfield(L, -2, "trailer_values");
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, INFO);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
}

void mw_outbound_push_info(lua_State *L, const struct mw_outbound *o) {
  static const luaL_Reg methods[] = {
      {"header_values", l_header_values}, {"trailer_values", l_trailer_values}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  bool repeats = push_first(L, &o->headers);
  lua_setfield(L, -2, "headers");
  repeats |= push_first(L, &o->trailers);
  lua_setfield(L, -2, "trailers");
  if (repeats) {
    push_own_type(L, o);
  } else {
    mw_bind_push_type(L, INFO, methods, NULL);
  }
  lua_setmetatable(L, -2);
}
