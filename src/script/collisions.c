#include "script/collisions.h"

#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* lobject.h, union Node. */
struct node {
  uint64_t value;
  uint8_t value_tag, key_tag;
  int32_t next;
  uint64_t key;
};

enum { NO_KEY = LUA_TNIL, INTEGER = LUA_TNUMBER, FLOAT = LUA_TNUMBER | 1 << 4, TYPE = 0x0f };

/* ltable.c, l_hashfloat() */
static uint64_t place_of_float(uint64_t key, unsigned bits) {
  double number, scaled;
  int exponent;
  memcpy(&number, &key, sizeof number);
  scaled = frexp(number, &exponent) * -(double)INT_MIN;
  if (!(scaled >= -0x1p63 && scaled < 0x1p63)) return 0;
  unsigned hash = (unsigned)exponent + (unsigned)(int64_t)scaled;
  return mw_place_of_integer(hash <= INT_MAX ? hash : ~hash, bits);
}

/* Finds the place that a node's key has in a table of 2^bits. False for one whose key is no number, or has no value. */
static bool place_of(const struct node *node, unsigned bits, uint64_t *place) {
  if ((node->value_tag & TYPE) == LUA_TNIL) return false;
  if (node->key_tag == INTEGER) {
    *place = mw_place_of_integer(node->key, bits);
  } else if (node->key_tag == FLOAT) {
    *place = place_of_float(node->key, bits);
  } else {
    return false;
  }
  return true;
}

/* ---- whether this Lua is as described ---- */

static bool as_described;

enum { TRIED_BITS = 3 };

/* An allocator that notes the newest block of the size of 2^TRIED_BITS nodes. */
static void *note(void *arg, void *block, size_t old_size, size_t new_size) {
  (void)old_size;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  void *out = realloc(block, new_size);
  if (!block && out && new_size == sizeof(struct node) << TRIED_BITS) *(void **)arg = out;
  return out;
}

/* True when the key at the top of the stack, put into an empty table, is where the functions above say. */
static bool is_in_place(lua_State *L, const struct node *const *nodes) {
  uint64_t place;
  lua_createtable(L, 0, 1 << TRIED_BITS);
  if (!*nodes) return false;
  for (int i = 0; i < 1 << TRIED_BITS; i++) {
    if ((*nodes)[i].key_tag != NO_KEY) return false;
  }
  lua_insert(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  for (int i = 0; i < 1 << TRIED_BITS; i++) {
    const struct node *node = &(*nodes)[i];
    if (node->key_tag != NO_KEY) return place_of(node, TRIED_BITS, &place) && place == (uint64_t)i;
  }
  return false;
}

static int try_keys(lua_State *L) {
  static const lua_Integer integers[] = {1, 6, 7, 1000003, -1, LUA_MININTEGER, LUA_MAXINTEGER - 2};
  static const lua_Number floats[] = {0.5, -0.1, 1e300, 3.14159, HUGE_VAL};
  const struct node *const *nodes = lua_touserdata(L, 1);
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    lua_pushinteger(L, integers[i]);
    if (!is_in_place(L, nodes)) return 0;
  }
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
    lua_pushnumber(L, floats[i]);
    if (!is_in_place(L, nodes)) return 0;
  }
  as_described = true;
  return 0;
}

static void try_lua(void) {
  void *nodes = NULL;
  lua_State *L = lua_newstate(note, &nodes);
  if (!L) return;
  lua_gc(L, LUA_GCSTOP);
  nodes = NULL;
  lua_pushcfunction(L, try_keys);
  lua_pushlightuserdata(L, &nodes);
  lua_pcall(L, 1, 0, 0);
  lua_close(L);
}

/* ---- arrays ---- */

/* The bits of an array of nodes that has `size` bytes; 0 for a block that is none, or a small one. */
static unsigned bits_of(size_t size) {
  size_t n = size / sizeof(struct node);
  if (size % sizeof(struct node) != 0 || (n & (n - 1)) != 0 || n < 1 << MW_COLLISIONS_BITS) return 0;
  return (unsigned)__builtin_ctzll(n);
}

void mw_collisions_fini(struct mw_collisions *c) {
  free(c->arrays);
  *c = (struct mw_collisions){0};
}

void mw_collisions_taken(struct mw_collisions *c, const void *block, size_t size) {
  unsigned bits = bits_of(size);
  if (bits == 0) return;
  if (c->n == c->cap) {
    size_t cap = c->cap ? c->cap * 2 : 16;
    struct mw_node_array *grown = realloc(c->arrays, cap * sizeof *grown);
    if (!grown) return;
    c->arrays = grown;
    c->cap = cap;
  }
  c->arrays[c->n++] = (struct mw_node_array){block, bits};
}

/* The newest first: a table that grows gives back the array before the one that was just taken. */
void mw_collisions_given(struct mw_collisions *c, const void *block, size_t size) {
  if (bits_of(size) == 0) return;
  for (size_t i = c->n; i-- > 0;) {
    if (c->arrays[i].nodes != block) continue;
    c->arrays[i] = c->arrays[--c->n];
    return;
  }
}

/* True for the array of a table without room: it has had a key in each node. Nearly all others have a node without one
 * among the first few. */
static bool is_full(const struct mw_node_array *array) {
  const struct node *nodes = array->nodes;
  for (size_t i = 0; i < (size_t)1 << array->bits; i++) {
    if (nodes[i].key_tag == NO_KEY) return false;
  }
  return true;
}

/* True when the keys of `array` collide in a table of 2^bits. `counts` has as many places. */
static bool collide(const struct mw_node_array *array, unsigned bits, uint16_t *counts) {
  const struct node *nodes = array->nodes;
  uint64_t place;
  memset(counts, 0, sizeof *counts << bits);
  for (size_t i = 0; i < (size_t)1 << array->bits; i++) {
    if (place_of(&nodes[i], bits, &place) && ++counts[place] > MW_COLLISIONS_MOST) return true;
  }
  return false;
}

bool mw_collisions_found(const struct mw_collisions *c, size_t size) {
  static pthread_once_t tried = PTHREAD_ONCE_INIT;
  unsigned bits = bits_of(size);
  if (bits == 0) return false;
  pthread_once(&tried, try_lua);
  if (!as_described) return false;
  uint16_t *counts = NULL;
  bool found = false;
  for (size_t i = 0; i < c->n && !found; i++) {
    /* A table grows to more than half of the places for keys that it has. */
    if (c->arrays[i].bits + 1 < bits || !is_full(&c->arrays[i])) continue;
    if (!counts && !(counts = malloc(sizeof *counts << bits))) break;
    found = collide(&c->arrays[i], bits, counts);
  }
  free(counts);
  return found;
}
