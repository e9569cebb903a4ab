/* Budgets: they end code that runs too long or takes too much memory. Scripts cannot prevent it.
 *
 * At intervals (script/state/ticker.h) a hook checks the account of the running code: a fiber between two waits, or the
 * scripts that are loading. Code whose account is overdrawn is cut: an error is raised in it, and from then on pcall,
 * xpcall and the functions of coroutines replace every error by that one (mw_budget_settle()). `<close>` handlers run
 * on a small budget of their own. When that is used up too, no function can be called any more.
 *
 * The hook never fires inside a C function, except when it calls another function. Therefore each loop in C whose
 * length a script or a message decides calls mw_budget_tick() or a sister; scripts/loops checks that. A C function that
 * is slow because it handles many bytes also allocates them, and an allocation of many bytes makes the hook fire at the
 * next instruction. */
#ifndef MW_SCRIPT_STATE_BUDGET_H
#define MW_SCRIPT_STATE_BUDGET_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_vm;

/* The limits of a worker. */
struct mw_limits {
  int64_t slice;    /* nanoseconds that a fiber may run without a wait; 0 for no limit */
  size_t memory;    /* bytes of the state, and of C for scripts; 0 for no limit */
  size_t weak_keys; /* places of all tables with weak keys (script/state/weak.h); 0 for no limit */
  bool brief;       /* loading scripts may take ten slices, even if that is less than 1 s */
  bool warn_each;   /* warn of each run that takes half of its slice, not of one a second */
};

enum mw_cut {
  MW_CUT_NONE,
  MW_CUT_SLICE,     /* it ran too long without a wait */
  MW_CUT_MEMORY,    /* it ran when the memory was used up */
  MW_CUT_KEYS,      /* it filled a table with keys that collide (script/lua/collisions.h) */
  MW_CUT_WEAK_KEYS, /* it filled tables with weak keys (script/state/weak.h) */
  MW_CUT_DEADLINE,  /* its deadline has passed */
  MW_CUT_STOP       /* it ran on after the end of the state (vm->ends) */
};

struct mw_account {
  int64_t slice;            /* nanoseconds it may run without a wait; 0 for no limit */
  struct mw_account *outer; /* account of the code that waits for this run's end: both share its slice; may be NULL */
  int64_t expires;          /* mw_clock_mono() time of its deadline; MW_NEVER for none */
  int64_t started;          /* mw_clock_real() of the first check of this run; 0 before */
  int64_t busy;             /* the thread's processor time at `started` */
  bool warned;              /* a warning of this run was logged */
  bool refused;             /* memory was refused in this run: unless Lua asks again, an error unwinds it */
  enum mw_cut cut;          /* reason of the cut */
  bool hard;                /* no further code may run */
  int error_ref;            /* registry: the error of the cut, or LUA_NOREF */
  char place[96];           /* "FILE:LINE" where it was cut */
};

/* Sets the limits of a state, on the thread that runs it. The first call must precede all code. A fiber keeps the slice
 * that it started with. */
void mw_budget_limit(struct mw_vm *vm, struct mw_limits limits);

/* Opens a fresh account. mw_account_close() releases its error. */
void mw_account_open(struct mw_account *account, int64_t slice);
void mw_account_close(struct mw_account *account, lua_State *L);

/* Begins a run: its use counts from now on. With `outer`, it counts from the beginning of the outer run. */
void mw_account_begin_run(struct mw_account *account, struct mw_account *outer);

/* Ends a run within that of `outer`, which may be NULL. After a long run the hook fires as soon as the outer code
 * continues: while the outer code only starts such runs, ticks meet only the inner code. */
void mw_account_end_run(struct mw_account *account, struct mw_account *outer, lua_State *L);

/* Nanoseconds for loading scripts; 0 for no limit. */
int64_t mw_budget_loading(const struct mw_vm *vm);

/* After vm->ends no new code starts, and a run is cut after some milliseconds. From this time after vm->ends, each run
 * is cut as it begins, its `<close>` handlers included. */
enum { MW_BUDGET_CLOSING_MS = 1000 };

/* True after vm->ends. */
bool mw_budget_has_ended(const struct mw_vm *vm);

/* Call it before a fiber with the thread L continues on the account of vm. */
void mw_budget_begin(struct mw_vm *vm, lua_State *L);

/* Checks the account of the running code. Raises if it is overdrawn: C functions that call it must keep their objects
 * on the Lua stack. */
void mw_budget_check(lua_State *L);

/* True if mw_budget_check() would raise. For code below the caller that must end first. `L` is a lua_State. */
bool mw_budget_is_over(void *L);

/* Steps between two checks of the clock. A step takes some nanoseconds: one value of a table, or MW_BUDGET_BYTES
 * bytes. */
enum { MW_BUDGET_STEPS = 4096, MW_BUDGET_BYTES = 64 };

/* Steps of a table's traversal besides those of its pairs, because Lua also searches the places of removed pairs. */
enum { MW_BUDGET_WALK = 256 };

/* For loops in C whose length a script or a message decides. Adds `n` to `*steps`, which is 0 at first, and checks the
 * account after every MW_BUDGET_STEPS. Raises as mw_budget_check() does. */
static inline void mw_budget_spend(lua_State *L, unsigned *steps, size_t n) {
  if (n < MW_BUDGET_STEPS - *steps) {
    *steps += (unsigned)n;
    return;
  }
  *steps = 0;
  mw_budget_check(L);
}

/* The same for one iteration of a loop. */
static inline void mw_budget_tick(lua_State *L, unsigned *steps) { mw_budget_spend(L, steps, 1); }

/* The same for an iteration that may be slow, because it runs a metamethod for example: checks the account as soon as
 * the hook would. */
static inline void mw_budget_turn(lua_State *L, unsigned *steps) {
  if (lua_gethookmask(L) != 0) mw_budget_check(L);
  mw_budget_tick(L, steps);
}

/* The same for `len` bytes that are compared, copied or searched. */
static inline void mw_budget_bytes(lua_State *L, unsigned *steps, size_t len) {
  mw_budget_spend(L, steps, 1 + len / MW_BUDGET_BYTES);
}

enum { MW_BUDGET_BULK = 64 * 1024 }; /* bytes: an allocation of this size or more is large */

/* Returns true if a block of the state may change from `held` to `size` bytes. A block smaller than vm->bulk_from that
 * leaves at most vm->unasked bytes in use does not need this call. */
bool mw_budget_allow(struct mw_vm *vm, size_t held, size_t size);

/* Returns true if there is memory for another job: a quarter must be free, so that calls have room. If it is not,
 * collects all garbage first, unless that was done recently. */
bool mw_budget_has_room(struct mw_vm *vm);

/* Cuts the running code with MW_CUT_MEMORY if mw_budget_has_room() is false and the code is not cut yet. */
void mw_budget_check_room(lua_State *L);

/* Runs after the end of a fiber that was cut for lack of memory. `grown` is the number of bytes by which its last run
 * increased memory. Collects its garbage at once, unless the last such collection freed little. */
void mw_budget_reclaim(struct mw_vm *vm, size_t grown);

/* Raises the error of a refused allocation of Lua. For C functions that got no memory, or no part of vm->memory. */
int mw_budget_refuse(lua_State *L);

/* Call it after a protected call that ended with `status` and the error at the top. If the running code was cut, or is
 * cut now for lack of memory, replaces the error by that of the cut and returns true: raise it again. */
bool mw_budget_settle(lua_State *L, int status);

#endif
