/* Keys that collide in Lua's tables.
 *
 * Lua (ltable.c) finds the place of a number among the 2^k of a table by its remainder modulo 2^k - 1, of a float by that of
 * 31 bits of it, without a seed: clients can choose keys that share one. Insertions of such keys are slow, and the budget
 * ends them between two. But a table that grows is filled again in one step, which nothing interrupts: for 2^17 keys at one
 * place it takes 10 seconds. So the allocator looks, before it gives a table its larger array, whether the keys that it will
 * get collide there, and refuses the memory if they do (script/budget.h, MW_CUT_KEYS). To find them it reads the array that
 * the table has, in the form that Lua 5.4 gives it; where another Lua gives it another form, nothing is refused.
 *
 * Of strings, Lua hashes every byte with a seed of the state. */
#ifndef MW_SCRIPT_COLLISIONS_H
#define MW_SCRIPT_COLLISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MW_COLLISIONS_MOST = 256, /* keys at one place; among the multiples of 86,400 there are 75 */
  MW_COLLISIONS_BITS = 12   /* of the smallest array that is looked at: with half of it at one place, Lua takes 3 ms */
};

/* The arrays of the large tables of a state. */
struct mw_collisions {
  struct mw_node_array {
    const void *nodes;
    unsigned bits; /* it has 2^bits */
  } *arrays;
  size_t n, cap;
};

void mw_collisions_fini(struct mw_collisions *c);

/* A block of `size` bytes was allocated, or is about to be freed. Without memory a block stays unknown. */
void mw_collisions_taken(struct mw_collisions *c, const void *block, size_t size);
void mw_collisions_given(struct mw_collisions *c, const void *block, size_t size);

/* True when a block of `size` bytes is the array of a table to which a full one may grow whose keys collide there. */
bool mw_collisions_found(const struct mw_collisions *c, size_t size);

/* The place of an integer in a table of 2^bits places. */
static inline uint64_t mw_place_of_integer(uint64_t key, unsigned bits) {
  uint64_t last = ((uint64_t)1 << bits) - 1;
  while (key > last) key = (key & last) + (key >> bits);
  return key == last ? 0 : key;
}

#endif
