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

/* What is garbage now will be gone after a while; in larger steps while memory is almost used up. It may be
 * called again at any time. */
void mw_collect_start(struct mw_vm *vm);

/* Counts a descriptor that a Lua value has opened, or, with -1, closed. When as many as before are open again, 64 at the
 * least, values that scripts have forgotten may hold them: a collection starts. */
void mw_collect_descriptor(struct mw_vm *vm, int change);

/* The process has no free descriptor: closes those of forgotten values at once. */
void mw_collect_now(lua_State *L);

/* A C function is about to take `bytes` of vm->memory for a value that only its finalizer gives back. The collector, which
 * counts Lua's own bytes, does the work that it would do for as many of them; a whole cycle while memory is almost used up. Runs
 * finalizers. */
void mw_collect_pace(lua_State *L, size_t bytes);

/* For mw_vm_fini(). */
void mw_collect_stop(struct mw_vm *vm);

/* Under AddressSanitizer, where the environment has MOONWIRE_GCSTRESS: the allocator calls mw_collect_stress() for each
 * block that it adds or enlarges, which forces a whole cycle before the C function or the instruction that allocates goes
 * on. So a value that nothing anchors is freed while C still uses it. After 1024 allocations between two waits of a
 * fiber, and after 8192 of the state, the distance between two cycles grows with their number, so that long loops end
 * in time. */
enum { MW_STRESS_SLICES = 10 }; /* slices that a run may then take */
#ifdef __SANITIZE_ADDRESS__
void mw_collect_stress_run(struct mw_vm *vm); /* a run begins */
void mw_collect_stress(struct mw_vm *vm);
static inline int64_t mw_collect_stress_slice(const struct mw_vm *vm, int64_t slice) {
  return vm->stressed ? slice * MW_STRESS_SLICES : slice;
}
#else
static inline int64_t mw_collect_stress_slice(const struct mw_vm *vm, int64_t slice) { return slice; }
static inline void mw_collect_stress_run(struct mw_vm *vm) {}
static inline void mw_collect_stress(struct mw_vm *vm) {}
#endif

#endif
