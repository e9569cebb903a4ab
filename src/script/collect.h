/* When Lua collects garbage.
 *
 * A cycle visits all that lives. Lua begins one when the heap has doubled, and messages of some KB double a small heap over
 * and over again. So a block that nobody touches lies in it, which mw_vm's memory does not count.
 *
 * The garbage that a program leaves behind is collected soon, in small steps between the events of the loop. Left to itself,
 * Lua would take its time: what has a finalizer outlives the cycle that finds it, with all that it leads to, and counts
 * as alive then, so that with programs that come and go the heap settles at any size. And it knows nothing of the
 * descriptors that a program holds. */
#ifndef MW_SCRIPT_COLLECT_H
#define MW_SCRIPT_COLLECT_H

#include "script/vm.h"

/* Adds the block. May raise for lack of memory. */
void mw_collect_space_out(struct mw_vm *vm);

/* What is garbage now will be gone after a while. It may be called again at any time. */
void mw_collect_start(struct mw_vm *vm);

/* For mw_vm_fini(). */
void mw_collect_stop(struct mw_vm *vm);

#endif
