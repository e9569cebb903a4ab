/* A worker's Lua state.
 *
 * One state serves every generation and every call of a worker. C enters Lua only by mw_vm_protect() and by resuming a
 * fiber (script/state/fiber.h), so that no error leaves it, lack of memory included. script/open.h makes it. One
 * thread. */
#ifndef MW_SCRIPT_STATE_VM_H
#define MW_SCRIPT_STATE_VM_H

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
#include "script/state/budget.h"
#include "script/state/ready.h"
#include "script/state/shortage.h"
#include "script/state/ticker.h"

enum { MW_VM_SCRATCH_KEPT = 256 * 1024 }; /* bytes that the scratch arena keeps at most from one run to the next */

struct mw_fiber;
struct mw_program;
struct mw_store_holds;

struct mw_vm {
  lua_State *L;                /* the main thread; runs only set-up */
  struct mw_loop *loop;        /* borrowed */
  struct mw_fiber *running;    /* the running fiber, or NULL */
  struct mw_list idle;         /* fibers whose coroutine is ready for reuse */
  struct mw_list live;         /* fibers that run or wait */
  struct mw_ready_queue ready; /* due jobs, ended waits */
  size_t n_idle, n_live;
  struct mw_metric *live_gauge; /* shows n_live; may be NULL */
  uint64_t n_started;           /* number of fibers started */
  void (*on_killed)(struct mw_vm *vm,
                    const struct mw_fiber *fiber); /* after a killed or cut fiber has ended; or NULL */
  struct mw_store_holds *holds;                    /* for bind/store/store_hold.c; NULL before it opens */
  struct mw_metric *memory_gauge, *outside_gauge;  /* show parts of `memory`; may be NULL */
  struct mw_program *newest;   /* program of the newest committed generation; NULL before the first */
  struct mw_program *loading;  /* the program whose scripts are loading, or NULL */
  int unyieldable;             /* > 0: an outer C call forbids waits */
  struct mw_arena scratch;     /* for one C function at a time: see mw_vm_scratch() */
  struct mw_blocks blocks;     /* memory of Lua's values */
  struct mw_quota memory;      /* memory of Lua, without the ballast of script/state/collect.h, and of C for scripts */
  enum mw_cut refused_for;     /* reason of the last refusal of memory in this run; MW_CUT_NONE for its lack */
  size_t bulk_from;            /* bytes: mw_budget_allow() checks a block of this size or more */
  size_t weak_places;          /* places of the registered tables with weak keys (script/state/weak.h) */
  atomic_size_t held_by_works; /* bytes that the pool's threads hold for it (bind/files/work.h) */
  struct mw_limits limits;
  size_t unasked; /* bytes that Lua may hold without mw_budget_allow() */
  struct mw_shortage shortage;
  struct mw_account *account;        /* of the running code, or NULL */
  struct mw_account loading_account; /* for code outside of fibers */
  lua_State *volatile current;       /* the running thread, or NULL. A signal handler reads it */
  struct mw_ticker ticker;           /* triggers checks of the running code */
  _Atomic int64_t ends;        /* mw_clock_real() after which runs are cut at once; MW_NEVER. Any thread may set it */
  unsigned armed_ticks;        /* ticks since the hook was armed without firing */
  unsigned early_calls;        /* calls since the last instruction with an armed hook, after a tick */
  size_t bulk;                 /* bytes of large allocations since they last made the hook fire */
  int64_t warned;              /* mw_clock_real() of the last warning of a long run; 0 for none */
  size_t unpaced;              /* bytes for which mw_collect_charge() has done no work */
  struct mw_timer *collecting; /* the next step of a collection (script/state/collect.h), or NULL */
  unsigned cycles;             /* remaining cycles of the collection */
  size_t descriptors;          /* descriptors of Lua's values: files, channels */
  size_t descriptors_due;      /* number at which the next collection begins; 0 before the first */
#ifdef __SANITIZE_ADDRESS__    /* for mw_collect_stress() */
  bool stressed;
  size_t allocations; /* before this run */
  size_t run_allocations;
  size_t skipped_allocations; /* remaining before the one that forces a cycle */
#endif
  char refused_at[96]; /* "FILE:LINE" where memory was last refused in this run */
  /* Pushes a fiber's error; if NULL, the error is a string. `place` is "FILE:LINE" or "". `traceback` may be NULL. */
  void (*push_cut)(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback);
};

/* The vm of a thread. */
static inline struct mw_vm *mw_vm_of(lua_State *L) { return *(struct mw_vm **)lua_getextraspace(L); }

/* The scratch arena, emptied. For data that one C function builds and uses without calling Lua in between. */
static inline struct mw_arena *mw_vm_scratch(struct mw_vm *vm) {
  mw_arena_reset(&vm->scratch);
  return &vm->scratch;
}

/* Updates the gauges of memory. */
static inline void mw_vm_show_memory(const struct mw_vm *vm) {
  if (vm->memory_gauge) mw_metric_set(vm->memory_gauge, (double)vm->memory.used);
  if (vm->outside_gauge) mw_metric_set(vm->outside_gauge, (double)vm->memory.outside);
}

/* Call it after a run: frees the memory of a large message in the scratch arena. */
static inline void mw_vm_drop_scratch(struct mw_vm *vm) {
  if (vm->scratch.used > MW_VM_SCRATCH_KEPT) mw_arena_reset(&vm->scratch);
}

/* Calls `function` in protected mode with `arg` as its only argument, a light userdata. Returns 0, MW_ENOMEM, or
 * MW_EINVAL with Lua's message. */
int mw_vm_protect(struct mw_vm *vm, lua_CFunction function, void *arg, struct mw_err *err);

/* Compiles a text chunk within the budget of the running code, and pushes the function or the error. Borrows `text`.
 * `name` and the result are those of lua_load(). */
int mw_vm_compile(lua_State *L, struct mw_slice text, const char *name);

/* Compiles the text of the file `path`, and pushes the function or the error, which begins with the path. Skips a byte
 * order mark and a first line that begins with "#". Returns the results of lua_load(). May raise. */
int mw_vm_load(lua_State *L, struct mw_slice text, const char *path);

#endif
