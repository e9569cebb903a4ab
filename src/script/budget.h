/* Budgets: what ends code that runs for too long, too far or too large, whatever it does to go on.
 *
 * Now and then (script/ticker.h) a hook fires and looks at the account of what runs: a fiber between two waits, or the
 * scripts that are being loaded. An account that is overdrawn is cut: its error is raised where the code is, and from
 * then on pcall, xpcall and the functions of coroutines turn every error into that one (mw_budget_settle()). `<close>`
 * handlers run, on a small budget of their own; once that is used up too, no function can be called any more.
 *
 * The hook never fires inside a C function, but as it calls another: each of its loops whose length a script or a message decides calls
 * mw_budget_tick() or one of its sisters (scripts/loops checks it). A C function that is
 * slow because it handles many bytes allocates them, and an allocation of many bytes makes the hook fire at the next
 * instruction. */
#ifndef MW_SCRIPT_BUDGET_H
#define MW_SCRIPT_BUDGET_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_vm;

/* What a worker allows. */
struct mw_limits {
  int64_t slice;  /* nanoseconds that a fiber may run without waiting; 0 for no limit */
  size_t memory;  /* bytes that the state may hold, with what C holds for scripts; 0 for no limit */
  size_t weak_keys; /* places of all tables with weak keys (script/weak.h); 0 for no limit */
  bool brief;     /* loading scripts may take ten slices even if that is less than a second */
  bool warn_each; /* of each run that takes half of its slice, not of one a second */
};

/* Lack of memory. Lua collects all garbage before it lets an allocation fail, which takes 0.1 to 0.5 s with a full heap. If
 * that frees little, memory is short: then blocks beyond the limit are lent and what asks for them is cut at its next
 * instruction, without another collection of that kind. The garbage is collected in steps (script/collect.h), until
 * a cycle has made room. */
struct mw_shortage {
  bool on;          /* memory is short */
  bool lent;        /* to what runs, which is to be cut */
  size_t refused;   /* bytes of the block that Lua collects garbage for; 0 outside */
  int64_t full;     /* mw_clock_real() when a collection last left less room than spawned fibers must; 0 for never */
  int64_t next;     /* mw_clock_real() from which mw_budget_has_room() may collect garbage */
  int64_t vain;     /* mw_clock_real() of the last whole collection for a cut that has freed little; 0 for none */
};

enum mw_cut {
  MW_CUT_NONE,
  MW_CUT_SLICE,   /* it ran for too long without waiting */
  MW_CUT_MEMORY,  /* it ran when the memory was used up */
  MW_CUT_KEYS,     /* it filled a table with keys that collide (script/collisions.h) */
  MW_CUT_WEAK_KEYS, /* it filled tables with weak keys (script/weak.h) */
  MW_CUT_DEADLINE, /* the time by which it had to end has passed */
  MW_CUT_STOP      /* it ran on after the state had to end (vm->ends) */
};

struct mw_account {
  int64_t slice;   /* nanoseconds it may run without waiting; 0 for no limit */
  struct mw_account *outer; /* of the code that has started this run and waits for its end: both share the outer slice;
                               NULL for none */
  int64_t expires; /* mw_clock_mono() time by which it has to end; MW_NEVER */
  int64_t started; /* mw_clock_real() of the first look at this run; 0 before */
  int64_t busy;    /* the thread's processor time then */
  bool warned;     /* of this run */
  bool refused;    /* memory was refused in this run: unless Lua asks again, an error unwinds it */
  enum mw_cut cut; /* why it was ended */
  bool hard;       /* nothing may run any more */
  int error_ref;   /* registry: the error of the cut; LUA_NOREF */
  char place[96];  /* "FILE:LINE" where it was cut */
};

/* Sets the limits of a state, on the thread that runs it; at first before it runs anything. A fiber keeps the slice that
 * it started with. */
void mw_budget_limit(struct mw_vm *vm, struct mw_limits limits);

/* An account that may be used up from now on; mw_account_close() lets go of its error. */
void mw_account_open(struct mw_account *account, int64_t slice);
void mw_account_close(struct mw_account *account, lua_State *L);

/* A run begins: what is used up counts from now on, or with `outer` from the beginning of its run. */
void mw_account_begin_run(struct mw_account *account, struct mw_account *outer);

/* A run within that of `outer`, which may be NULL, has ended: if it was long, the hook fires as soon as the outer code goes
 * on. Ticks meet the inner code alone as long as the outer code does nothing but start such runs. */
void mw_account_end_run(struct mw_account *account, struct mw_account *outer, lua_State *L);

/* Nanoseconds that scripts may take to be loaded; 0 for no limit. */
int64_t mw_budget_loading(const struct mw_vm *vm);

/* After vm->ends nothing new starts, and a run is cut after some milliseconds; this much later each is cut as it begins,
 * its `<close>` handlers too. */
enum { MW_BUDGET_CLOSING_MS = 1000 };

/* True after vm->ends. */
bool mw_budget_has_ended(const struct mw_vm *vm);

/* Before a fiber whose thread is L goes on with the account of vm. */
void mw_budget_begin(struct mw_vm *vm, lua_State *L);

/* Looks at the account of what runs; raises when it is overdrawn. For C functions: what they hold must be on the
 * stack. */
void mw_budget_check(lua_State *L);

/* True when mw_budget_check() would raise; for code below that must end first. `L` is a lua_State. */
bool mw_budget_is_over(void *L);

/* Steps between two looks at the clock. A step takes some nanoseconds: one value of a table, or MW_BUDGET_BYTES bytes. */
enum { MW_BUDGET_STEPS = 4096, MW_BUDGET_BYTES = 64 };

/* Steps of a walk through a table, beside those of its pairs: Lua searches the places of pairs that it has lost, too. */
enum { MW_BUDGET_WALK = 256 };

/* For loops in C whose length a script or a message decides. Counts `n` further steps in `*steps`, 0 at first, and looks
 * at the account after every MW_BUDGET_STEPS. Raises as mw_budget_check(). */
static inline void mw_budget_spend(lua_State *L, unsigned *steps, size_t n) {
  if (n < MW_BUDGET_STEPS - *steps) {
    *steps += (unsigned)n;
    return;
  }
  *steps = 0;
  mw_budget_check(L);
}

/* The same for one turn of a loop. */
static inline void mw_budget_tick(lua_State *L, unsigned *steps) { mw_budget_spend(L, steps, 1); }

/* The same for a turn that may be slow, such as one that runs a metamethod: looks at the account as soon as the hook would. */
static inline void mw_budget_turn(lua_State *L, unsigned *steps) {
  if (lua_gethookmask(L) != 0) mw_budget_check(L);
  mw_budget_tick(L, steps);
}

/* The same for `len` bytes that are compared, copied or searched. */
static inline void mw_budget_bytes(lua_State *L, unsigned *steps, size_t len) {
  mw_budget_spend(L, steps, 1 + len / MW_BUDGET_BYTES);
}

enum { MW_BUDGET_BULK = 64 * 1024 }; /* bytes: an allocation from here on is large */

/* The size of a block of the state changes from `held` to `size` bytes. Returns whether it may. One that is smaller
 * than vm->bulk_from and leaves at most vm->unasked bytes need not ask. */
bool mw_budget_allow(struct mw_vm *vm, size_t held, size_t size);

/* Returns whether there is memory for another job: a quarter is free, so that calls have room. Collects all garbage
 * first, unless that was done a short while ago. */
bool mw_budget_has_room(struct mw_vm *vm);

/* Cuts the running code with MW_CUT_MEMORY if mw_budget_has_room() is false and it is not cut yet. */
void mw_budget_check_room(lua_State *L);

/* A fiber was cut for lack of memory and has ended. It held `grown` bytes more than before its last run. Collects what it
 * has left: at once, unless that has freed little before. */
void mw_budget_reclaim(struct mw_vm *vm, size_t grown);

/* A cycle of the collector in steps has ended; `all`: no garbage is left that there was when it started. */
void mw_budget_collected(struct mw_vm *vm, bool all);

/* Returns whether the last eighth of the memory is in use. */
bool mw_budget_is_pressed(const struct mw_vm *vm);
/* Raises the error of a refused allocation of Lua: for C functions that got no memory, or no part of vm->memory. */
int mw_budget_refuse(lua_State *L);

/* After a protected call that ended with `status` and the error at the top: when what runs was cut, or is now for lack
 * of memory, puts the error of the cut in its place and returns true: it must be raised again. */
bool mw_budget_settle(lua_State *L, int status);

#endif
