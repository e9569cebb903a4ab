/* Tables with weak keys.
 *
 * Lua follows the values of such tables from key to key in one step at the end of each collection (lgc.c,
 * convergeephemerons()). A chain of n values in random order takes n / 3 walks over all places of all of these
 * tables, in an order that alternates. So the places are bounded by `weak_keys` of struct mw_limits, for all tables
 * of a state together. setmetatable() registers each table. Before one of them grows, the allocator adds up the
 * places of all, and refuses the memory if they are too many (script/budget.h, MW_CUT_WEAK_KEYS). Lua then collects
 * garbage and asks again, so that only live tables count.
 *
 * A table whose metatable gets its `__mode` after setmetatable() is not registered, and meets the bound when it
 * grows. Those with weak keys and values cost nothing of this kind. */
#ifndef MW_SCRIPT_WEAK_H
#define MW_SCRIPT_WEAK_H

#include "script/vm.h"

/* Size of the smallest block that is looked at once tables are registered: of 16 places. */
enum { MW_WEAK_BULK = 384 };

/* Prepares a state. May raise for lack of memory. */
void mw_weak_open(lua_State *L);

/* Before the table at `index` gets the metatable at the top: registers it if its keys become weak. Raises if their
 * places are beyond the limit. Returns true when they are more than half of it, and a collection is due. */
bool mw_weak_check(lua_State *L, int index);

/* For the allocator: returns true when a block of `size` bytes is for a table with weak keys that grows in the
 * innermost call, beyond the limit. Allocates and raises nothing. */
bool mw_weak_found(struct mw_vm *vm, size_t size);

#endif
