/* Fibers: coroutines that the runtime starts, suspends and resumes.
 *
 * A fiber runs a handler, a job or a spec. A binding that has to wait starts its operation, remembers the fiber, and
 * returns mw_fiber_wait(); the operation's completion, an event of the loop, stores its outcome in C and calls
 * mw_fiber_resume(); the continuation `k` then runs inside the coroutine, where pushing results may safely fail.
 *
 *   static int sleep_done(lua_State *L, int status, lua_KContext context) { return 0; }
 *   static int l_sleep(lua_State *L) {
 *     struct mw_fiber *fiber = mw_fiber_check(L, "mw.sleep");      (raises where waiting is impossible)
 *     struct sleeper *s = lua_newuserdatauv(L, sizeof *s, 0);      (on the stack: alive while we wait)
 *     s->timer = mw_timer_start(fiber->vm->loop, delay, on_timer, fiber);
 *     return mw_fiber_wait(L, fiber, stop_sleeping, s, sleep_done, (lua_KContext)s);
 *   }
 *
 * Killing a fiber (its call was cancelled, its deadline passed, the server drains) runs the pending wait's `cancel`,
 * which detaches the operation so that it will not resume, and raises the status from the wait. It is raised once; the
 * waits of `<close>` handlers that run while it unwinds work as usual. pcall and xpcall do not stop it.
 *
 * A wait inside a coroutine of the script's own suspends the whole chain up to the fiber (script/coroutine.c). */
#ifndef MW_SCRIPT_FIBER_H
#define MW_SCRIPT_FIBER_H

#include "script/vm.h"

struct mw_fiber {
  struct mw_vm *vm;
  struct mw_list link;        /* in vm->idle or vm->live */
  lua_State *L;               /* its coroutine */
  int ref;                    /* keeps it in the registry */
  bool waiting;
  void (*cancel)(void *arg);  /* of the pending wait; NULL when it cannot be cancelled and runs to its end */
  void *cancel_arg;
  enum { MW_FIBER_ALIVE, MW_FIBER_KILLED, MW_FIBER_UNWINDING } doom;
  int kill_ref;               /* registry reference of the error to raise; LUA_NOREF */
  bool kill_in_wait;          /* the pending wait returns the kill itself instead of raising it */
  void (*done)(struct mw_fiber *fiber, void *owner); /* the coroutine has ended; the fiber goes back to the pool */
  void *owner;                /* of whoever started it: a call, a job */
};

/* A fiber ready to start: mw_fiber_start() must follow. NULL without memory. */
struct mw_fiber *mw_fiber_new(struct mw_vm *vm, void (*done)(struct mw_fiber *fiber, void *owner), void *owner);

/* Runs `main(arg)` (arg as light userdata) in the fiber until it first waits or ends. An error that `main` lets
 * through is logged; `main` is expected to handle its errors. */
void mw_fiber_start(struct mw_fiber *fiber, lua_CFunction main, void *arg);

/* The fiber that L runs in. Raises "WHAT cannot wait here: ..." outside of fibers and inside of callbacks that Lua
 * cannot suspend (table.sort, string.gsub, __gc, require). */
struct mw_fiber *mw_fiber_check(lua_State *L, const char *what);

/* Suspends: a binding returns this. `cancel(cancel_arg)` stops the operation when the fiber is killed; NULL lets it
 * finish first. `k` gets `context` as usual. */
int mw_fiber_wait(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg, lua_KFunction k,
                  lua_KContext context);

/* The same for waits that return the kill's status instead of raising it (call:send, call:receive): `k` runs with
 * fiber->doom being MW_FIBER_KILLED, the error is then considered delivered. */
int mw_fiber_wait_quietly(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg,
                          lua_KFunction k, lua_KContext context);

/* Goes on with a waiting fiber. From the loop, or from within another fiber's C function. */
void mw_fiber_resume(struct mw_fiber *fiber);

/* Dooms a fiber with the error that `push_error(L, arg)` pushes. Resumes it when it waits and the wait can be
 * cancelled; else the error is raised by its next wait. Nothing happens when it is doomed already. */
void mw_fiber_kill(struct mw_fiber *fiber, lua_CFunction push_error, void *arg);

#endif
