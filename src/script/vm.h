/* A worker's Lua state.
 *
 * One state serves every generation and every call of a worker. Lua is entered only by mw_vm_protect() and by resuming
 * a fiber (script/fiber.h), so that an error, lack of memory included, never leaves it. One thread. */
#ifndef MW_SCRIPT_VM_H
#define MW_SCRIPT_VM_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/list.h"
#include "base/quota.h"
#include "loop/loop.h"
#include "observe/metrics.h"
#include "script/budget.h"
#include "script/ready.h"
#include "script/ticker.h"

enum { MW_VM_SCRATCH_KEPT = 256 * 1024 }; /* bytes that the scratch arena may keep from one run to the next */

struct mw_fiber;
struct mw_program;
struct mw_store_holds;

struct mw_vm {
  lua_State *L;             /* the main thread; runs nothing but set-up */
  struct mw_loop *loop;     /* borrowed */
  struct mw_fiber *running; /* the fiber that is being resumed, NULL outside */
  struct mw_list idle;      /* fibers whose coroutine is ready for reuse */
  struct mw_list live;      /* fibers that run or wait */
  struct mw_ready_queue ready; /* jobs that are due, sleeps that have ended */
  size_t n_idle, n_live;
  struct mw_metric *live_gauge; /* shows n_live; may be NULL */
  uint64_t n_started;       /* fibers, so far */
  void (*broken)(struct mw_vm *vm, const struct mw_fiber *fiber); /* runs when a fiber that was killed or cut has ended; may be NULL */
  struct mw_store_holds *holds; /* bind/store_hold.c's; NULL before it opens */
  struct mw_metric *memory_gauge, *outside_gauge; /* show parts of `memory`; may be NULL */
  struct mw_program *newest; /* of the newest committed generation; NULL before the first */
  struct mw_program *loading; /* the program whose scripts are being loaded, NULL when none */
  int unyieldable;          /* > 0: an outer C call boundary forbids waiting */
  struct mw_arena scratch;  /* for one C function at a time: see mw_vm_scratch() */
  struct mw_blocks blocks;  /* what Lua's values are made of */
  struct mw_quota memory;   /* what Lua holds, without the block of script/collect.h, and what C holds for scripts */
  enum mw_cut refused_for;  /* why memory was last refused in this run; MW_CUT_NONE for its lack */
  size_t bulk_from;         /* bytes: a block from here on is one that mw_budget_allow() looks at */
  size_t weak_places;       /* of tables with weak keys (script/weak.h), at the most when the last was registered */
  atomic_size_t held_by_works; /* bytes that the pool's threads hold for it (bind/work.h) */
  struct mw_limits limits;
  size_t unasked;           /* bytes that Lua may hold without mw_budget_allow() */
  struct mw_shortage shortage;
  struct mw_account *account; /* of what runs; NULL outside */
  struct mw_account loading_account; /* of what runs outside of fibers */
  lua_State *volatile current; /* the thread that runs; NULL outside. Read by a signal handler */
  struct mw_ticker ticker;  /* looks at what runs */
  _Atomic int64_t ends;     /* mw_clock_real() after which runs are cut at once; MW_NEVER. Any thread may set it */
  unsigned missed;          /* ticks since the hook was armed and did not fire */
  unsigned early_calls;     /* since the last instruction with an armed hook, after a tick */
  size_t bulk;              /* bytes of large allocations since the hook was last made to fire for them */
  int64_t warned;           /* mw_clock_real() of the last warning of a long run; 0 for none */
  size_t unpaced;           /* bytes that mw_collect_pace() has done no work for */
  struct mw_timer *collecting; /* the next step of a collection (script/collect.h); NULL when none is under way */
  unsigned cycles;          /* that are left of it */
  size_t descriptors;       /* that Lua's values hold: files, channels */
  size_t descriptors_due;   /* at which the next collection begins; 0 before the first */
#ifdef __SANITIZE_ADDRESS__ /* of mw_collect_stress() */
  bool stressed;
  size_t allocations;       /* before this run */
  size_t run_allocations;
  size_t skipped_allocations; /* that are left before the one that will force a cycle */
#endif
  char refused_at[96];      /* "FILE:LINE" where memory was last refused in this run */
  /* Pushes a fiber's error; NULL: a string. `place` is "FILE:LINE" or "", `traceback` may be NULL. */
  void (*push_cut)(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback);
};

/* `unpack_budget`: most bytes one message may take in memory. Returns 0 or MW_ENOMEM. */
int mw_vm_init(struct mw_vm *vm, struct mw_loop *loop, size_t unpack_budget, struct mw_err *err);

/* No fiber may be live. */
void mw_vm_fini(struct mw_vm *vm);

/* The vm that a thread of its state belongs to. */
static inline struct mw_vm *mw_vm_of(lua_State *L) { return *(struct mw_vm **)lua_getextraspace(L); }

/* The scratch arena, emptied: for what is built and used up within one C function that calls no Lua in between. */
static inline struct mw_arena *mw_vm_scratch(struct mw_vm *vm) {
  mw_arena_reset(&vm->scratch);
  return &vm->scratch;
}

/* Brings the gauges of memory up to date. */
static inline void mw_vm_show_memory(const struct mw_vm *vm) {
  if (vm->memory_gauge) mw_metric_set(vm->memory_gauge, (double)vm->memory.used);
  if (vm->outside_gauge) mw_metric_set(vm->outside_gauge, (double)vm->memory.outside);
}

/* After a run: frees what the scratch arena holds of a large message. */
static inline void mw_vm_drop_scratch(struct mw_vm *vm) {
  if (vm->scratch.used > MW_VM_SCRATCH_KEPT) mw_arena_reset(&vm->scratch);
}

/* Calls `function` in protected mode with `arg` as its only argument, a light userdata. Returns 0, MW_ENOMEM, or
 * MW_EINVAL with Lua's message. */
int mw_vm_protect(struct mw_vm *vm, lua_CFunction function, void *arg, struct mw_err *err);

/* Compiles a text chunk within the budget of what runs, and pushes the function or the error. Borrows `text`. `name` as for
 * lua_load(), which gives the result. */
int mw_vm_compile(lua_State *L, struct mw_slice text, const char *name);

/* Compiles the text of the file `path`, and pushes the function or the error, which begins with the path. Skips a byte order
 * mark and a first line that begins with "#". Returns as lua_load(). May raise. */
int mw_vm_load(lua_State *L, struct mw_slice text, const char *path);

#endif
