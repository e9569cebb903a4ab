/* Fibers: coroutines that the runtime starts, suspends and resumes.
 *
 * A fiber runs a handler, a job or a spec. A binding that has to wait starts its operation, remembers the fiber, and
 * returns mw_fiber_wait(); the operation's completion, an event of the loop, stores its outcome in C and calls
 * mw_fiber_wake(); the continuation `k` then runs inside the coroutine, where pushing results may safely fail. It runs at
 * once or, when many waits end together, in a following turn of the loop. In between the fiber still waits: the
 * operation keeps the outcome, and lets no other fiber wait in its place, until `k` or `cancel` runs.
 *
 *   static int sleep_done(lua_State *L, int status, lua_KContext context) { return 0; }
 *   static int l_sleep(lua_State *L) {
 *     struct mw_fiber *fiber = mw_fiber_check(L, "mw.sleep");      (raises where waiting is impossible)
 *     struct sleeper *s = lua_newuserdatauv(L, sizeof *s, 0);      (on the stack: alive while we wait)
 *     s->timer = mw_timer_start(fiber->vm->loop, delay, on_timer, fiber);       (on_timer calls mw_fiber_wake(fiber))
 *     return mw_fiber_wait(L, fiber, stop_sleeping, s, sleep_done, (lua_KContext)s);
 *   }
 *
 * Killing a fiber (its call was cancelled, its deadline passed, the server drains) runs the pending wait's `cancel`,
 * which detaches the operation so that it will not resume, and raises the status from the wait. It is raised once; the
 * waits of `<close>` handlers work as usual, whether an error unwinds it or it returns. pcall and xpcall do not stop it.
 *
 * A wait inside a coroutine of the script's own suspends the whole chain up to the fiber (script/coroutine.c). */
#ifndef MW_SCRIPT_FIBER_H
#define MW_SCRIPT_FIBER_H

#include "observe/log.h"
#include "script/vm.h"

struct mw_program;

enum mw_fiber_doom {
  MW_FIBER_ALIVE,
  MW_FIBER_KILLED,   /* the error is due */
  MW_FIBER_UNWINDING /* the error was raised */
};

struct mw_fiber {
  struct mw_vm *vm;
  struct mw_program *program; /* whose code it runs; borrowed */
  struct mw_list link;        /* in vm->idle or vm->live */
  lua_State *L;               /* its coroutine */
  int ref;                    /* keeps it in the registry */
  uint64_t serial;            /* no other fiber of the state has it, from 1 */
  bool nested;                /* this run takes place within that of another fiber */
  uint64_t store_client;      /* bind/store_hold.c's: for whom it has held a snapshot; 0 when it has held none */
  bool waiting;
  bool refused;               /* Lua had no C stack to go on with a coroutine of the chain */
  lua_State *innermost;       /* the coroutine that waits: its own, or one of the script's inside it */
  void (*cancel)(void *arg);  /* of the pending wait; NULL when it cannot be cancelled and runs to its end */
  void *cancel_arg;
  struct mw_ready ready;      /* queued: the pending wait has ended, and `k` has not run */
  bool of_job;                /* waits of jobs end after those of calls (script/ready.h) */
  lua_KFunction k;            /* of the pending wait */
  lua_KContext context;
  bool quiet;                 /* the pending wait returns instead of raising */
  enum mw_fiber_doom doom;
  bool abandoned;             /* every wait raises */
  void (*push_doom)(lua_State *L, void *arg); /* pushes the error of a killed fiber */
  void *doom_arg;
  int doom_ref;               /* registry reference of the error once raised; LUA_NOREF */
  const lua_State *unwinding; /* the coroutine that an error of its own unwinds; NULL for none. Compared only */
  struct mw_account account;  /* whoever starts it may change its limits */
  struct mw_log_context log;  /* what log lines carry while it runs */
  void (*done)(struct mw_fiber *fiber, void *owner);
  void *owner;                /* of whoever started it: a call, a job */
};

/* A fiber for code of `program` (NULL for none), ready to start: mw_fiber_start() must follow. `done(fiber, owner)`
 * runs once the coroutine has ended, when `owner` is not NULL by then. Returns NULL without memory. */
struct mw_fiber *mw_fiber_new(struct mw_vm *vm, struct mw_program *program,
                              void (*done)(struct mw_fiber *fiber, void *owner), void *owner);

/* Runs `main` in the fiber, with `arg` as a light userdata, until it first waits or ends. Within the run of another
 * fiber this time counts for the slice of both. An error that `main` lets through is logged; `main` is expected to
 * handle its errors. */
void mw_fiber_start(struct mw_fiber *fiber, lua_CFunction main, void *arg);

/* The fiber that L runs in. Raises "WHAT cannot wait here: ..." outside of fibers and inside of callbacks that Lua
 * cannot suspend (table.sort, string.gsub, __gc, require). */
struct mw_fiber *mw_fiber_check(lua_State *L, const char *what);

/* Suspends: a binding returns this. `cancel(cancel_arg)` stops the operation when the fiber is killed; NULL lets it
 * finish first. `k` gets `context` as usual. */
int mw_fiber_wait(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg, lua_KFunction k,
                  lua_KContext context);

/* The same for waits that report the end of the call by what they return (call:send, call:receive): when the fiber is
 * killed `k` runs all the same, and the error is left to the next other wait. */
int mw_fiber_wait_quietly(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg,
                          lua_KFunction k, lua_KContext context);

/* Replaces the `cancel` of a waiting fiber. An operation that is not to be interrupted sets it once it has ended, to free the
 * outcome if the fiber is killed before it goes on. */
void mw_fiber_set_cancel(struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg);

/* Whether a waiting fiber will raise what it was killed with, and not run the `k` of its wait: what the operation has
 * brought is nobody's then. */
bool mw_fiber_will_raise(const struct mw_fiber *fiber);

/* Ends the wait of a fiber. From the loop the fiber goes on at once, if this turn of the loop has time left and no other
 * fiber is queued before it; otherwise, and from within the run of another fiber, it is queued (script/ready.h). Nothing
 * happens to one that is queued already. Returns whether it has run. */
bool mw_fiber_wake(struct mw_fiber *fiber);

static inline bool mw_fiber_is_queued(const struct mw_fiber *fiber) { return mw_ready_is_queued(&fiber->ready); }

/* Goes on with a waiting fiber at once, for events that take turns themselves and lend what they bring. From the loop, or
 * from within another fiber's C function, whose slice this time counts for; where that has left no room on the C stack,
 * the fiber goes on in the next turn of the loop. */
void mw_fiber_resume(struct mw_fiber *fiber);

/* Cancels what a fiber waits for, where that can be, and has it go on with `k` in place of that wait's own, which may raise
 * an error that pcall stops. Nothing happens to a fiber that does not wait, or to one that is doomed. */
void mw_fiber_interrupt(struct mw_fiber *fiber, lua_KFunction k, lua_KContext context);

/* Dooms a fiber with the error that `push(L, arg)` pushes; `arg` lives as long as the fiber. Cancels its wait, where that
 * is possible, and wakes it; else the error is raised by its next wait. Nothing happens when it is doomed already. */
void mw_fiber_kill(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg);

/* The same for good, of a fiber that may be doomed already: from now on each of its waits raises, those of `<close>`
 * handlers too. */
void mw_fiber_abandon(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg);

/* Raises the value at the top of the stack, or in a killed fiber the error that it is due. */
int mw_fiber_raise(lua_State *L);

/* Whether the value at `index` is the error that the running fiber was killed with, or any at all once it was cut
 * (script/budget.h): nothing may swallow it. */
bool mw_fiber_is_doom(lua_State *L, int index);

/* For the message handler of a fiber's outermost protected call: the error unwinds L, whose `<close>` handlers may wait
 * although the fiber is killed meanwhile. */
void mw_fiber_unwind(lua_State *L);

/* The program whose code L runs: the running fiber's, or the one being loaded. */
struct mw_program *mw_fiber_program(lua_State *L);

#endif
