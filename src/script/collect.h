/* Collects the garbage that a program leaves behind, soon and in small steps between the events of the loop.
 *
 * Left to itself, Lua collects when the heap has doubled. What has a finalizer outlives the cycle that finds it, with
 * all that it leads to, and counts as alive then: with programs that come and go, the heap settles at any size. And it
 * knows nothing of the descriptors that a program holds. */
#ifndef MW_SCRIPT_COLLECT_H
#define MW_SCRIPT_COLLECT_H

#include "script/vm.h"

/* What is garbage now will be gone after a while. It may be called again at any time. */
void mw_collect_start(struct mw_vm *vm);

/* For mw_vm_fini(). */
void mw_collect_stop(struct mw_vm *vm);

#endif
