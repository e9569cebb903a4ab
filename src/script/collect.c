#include "script/collect.h"

#include "base/clock.h"

enum {
  CYCLES = 3,                     /* ends the one under way; finds the garbage and finalizes it; frees it */
  STEP_NS = MW_NS_PER_MS / 5,     /* how long the calls of a worker may be held up at once */
  PAUSE_NS = MW_NS_PER_MS,
  SPACE = 1024 * 1024             /* bytes; with much more, garbage would not fit into the processor's caches */
};

void mw_collect_space_out(struct mw_vm *vm) {
  lua_newuserdatauv(vm->L, SPACE, 0);
  luaL_ref(vm->L, LUA_REGISTRYINDEX);
  vm->memory -= SPACE;
}

static void collect(void *arg) {
  struct mw_vm *vm = arg;
  int64_t end = mw_clock_real() + STEP_NS;
  vm->collecting = NULL;
  while (vm->cycles > 0 && mw_clock_real() < end) {
    if (lua_gc(vm->L, LUA_GCSTEP, 0)) vm->cycles--;
  }
  if (vm->cycles > 0) vm->collecting = mw_timer_start_real(vm->loop, PAUSE_NS, collect, vm);
}

void mw_collect_start(struct mw_vm *vm) {
  vm->cycles = CYCLES;
  if (!vm->collecting) vm->collecting = mw_timer_start_real(vm->loop, PAUSE_NS, collect, vm);
}

void mw_collect_stop(struct mw_vm *vm) {
  mw_timer_stop(vm->collecting);
  vm->collecting = NULL;
}
