/* Keys that collide in Lua's tables.
 *
 * Lua (ltable.c) places a number in a table of 2^k nodes by its remainder modulo 2^k - 1, a float by the remainder of
 * 31 of its bits. There is no seed: clients can choose keys with the same place. Insertions of such keys are slow, and
 * the budget ends them between two insertions. But a growing table is filled again in one step, which nothing
 * interrupts: with 2^17 keys at one place it takes 10 s. Therefore, before the allocator gives a table its larger
 * array, it checks for keys that would collide there, and refuses the memory if there are too many
 * (script/state/budget.h, MW_CUT_KEYS). Such keys in other tables cause no refusal.
 *
 * Lua hashes every byte of a string with a seed of the state. */
#ifndef MW_SCRIPT_LUA_COLLISIONS_H
#define MW_SCRIPT_LUA_COLLISIONS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MW_COLLISIONS_MOST = 256, /* keys at one place; of the multiples of 86,400 there are 75 */
  MW_COLLISIONS_BITS = 12   /* of the smallest array to check: with half of its keys at one place, Lua takes 3 ms */
};

/* For the allocator: true if a block of `size` bytes is the node array of a table that grows in the innermost call of
 * `L`, and its keys collide there. NULL for `L` if no script runs. */
bool mw_collisions_found(lua_State *L, size_t size);

#endif
