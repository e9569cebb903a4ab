/* Tables with weak keys.
 *
 * At the end of each collection, Lua follows the values of such tables from key to key in one step (lgc.c,
 * convergeephemerons()). A chain of n values in random order takes n / 3 traversals of all places of all these tables,
 * in alternating order. Therefore `weak_keys` of struct mw_limits bounds the places of all such tables of a state
 * together. setmetatable() registers each table. Before one of them grows, the allocator adds up the places of all, and
 * refuses the memory if they are too many (script/state/budget.h, MW_CUT_WEAK_KEYS). Lua then collects garbage and asks
 * again, so that only live tables count.
 *
 * A table whose metatable gets its `__mode` after setmetatable() is not registered; the bound applies when it grows.
 * Tables with weak keys and values do not have this cost. */
#ifndef MW_SCRIPT_STATE_WEAK_H
#define MW_SCRIPT_STATE_WEAK_H

#include "script/state/vm.h"

/* Size of the smallest block to check while tables are registered: 16 places. */
enum { MW_WEAK_BULK = 384 };

/* Prepares a state. May raise for lack of memory. */
void mw_weak_open(lua_State *L);

/* Call it before the table at `index` gets the metatable at the top. Registers the table if its keys become weak.
 * Raises if the places of all are beyond the limit. Returns true if they are more than half of it, and a collection is
 * due. */
bool mw_weak_check(lua_State *L, int index);

/* For the allocator: returns true if a block of `size` bytes is for a table with weak keys that grows in the innermost
 * call beyond the limit. Allocates and raises nothing. */
bool mw_weak_found(struct mw_vm *vm, size_t size);

#endif
