/* The times at which Lua collects garbage.
 *
 * A cycle visits all live objects. Lua begins one when the heap has doubled, and messages of some KB double a small
 * heap again and again. Therefore the heap has a ballast block, which no code uses and mw_vm's memory does not count.
 *
 * The garbage of a retired program is collected soon, in small steps between the events of the loop. Lua's own pace is
 * too slow: an object with a finalizer outlives the cycle that finds it, with all objects that it references, and
 * counts as live meanwhile, so that programs that come and go let the heap grow to any size. Lua also does not count
 * the descriptors that a program holds. */
#ifndef MW_SCRIPT_STATE_COLLECT_H
#define MW_SCRIPT_STATE_COLLECT_H

#include "script/state/vm.h"

/* Adds the ballast block. May raise for lack of memory. */
void mw_collect_add_ballast(struct mw_vm *vm);

/* Starts the collection of everything that is garbage now. Steps are larger while memory is almost used up. It may be
 * called again at any time. */
void mw_collect_start(struct mw_vm *vm);

/* Counts a descriptor that a Lua value has opened or, with -1, closed. When twice as many are open as after the last
 * collection, 64 at least, unreachable values may hold them: starts a collection. */
void mw_collect_descriptor(struct mw_vm *vm, int change);

/* Call it if the process has no free descriptor: closes those of unreachable values at once. */
void mw_collect_now(lua_State *L);

/* Call it before a C function takes `bytes` of vm->memory for a value whose finalizer releases them. The collector
 * counts only Lua's own bytes, so this does the work due for as many of them: a whole cycle while memory is almost used
 * up. Runs finalizers. */
void mw_collect_charge(lua_State *L, size_t bytes);

/* Call it before the state is closed. */
void mw_collect_stop(struct mw_vm *vm);

/* GC stress, under AddressSanitizer with MOONWIRE_GCSTRESS in the environment. The allocator calls mw_collect_stress()
 * for each block that it adds or enlarges, which forces a whole cycle before the C function or the instruction that
 * allocates continues. A value without a reference is then freed while C still uses it. After 1024 allocations between
 * two waits of a fiber, and after 8192 of the state, the distance between two cycles grows with their number, so that
 * loops end in time. */
enum { MW_STRESS_SLICES = 10 }; /* slices of a run under stress */
#ifdef __SANITIZE_ADDRESS__
void mw_collect_stress_run(struct mw_vm *vm); /* call it when a run begins */
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
