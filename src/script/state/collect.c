#include "script/state/collect.h"

#include <stdlib.h>

#include "base/clock.h"

enum {
  CYCLES = 3,                 /* end the current one; find and finalize the garbage; free it */
  STEP_NS = MW_NS_PER_MS / 5, /* the longest delay of the worker's calls */
  PAUSE_NS = MW_NS_PER_MS,
  DESCRIPTORS = 64,
  PRESSED_STEP_NS = 5 * MW_NS_PER_MS, /* the longest delay while memory is almost used up */
  PRESSED_PAUSE_NS = 5 * MW_NS_PER_MS,
  REST_NS = MW_NS_PER_S, /* between two rounds of cycles while memory stays almost used up */
  PACE = 64 * 1024,      /* bytes outside of Lua that are due a step */
  SPACE = 1024 * 1024    /* bytes; with much more, garbage would exceed the processor's caches */
};

#ifdef __SANITIZE_ADDRESS__
enum {
  WHOLE_CYCLE = 127,           /* a step size of 2^127 bytes: Lua runs to the end of the cycle */
  RUN = 1024,                  /* allocations in a run (a fiber between two waits) after which cycles become rarer */
  LIFE = 8 * 1024,             /* allocations of a state after which cycles become rarer */
  SMALL_HEAP = 4 * 1024 * 1024 /* bytes beyond which cycles become rarer, after RUN allocations */
};

static void set_stress(struct mw_vm *vm, bool on) {
  vm->stressed = on;
  if (on) lua_gc(vm->L, LUA_GCINC, 0, 0, WHOLE_CYCLE);
}

void mw_collect_stress_run(struct mw_vm *vm) {
  vm->allocations += vm->run_allocations;
  vm->run_allocations = vm->skipped_allocations = 0;
}

/* Forces a cycle. The distances vary, so that loops get a cycle at each of their places. */
void mw_collect_stress(struct mw_vm *vm) {
  if (!vm->stressed) return;
  vm->run_allocations++;
  if (vm->skipped_allocations > 0) {
    vm->skipped_allocations--;
    return;
  }
  size_t all = vm->allocations + vm->run_allocations;
  size_t mean = vm->run_allocations / RUN * (1 + vm->memory.used / SMALL_HEAP) + all / LIFE;
  vm->skipped_allocations = all * 2654435761u / 65536 % (2 * mean + 1);
  lua_gc(vm->L, LUA_GCRESTART); /* only sets the collector's debt to zero; the allocation makes it positive */
}
#else
static void set_stress(struct mw_vm *vm, bool on) {}
#endif

void mw_collect_add_ballast(struct mw_vm *vm) {
  set_stress(vm, getenv("MOONWIRE_GCSTRESS") != NULL);
  lua_newuserdatauv(vm->L, SPACE, 0);
  luaL_ref(vm->L, LUA_REGISTRYINDEX);
  vm->memory.used -= SPACE;
}

static void expect_descriptors(struct mw_vm *vm) {
  vm->descriptors_due = vm->descriptors < DESCRIPTORS / 2 ? DESCRIPTORS : 2 * vm->descriptors;
}

static void collect(void *arg);

static void wait(struct mw_vm *vm, int64_t time) { vm->collecting = mw_timer_start_real(vm->loop, time, collect, vm); }

/* Runs steps until a cycle ends, for at most `time` nanoseconds. */
static void run_steps(struct mw_vm *vm, int64_t time) {
  int64_t end = mw_clock_real() + time;
  bool ended = false;
  while (!ended && mw_clock_real() < end) ended = lua_gc(vm->L, LUA_GCSTEP, 0) != 0;
  if (!ended) return;
  vm->cycles--;
  if (vm->cycles == 0 || vm->shortage.on) mw_shortage_update(vm);
}

void mw_collect_charge(lua_State *L, size_t bytes) {
  struct mw_vm *vm = mw_vm_of(L);
  vm->unpaced += bytes;
  if (vm->unpaced < PACE) return;
  size_t kib = vm->unpaced / 1024;
  vm->unpaced = 0;
  if (mw_shortage_is_near(vm)) {
    lua_gc(L, LUA_GCCOLLECT);
  } else {
    lua_gc(L, LUA_GCSTEP, (int)kib);
  }
}

static void collect(void *arg) {
  struct mw_vm *vm = arg;
  bool pressed = mw_shortage_is_near(vm);
  vm->collecting = NULL;
  if (vm->cycles == 0) vm->cycles = CYCLES; /* after a rest */
  run_steps(vm, pressed ? PRESSED_STEP_NS : STEP_NS);
  if (vm->cycles > 0) {
    wait(vm, pressed ? PRESSED_PAUSE_NS : PAUSE_NS);
    return;
  }
  mw_vm_show_memory(vm);
  expect_descriptors(vm);
  if (mw_shortage_is_near(vm)) wait(vm, REST_NS);
}

void mw_collect_start(struct mw_vm *vm) {
  if (!vm->loop) return;
  vm->cycles = CYCLES;
  if (!vm->collecting) wait(vm, PAUSE_NS);
}

void mw_collect_descriptor(struct mw_vm *vm, int change) {
  vm->descriptors += (size_t)change;
  if (vm->descriptors_due == 0) expect_descriptors(vm);
  if (change > 0 && vm->descriptors >= vm->descriptors_due && !vm->collecting) mw_collect_start(vm);
}

void mw_collect_now(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  expect_descriptors(mw_vm_of(L));
}

void mw_collect_stop(struct mw_vm *vm) {
  mw_timer_stop(vm->collecting);
  vm->collecting = NULL;
  set_stress(vm, false); /* lua_close() frees everything anyway */
}
