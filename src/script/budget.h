/* Budgets: what ends code that runs for too long, too far or too large, whatever it does to go on.
 *
 * Now and then (script/ticker.h) a hook fires and looks at the account of what runs: a fiber between two waits, or the
 * scripts that are being loaded. An account that is overdrawn is cut: its error is raised where the code is, and from
 * then on pcall, xpcall and the functions of coroutines turn every error into that one (mw_budget_settle()). `<close>`
 * handlers run, on a small budget of their own; once that is used up too, no function can be called any more.
 *
 * The hook never fires inside a C function: one that may loop for long calls mw_budget_tick(). A C function that is
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
  size_t memory;  /* bytes that the state may hold; 0 for no limit */
  bool warn_each; /* of each run that takes half of its slice, not of one a second */
};

enum mw_cut {
  MW_CUT_NONE,
  MW_CUT_SLICE,   /* it ran for too long without waiting */
  MW_CUT_MEMORY,  /* it ran when the memory was used up */
  MW_CUT_DEADLINE, /* the time by which it had to end has passed */
  MW_CUT_STOP      /* it ran on after the state had to end (vm->ends) */
};

struct mw_account {
  int64_t slice;   /* nanoseconds it may run without waiting; 0 for no limit */
  int64_t expires; /* mw_clock_mono() time by which it has to end; MW_NEVER */
  int64_t started; /* mw_clock_real() of the first look at this run; 0 before */
  int64_t busy;    /* the thread's processor time then */
  bool warned;     /* of this run */
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

/* A run begins: what is used up counts from now on. */
void mw_account_begin_run(struct mw_account *account);

/* Another account's run, which began with `started` and `busy`, took place within this account's, at its own expense.
 * `account` may be NULL. */
void mw_account_exclude(struct mw_account *account, int64_t started, int64_t busy);

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

/* The same now and then: `*steps`, 0 at first, counts the loop's turns. */
static inline void mw_budget_tick(lua_State *L, unsigned *steps) {
  if (++*steps % 4096 == 0) mw_budget_check(L);
}

enum { MW_BUDGET_BULK = 64 * 1024 }; /* bytes: an allocation from here on is large */

/* The size of a block of the state changes from `held` to `size` bytes. Returns whether it may. One that is not large
 * and stays within the limit need not ask. */
bool mw_budget_allow(struct mw_vm *vm, size_t held, size_t size);

/* After a protected call that ended with `status` and the error at the top: when what runs was cut, or is now for lack
 * of memory, puts the error of the cut in its place and returns true: it must be raised again. */
bool mw_budget_settle(lua_State *L, int status);

#endif
