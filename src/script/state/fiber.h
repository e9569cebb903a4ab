/* Fibers: coroutines that the runtime starts, suspends and resumes.
 *
 * A fiber runs a handler, a job or a spec. A binding that has to wait starts its operation, stores the fiber, and
 * returns mw_fiber_wait(). The operation's completion, an event of the loop, stores its outcome in C and calls
 * mw_fiber_wake(). The continuation `k` then runs inside the coroutine, where pushing results may safely fail. It runs
 * at once or, if many waits end together, in a following turn of the loop. In between the fiber still waits: the
 * operation keeps the outcome, and lets no other fiber wait in its place, until `k` or `cancel` runs.
 *
 *   static int sleep_done(lua_State *L, int status, lua_KContext context) { return 0; }
 *   static int l_sleep(lua_State *L) {
 *     struct mw_fiber *fiber = mw_fiber_check(L, "mw.sleep");      (raises where waiting is impossible)
 *     struct sleeper *s = lua_newuserdatauv(L, sizeof *s, 0);      (on the stack: alive during the wait)
 *     s->timer = mw_timer_start(fiber->vm->loop, delay, on_timer, fiber);       (on_timer calls mw_fiber_wake(fiber))
 *     return mw_fiber_wait(L, fiber, stop_sleeping, s, sleep_done, (lua_KContext)s);
 *   }
 *
 * Killing a fiber (its call was cancelled, its deadline passed, the server drains) runs the pending wait's `cancel`,
 * which detaches the operation so that it will not resume, and raises the status from the wait. It is raised once; the
 * waits of `<close>` handlers work as usual, whether an error unwinds the fiber or it returns. pcall and xpcall do not
 * stop it.
 *
 * A wait inside a coroutine of the script's own suspends the whole chain up to the fiber (script/libs/coroutine.c). */
#ifndef MW_SCRIPT_STATE_FIBER_H
#define MW_SCRIPT_STATE_FIBER_H

#include "observe/log.h"
#include "script/state/vm.h"

struct mw_program;

enum mw_fiber_kill_state {
  MW_FIBER_ALIVE,
  MW_FIBER_KILLED,   /* the error was not raised yet */
  MW_FIBER_UNWINDING /* the error was raised */
};

enum mw_fiber_kind {
  MW_FIBER_OTHER,
  MW_FIBER_CALL, /* the handler of a call; its owner is of bind/call/call.c */
  MW_FIBER_JOB   /* its owner is of bind/job.c. Its waits end after those of other fibers (script/state/ready.h) */
};

struct mw_fiber {
  struct mw_vm *vm;
  struct mw_program *program; /* the program of its code; borrowed */
  struct mw_list link;        /* in vm->idle or vm->live */
  lua_State *L;               /* its coroutine */
  int ref;                    /* registry reference to the coroutine */
  uint64_t serial;            /* unique in the state, from 1 */
  bool nested;                /* this run is within that of another fiber */
  uint64_t store_client;      /* for bind/store/store_hold.c: the client for which it has held a snapshot; 0 for none */
  bool waiting;
  bool refused;              /* Lua had no C stack to continue a coroutine of the chain */
  lua_State *innermost;      /* the waiting coroutine: its own, or one of the script's inside it */
  void (*cancel)(void *arg); /* of the pending wait; NULL if it cannot be cancelled and runs to its end */
  void *cancel_arg;
  struct mw_ready ready; /* queued if the pending wait has ended and `k` has not run */
  enum mw_fiber_kind kind;
  lua_KFunction k; /* continuation of the pending wait */
  lua_KContext context;
  bool quiet; /* the pending wait returns after a kill and does not raise */
  enum mw_fiber_kill_state kill_state;
  bool abandoned;                                   /* every wait raises */
  void (*push_kill_error)(lua_State *L, void *arg); /* pushes the error of a killed fiber */
  void *kill_arg;
  int kill_error_ref;         /* registry: the error after it was raised, or LUA_NOREF */
  const lua_State *unwinding; /* the coroutine that an error is unwinding, or NULL. Compared only */
  struct mw_account account;  /* the code that starts the fiber may change its limits */
  struct mw_log_context log;  /* context of log lines while it runs */
  void (*done)(struct mw_fiber *fiber, void *owner);
  void *owner; /* the call or job that started it */
};

/* Makes a fiber for code of `program` (NULL for none). mw_fiber_start() must follow. `done(fiber, owner)` runs after
 * the coroutine has ended, unless `owner` is NULL by then. The code that makes a call or job sets `kind`. Returns NULL
 * without memory. */
struct mw_fiber *mw_fiber_new(struct mw_vm *vm, struct mw_program *program,
                              void (*done)(struct mw_fiber *fiber, void *owner), void *owner);

/* Runs `main` in the fiber, with `arg` as a light userdata, until its first wait or its end. Within the run of another
 * fiber, this time counts for the slice of both. `main` is expected to handle its errors; an error that it lets through
 * is logged. */
void mw_fiber_start(struct mw_fiber *fiber, lua_CFunction main, void *arg);

/* Returns the fiber that L runs in. Raises "WHAT cannot wait here: ..." outside of fibers, and inside of callbacks that
 * Lua cannot suspend (table.sort, string.gsub, __gc, require). */
struct mw_fiber *mw_fiber_check(lua_State *L, const char *what);

/* Suspends the fiber; a binding returns the result. `cancel(cancel_arg)` stops the operation if the fiber is killed;
 * with NULL, the operation finishes first. `k` gets `context` as usual. */
int mw_fiber_wait(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg, lua_KFunction k,
                  lua_KContext context);

/* The same for waits that report the end of the call by their results (call:send, call:receive). If the fiber is
 * killed, `k` still runs, and the next wait of the other kind raises the error. */
int mw_fiber_wait_quietly(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg,
                          lua_KFunction k, lua_KContext context);

/* Replaces the `cancel` of a waiting fiber. An operation that cannot be interrupted sets it after its end, to free the
 * outcome if the fiber is killed before it goes on. */
void mw_fiber_set_cancel(struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg);

/* True if a waiting fiber was killed and will raise the error instead of running the `k` of its wait. The outcome of
 * the operation then has no other owner. */
bool mw_fiber_will_raise(const struct mw_fiber *fiber);

/* Ends the wait of a fiber. Called from the loop, the fiber goes on at once if this turn of the loop has time left and
 * no other fiber is queued before it. Otherwise, and within the run of another fiber, it is queued
 * (script/state/ready.h). Does nothing to a queued fiber. Returns true if the fiber has run. */
bool mw_fiber_wake(struct mw_fiber *fiber);

static inline bool mw_fiber_is_queued(const struct mw_fiber *fiber) { return mw_ready_is_queued(&fiber->ready); }

/* Continues a waiting fiber at once, for events that take turns themselves and lend their data. Called from the loop or
 * from a C function of another fiber, whose slice this time counts for. If the C stack has no room, the fiber goes on
 * in the next turn of the loop. */
void mw_fiber_resume(struct mw_fiber *fiber);

/* Cancels the wait of a fiber, if that is possible, and continues it with `k` in place of the wait's own. `k` may raise
 * an error, which pcall catches. Does nothing to a fiber that does not wait or was killed. */
void mw_fiber_interrupt(struct mw_fiber *fiber, lua_KFunction k, lua_KContext context);

/* Kills a fiber with the error that `push(L, arg)` pushes; `arg` lives as long as the fiber. If its wait can be
 * cancelled, cancels it and wakes the fiber; else the next wait raises the error. Does nothing to a killed fiber. */
void mw_fiber_kill(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg);

/* Kills a fiber for good, even if it was killed before: from now on each of its waits raises, including those of
 * `<close>` handlers. */
void mw_fiber_abandon(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg);

/* Raises the value at the top of the stack. In a killed fiber whose error was not raised yet, raises that error. */
int mw_fiber_raise(lua_State *L);

/* True if the value at `index` is the error with which the running fiber was killed. After a cut
 * (script/state/budget.h), true for any value. Code must not swallow such an error. */
bool mw_fiber_is_kill_error(lua_State *L, int index);

/* For the message handler of a fiber's outermost protected call. The error unwinds L, whose `<close>` handlers may then
 * wait even if the fiber is killed meanwhile. */
void mw_fiber_unwind(lua_State *L);

/* The program whose code L runs: that of the running fiber, or the one that is loading. */
struct mw_program *mw_fiber_program(lua_State *L);

#endif
