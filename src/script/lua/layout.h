/* Lua's private structures, in the layout of Lua 5.4, and the search for the table of an allocation.
 *
 * The allocator bounds some tables (script/lua/collisions.h, script/state/weak.h). It finds the growing table by the
 * current instruction, or among the values of the running C function. mw_layout_is_known() is false for a Lua with
 * another layout. */
#ifndef MW_SCRIPT_LUA_LAYOUT_H
#define MW_SCRIPT_LUA_LAYOUT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* lobject.h, union Node. */
struct mw_lua_node {
  uint64_t value;
  uint8_t value_tag, key_tag;
  int32_t next;
  uint64_t key;
};

/* lobject.h, Table. It has 2^bits nodes. All nodes from `last_free` on have had a key. */
struct mw_lua_table {
  void *next;
  uint8_t type, marked, flags, bits;
  uint32_t n_array;
  void *array;
  const struct mw_lua_node *nodes, *last_free;
};

enum {
  MW_LUA_TYPE = 0x0f,
  MW_LUA_INTEGER = LUA_TNUMBER,
  MW_LUA_FLOAT = LUA_TNUMBER | 1 << 4,
  MW_LUA_TABLE = LUA_TTABLE | 1 << 6
};

/* Searches for the table that grows in the innermost call. */
struct mw_table_search {
  unsigned bits; /* it grows to 2^bits nodes; 0: its array grows, in a Lua function's assignment */
  /* Returns true if `table`, at the top of the stack, is the one. May push two values. Must not allocate or raise. */
  bool (*accepts)(const struct mw_table_search *search, lua_State *L, const struct mw_lua_table *table);
  void *arg;
};

/* Prepares a state. May raise for lack of memory. */
void mw_layout_open(lua_State *L);

/* Returns true if this Lua has the layout. Any thread. */
bool mw_layout_is_known(void);

/* For the allocator: returns true if the search accepts a table that may be the growing one of the innermost call of
 * `L`. */
bool mw_table_search(lua_State *L, const struct mw_table_search *search);

/* Returns the place of a node's key in a table of 2^bits. Returns false if the key is no number or has no value. */
bool mw_lua_place(const struct mw_lua_node *node, unsigned bits, uint64_t *place);

/* The place of an integer in a table of 2^bits places. */
static inline uint64_t mw_place_of_integer(uint64_t key, unsigned bits) {
  uint64_t last = ((uint64_t)1 << bits) - 1;
  while (key > last) key = (key & last) + (key >> bits);
  return key == last ? 0 : key;
}

#endif
