#include "script/lua/collisions.h"

#include <stdlib.h>

#include "script/lua/layout.h"

/* Returns the bits of a node array of `size` bytes; 0 for another block or a small array. */
static unsigned bits_of(size_t size) {
  size_t n = size / sizeof(struct mw_lua_node);
  if (size % sizeof(struct mw_lua_node) != 0 || (n & (n - 1)) != 0 || n < 1 << MW_COLLISIONS_BITS) return 0;
  return (unsigned)__builtin_ctzll(n);
}

/* True if the keys of `table` collide in an array of 2^bits nodes. */
static bool collide(const struct mw_table_search *search, lua_State *L, const struct mw_lua_table *table) {
  uint16_t *counts = calloc((size_t)1 << search->bits, sizeof *counts);
  uint64_t place;
  bool found = false;
  if (!counts) return false;
  for (size_t i = 0; i < (size_t)1 << table->bits && !found; i++) {
    found = mw_lua_place(&table->nodes[i], search->bits, &place) && ++counts[place] > MW_COLLISIONS_MOST;
  }
  free(counts);
  return found;
}

bool mw_collisions_found(lua_State *L, size_t size) {
  struct mw_table_search search = {bits_of(size), collide, NULL};
  return L && search.bits > 0 && mw_layout_is_known() && mw_table_search(L, &search);
}
