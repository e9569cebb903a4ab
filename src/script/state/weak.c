#include "script/state/weak.h"

#include <string.h>

#include "script/lua/layout.h"

enum { LEAST = 8 }; /* places that a table counts at least: smaller tables grow unchecked */

/* Their addresses are registry keys: of the table whose keys are the registered tables, and of the text "__mode". */
static const char tables, mode;

void mw_weak_open(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tables);
  lua_pushliteral(L, "__mode");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &mode);
}

/* True if the metatable at the top makes keys weak and values not. Uses one stack slot. */
static bool is_weak(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &mode);
  const char *text = lua_rawget(L, -2) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  bool weak = strchr(text, 'k') && !strchr(text, 'v');
  lua_pop(L, 1);
  return weak;
}

static size_t places_of(const struct mw_lua_table *table) {
  size_t n = ((size_t)1 << table->bits) + table->n_array;
  return n < LEAST ? LEAST : n;
}

/* Adds up the places of all registered tables except `but`. */
static size_t add_up(lua_State *L, const struct mw_lua_table *but) {
  size_t sum = 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tables);
  const struct mw_lua_table *all = lua_topointer(L, -1);
  lua_pop(L, 1);
  for (size_t i = 0; i < (size_t)1 << all->bits; i++) {
    const struct mw_lua_node *node = &all->nodes[i];
    if (node->key_tag != MW_LUA_TABLE || (node->value_tag & MW_LUA_TYPE) == LUA_TNIL) continue;
    const struct mw_lua_table *table = (const struct mw_lua_table *)(uintptr_t)node->key;
    if (table != but) sum += places_of(table);
  }
  return sum;
}

/* Counts a further table. Returns true if all are within the limit. */
static bool count(struct mw_vm *vm, lua_State *L, const struct mw_lua_table *table) {
  size_t most = vm->limits.weak_keys, own = places_of(table);
  vm->weak_places += own;
  if (most == 0 || vm->weak_places <= most) return true;
  vm->weak_places = add_up(L, table) + own;
  if (vm->weak_places <= most) return true;
  lua_gc(L, LUA_GCCOLLECT);
  vm->weak_places = add_up(L, table) + own;
  return vm->weak_places <= most;
}

bool mw_weak_check(lua_State *L, int index) {
  struct mw_vm *vm = mw_vm_of(L);
  if (!is_weak(L) || !mw_layout_is_known()) return false;
  index = lua_absindex(L, index);
  if (!count(vm, L, lua_topointer(L, index))) {
    luaL_error(L,
               "tables with weak keys (__mode = 'k') would have %d places, expected %d at most (limits.weak_keys): use "
               "__mode = 'kv', or keep the values in a field of their keys",
               (int)vm->weak_places, (int)vm->limits.weak_keys);
  }
  vm->bulk_from = MW_WEAK_BULK;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tables);
  lua_pushvalue(L, index);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return vm->limits.weak_keys > 0 && vm->weak_places > vm->limits.weak_keys / 2;
}

/* Growth of a table to `places` places. */
struct growth {
  size_t places, most;
};

static bool is_beyond(const struct mw_table_search *search, lua_State *L, const struct mw_lua_table *table) {
  const struct growth *growth = search->arg;
  if (!lua_getmetatable(L, -1)) return false;
  bool weak = is_weak(L);
  lua_pop(L, 1);
  size_t kept = search->bits > 0 ? table->n_array : (size_t)1 << table->bits;
  return weak && growth->places + kept + add_up(L, table) > growth->most;
}

static bool is_power(size_t n) { return (n & (n - 1)) == 0; }

bool mw_weak_found(struct mw_vm *vm, size_t size) {
  enum { NODE = sizeof(struct mw_lua_node), VALUE = 16 }; /* lobject.h, TValue */
  size_t most = vm->limits.weak_keys;
  if (most == 0 || size < vm->bulk_from || !vm->current || !mw_layout_is_known()) return false;
  bool nodes = size % NODE == 0 && is_power(size / NODE);
  if (!nodes && (size % VALUE != 0 || !is_power(size / VALUE))) return false;
  struct growth growth = {size / (nodes ? NODE : VALUE), most};
  struct mw_table_search search = {nodes ? (unsigned)__builtin_ctzll(growth.places) : 0, is_beyond, &growth};
  return mw_table_search(vm->current, &search);
}
