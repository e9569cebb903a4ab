/* Keys that collide in Lua's tables.
 *
 * Lua (ltable.c) finds the place of a number among the 2^k of a table by its remainder modulo 2^k - 1, of a float by that of
 * 31 bits of it, without a seed: clients can choose keys that share one. Insertions of such keys are slow, and the budget
 * ends them between two. But a table that grows is filled again in one step, which nothing interrupts: for 2^17 keys at one
 * place it takes 10 seconds. So the allocator looks, before it gives a table its larger array, whether the keys that it will
 * get collide there, and refuses the memory if they do (script/budget.h, MW_CUT_KEYS). Other tables with such keys are no
 * reason to refuse.
 *
 * Of strings, Lua hashes every byte with a seed of the state. */
#ifndef MW_SCRIPT_COLLISIONS_H
#define MW_SCRIPT_COLLISIONS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MW_COLLISIONS_MOST = 256, /* keys at one place; among the multiples of 86,400 there are 75 */
  MW_COLLISIONS_BITS = 12   /* of the smallest array that is looked at: with half of it at one place, Lua takes 3 ms */
};

/* For the allocator: true when a block of `size` bytes is the array of nodes for a table that grows in the innermost call of
 * `L`, and its keys collide there. NULL for `L`: no script runs. */
bool mw_collisions_found(lua_State *L, size_t size);

#endif
