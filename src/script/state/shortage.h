/* Lack of memory.
 *
 * Lua collects all garbage before it lets an allocation fail, which takes 0.1 to 0.5 s with a full heap. If that frees
 * little, memory is short. While it is short, blocks beyond the limit are lent, without another such collection, and
 * the code that asks for one is cut at its next instruction. The garbage is collected in steps
 * (script/state/collect.h) until a cycle has freed enough. */
#ifndef MW_SCRIPT_STATE_SHORTAGE_H
#define MW_SCRIPT_STATE_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_vm;

struct mw_shortage {
  bool on;           /* memory is short */
  bool lent;         /* to the running code, which is to be cut */
  size_t refused;    /* bytes of the block for which Lua is collecting garbage, or 0 */
  int64_t full;      /* mw_clock_real() of the last collection that left no room for spawned fibers; 0 for never */
  int64_t next;      /* mw_clock_real() from which mw_budget_has_room() may collect garbage */
  int64_t last_vain; /* mw_clock_real() of the last full collection that freed little; 0 for none */
};

enum { MW_SHORTAGE_PART = 8 }; /* part of the limit that must be free after a collection */

/* Returns true if 1 / `part` of the memory is free. */
bool mw_shortage_has_room(const struct mw_vm *vm, size_t part);

/* Returns true if the last eighth of the memory is in use. */
bool mw_shortage_is_near(const struct mw_vm *vm);

/* Runs after a full collection: decides if memory is short. */
void mw_shortage_update(struct mw_vm *vm);

#endif
