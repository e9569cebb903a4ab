#include "script/state/fiber.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "script/state/collect.h"
#include "script/state/program.h"

enum {
  MAX_IDLE = 1024,     /* coroutines kept for reuse; more exist only during a burst of calls */
  CLOSING_LEVELS = 200 /* innermost frames that are searched for a `<close>` handler */
};

/* Makes the coroutine of a new fiber. Runs protected. */
static int make_coroutine(lua_State *L) {
  struct mw_fiber *fiber = lua_touserdata(L, 1);
  fiber->L = lua_newthread(L);
  fiber->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void go_on(struct mw_ready *ready) { mw_fiber_resume(MW_CONTAINER(ready, struct mw_fiber, ready)); }

static void set_live(struct mw_vm *vm, size_t n) {
  vm->n_live = n;
  if (vm->live_gauge) mw_metric_set(vm->live_gauge, (double)n);
}

static struct mw_fiber *from_pool(struct mw_vm *vm) {
  struct mw_list *node = mw_list_shift(&vm->idle);
  if (node) {
    vm->n_idle--;
    return MW_CONTAINER(node, struct mw_fiber, link);
  }
  struct mw_fiber *fiber = calloc(1, sizeof *fiber);
  if (!fiber) return NULL;
  fiber->vm = vm;
  fiber->ready.run = go_on;
  mw_list_init(&fiber->ready.link);
  if (mw_vm_protect(vm, make_coroutine, fiber, NULL) == 0) return fiber;
  free(fiber);
  return NULL;
}

/* Returns the fiber to the pool if its coroutine ended cleanly and there is room. A coroutine that ended by an error is
 * not reused. */
static void retire(struct mw_fiber *fiber, bool clean) {
  struct mw_vm *vm = fiber->vm;
  mw_list_remove(&fiber->link);
  set_live(vm, vm->n_live - 1);
  mw_vm_show_memory(vm);
  if (fiber->program) fiber->program->n_fibers--;
  if (clean && vm->n_idle < MAX_IDLE) {
    lua_settop(fiber->L, 0);
    mw_list_init(&fiber->link);
    /* Newest first: its stack is still in the processor's cache. */
    mw_list_push(vm->idle.next, &fiber->link);
    vm->n_idle++;
    return;
  }
  if (vm->current == fiber->L) vm->current = NULL; /* it may be collected now */
  luaL_unref(vm->L, LUA_REGISTRYINDEX, fiber->ref);
  free(fiber);
}

static void end(struct mw_fiber *fiber, int rc) {
  if (rc != LUA_OK) {
    const char *text = lua_type(fiber->L, -1) == LUA_TSTRING ? lua_tostring(fiber->L, -1) : luaL_typename(fiber->L, -1);
    mw_log(MW_LOG_ERROR, NULL, "unhandled error in a fiber: %s", text);
  }
  if (fiber->kill_error_ref != LUA_NOREF) luaL_unref(fiber->vm->L, LUA_REGISTRYINDEX, fiber->kill_error_ref);
  mw_account_close(&fiber->account, fiber->vm->L);
  void *owner = fiber->owner;
  fiber->owner = NULL;
  if (owner) fiber->done(fiber, owner); /* may use objects that the stack still holds */
  if (rc != LUA_OK) lua_resetthread(fiber->L);
  struct mw_vm *vm = fiber->vm;
  if (vm->on_killed && (fiber->account.cut || fiber->kill_state != MW_FIBER_ALIVE)) vm->on_killed(vm, fiber);
  retire(fiber, rc == LUA_OK && !fiber->account.cut);
}

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not see the longjmp() by which Lua leaves C functions, and keeps them on its own stack of calls.
 * So each run has a stack of its own there, which is freed after the run. */
static int resume(lua_State *L, lua_State *from, int n_args, int *n_results) {
  void *outer = __tsan_get_current_fiber(), *inner = __tsan_create_fiber(0);
  __tsan_switch_to_fiber(inner, 0);
  int rc = lua_resume(L, from, n_args, n_results);
  __tsan_switch_to_fiber(outer, 0);
  __tsan_destroy_fiber(inner);
  return rc;
}
#else
#define resume lua_resume
#endif

static void run_again(void *arg) { mw_fiber_resume(arg); }

/* Continues a waiting fiber in a turn of the loop, because the C stack of its resumer had no room. Returns false
 * without memory. */
static bool defer(struct mw_fiber *fiber) {
  fiber->refused = fiber->waiting = false;
  return mw_timer_start_real(fiber->vm->loop, 0, run_again, fiber) != NULL;
}

/* The account whose slice a start within its run shares: only one with a limit. */
static struct mw_account *shared_account(struct mw_account *account) {
  return account && account->slice > 0 ? account : NULL;
}

static void run(struct mw_fiber *fiber, int n_args, bool starts) {
  struct mw_vm *vm = fiber->vm;
  struct mw_fiber *outer = vm->running;
  int unyieldable = vm->unyieldable;
  size_t memory = vm->memory.used;
  struct mw_log_context log = *mw_log_context();
  struct mw_account *account = vm->account;
  lua_State *current = vm->current;
  mw_account_begin_run(&fiber->account, starts ? shared_account(account) : NULL);
  vm->running = fiber;
  vm->refused_at[0] = '\0';
  vm->refused_for = MW_CUT_NONE;
  vm->account = &fiber->account;
  vm->current = fiber->L;
  vm->unyieldable = 0;
  fiber->nested = outer != NULL;
  if (lua_status(fiber->L) == LUA_YIELD) mw_budget_begin(vm, fiber->L);
  mw_collect_stress_run(vm);
  *mw_log_context() = fiber->log;
  int n_results;
  int rc = resume(fiber->L, current, n_args, &n_results); /* Lua limits the depth of the C stack: pass `current` */
  mw_account_end_run(&fiber->account, account, current);
  mw_vm_drop_scratch(vm);
  bool collect = rc != LUA_YIELD && fiber->account.cut == MW_CUT_MEMORY;
  if (rc == LUA_YIELD) {
    lua_pop(fiber->L, n_results);
  } else if (rc != LUA_OK && lua_status(fiber->L) == LUA_YIELD) {
    lua_pop(fiber->L, 1); /* "C stack overflow", which leaves a coroutine unchanged */
    fiber->refused = true;
  }
  if (fiber->refused ? !defer(fiber) : rc != LUA_YIELD) end(fiber, rc == LUA_YIELD ? LUA_ERRMEM : rc);
  *mw_log_context() = log;
  vm->unyieldable = unyieldable;
  vm->account = account;
  vm->current = current;
  vm->running = outer;
  vm->shortage.lent = false;
  if (collect) mw_budget_reclaim(vm, vm->memory.used > memory ? vm->memory.used - memory : 0);
}

struct mw_fiber *mw_fiber_new(struct mw_vm *vm, struct mw_program *program,
                              void (*done)(struct mw_fiber *fiber, void *owner), void *owner) {
  struct mw_fiber *fiber = from_pool(vm);
  if (!fiber) return NULL;
  fiber->program = program;
  fiber->serial = ++vm->n_started;
  fiber->store_client = 0;
  if (program) program->n_fibers++;
  fiber->waiting = false;
  fiber->kind = MW_FIBER_OTHER;
  fiber->kill_state = MW_FIBER_ALIVE;
  fiber->abandoned = false;
  fiber->kill_error_ref = LUA_NOREF;
  fiber->unwinding = NULL;
  mw_account_open(&fiber->account, vm->limits.slice);
  fiber->log = *mw_log_context();
  fiber->done = done;
  fiber->owner = owner;
  mw_list_push(&vm->live, &fiber->link);
  set_live(vm, vm->n_live + 1);
  return fiber;
}

void mw_fiber_start(struct mw_fiber *fiber, lua_CFunction main, void *arg) {
  lua_pushcfunction(fiber->L, main);
  lua_pushlightuserdata(fiber->L, arg);
  run(fiber, 1, true);
}

struct mw_fiber *mw_fiber_check(lua_State *L, const char *what) {
  struct mw_vm *vm = mw_vm_of(L);
  if (!vm->running) {
    luaL_error(L, "%s cannot wait here: only handlers and jobs can, not a script while it is loaded", what);
  }
  if (vm->unyieldable > 0 || !lua_isyieldable(L)) {
    luaL_error(L, "%s cannot wait here: inside a callback of table.sort, string.gsub, load or a finalizer", what);
  }
  return vm->running;
}

/* Raises the error of a killed fiber, and stores it so that pcall recognises it. */
static int raise_kill_error(lua_State *L, struct mw_fiber *fiber) {
  fiber->push_kill_error(L, fiber->kill_arg);
  lua_pushvalue(L, -1);
  luaL_unref(L, LUA_REGISTRYINDEX,
             fiber->kill_error_ref); /* the earlier error of an abandoned fiber; accepts LUA_NOREF */
  fiber->kill_error_ref = LUA_NOREF;
  fiber->kill_error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  fiber->kill_state = MW_FIBER_UNWINDING; /* last: after a failure for lack of memory, the next wait raises */
  return lua_error(L);
}

int mw_fiber_raise(lua_State *L) {
  struct mw_fiber *fiber = mw_vm_of(L)->running;
  return fiber && (fiber->kill_state == MW_FIBER_KILLED || fiber->abandoned) ? raise_kill_error(L, fiber)
                                                                             : lua_error(L);
}

/* True if L is in a `<close>` handler of a returning function, which is allowed to clean up. lua_getstack() counts from
 * the innermost frame each time: a search of the whole stack would take quadratic time. */
static bool is_closing(lua_State *L) {
  lua_Debug info;
  for (int level = 0; level < CLOSING_LEVELS && lua_getstack(L, level, &info); level++) {
    lua_getinfo(L, "n", &info);
    if (info.name && strcmp(info.namewhat, "metamethod") == 0 && strcmp(info.name, "close") == 0) return true;
  }
  return false;
}

/* True if the wait in L of a killed fiber must raise, because L is not cleaning up. */
static bool is_due(const struct mw_fiber *fiber, lua_State *L) {
  if (fiber->abandoned) return true;
  return fiber->kill_state == MW_FIBER_KILLED && (fiber->quiet || (fiber->unwinding != L && !is_closing(L)));
}

bool mw_fiber_will_raise(const struct mw_fiber *fiber) { return !fiber->quiet && is_due(fiber, fiber->innermost); }

static int after_wait(lua_State *L, int status, lua_KContext context) {
  struct mw_fiber *fiber = (struct mw_fiber *)context;
  assert(mw_vm_of(L)->running == fiber && !fiber->waiting); /* script/libs/coroutine.c lets no other code resume it */
  if (mw_fiber_will_raise(fiber)) return raise_kill_error(L, fiber);
  return fiber->k(L, status, fiber->context);
}

static int wait(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg, lua_KFunction k,
                lua_KContext context, bool quiet) {
  fiber->cancel = cancel;
  fiber->cancel_arg = cancel_arg;
  fiber->k = k;
  fiber->context = context;
  fiber->quiet = quiet;
  fiber->innermost = L;
  if (cancel && is_due(fiber, L)) {
    cancel(cancel_arg);
    return after_wait(L, LUA_YIELD, (lua_KContext)fiber);
  }
  fiber->waiting = true;
  return lua_yieldk(L, 0, (lua_KContext)fiber, after_wait);
}

int mw_fiber_wait(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg, lua_KFunction k,
                  lua_KContext context) {
  return wait(L, fiber, cancel, cancel_arg, k, context, false);
}

int mw_fiber_wait_quietly(lua_State *L, struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg,
                          lua_KFunction k, lua_KContext context) {
  return wait(L, fiber, cancel, cancel_arg, k, context, true);
}

void mw_fiber_set_cancel(struct mw_fiber *fiber, void (*cancel)(void *arg), void *cancel_arg) {
  fiber->cancel = cancel;
  fiber->cancel_arg = cancel_arg;
}

void mw_fiber_resume(struct mw_fiber *fiber) {
  mw_ready_remove(&fiber->ready);
  fiber->waiting = false;
  run(fiber, 0, false);
}

bool mw_fiber_wake(struct mw_fiber *fiber) {
  struct mw_vm *vm = fiber->vm;
  if (mw_fiber_is_queued(fiber)) return false;
  if (!vm->running) return mw_ready_run(&vm->ready, &fiber->ready, fiber->kind != MW_FIBER_JOB);
  mw_ready_put(&vm->ready, &fiber->ready, fiber->kind != MW_FIBER_JOB);
  return false;
}

/* Detaches the pending operation. Afterwards the wait cannot be cancelled again. */
static void cancel_wait(struct mw_fiber *fiber) {
  void (*cancel)(void *arg) = fiber->cancel;
  fiber->cancel = NULL;
  cancel(fiber->cancel_arg);
}

void mw_fiber_interrupt(struct mw_fiber *fiber, lua_KFunction k, lua_KContext context) {
  if (!fiber->waiting || !fiber->cancel || fiber->kill_state != MW_FIBER_ALIVE || mw_fiber_is_queued(fiber)) return;
  cancel_wait(fiber);
  fiber->k = k;
  fiber->context = context;
  mw_fiber_resume(fiber);
}

static void set_killed(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg) {
  fiber->kill_state = MW_FIBER_KILLED;
  fiber->push_kill_error = push;
  fiber->kill_arg = arg;
  if (!fiber->waiting || !fiber->cancel || !is_due(fiber, fiber->innermost)) return;
  cancel_wait(fiber);
  mw_fiber_wake(fiber);
}

void mw_fiber_kill(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg) {
  if (fiber->kill_state == MW_FIBER_ALIVE) set_killed(fiber, push, arg);
}

void mw_fiber_abandon(struct mw_fiber *fiber, void (*push)(lua_State *L, void *arg), void *arg) {
  fiber->abandoned = true;
  set_killed(fiber, push, arg);
}

bool mw_fiber_is_kill_error(lua_State *L, int index) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_fiber *fiber = vm->running;
  if (vm->account && vm->account->cut) return true;
  if (!fiber || fiber->kill_error_ref == LUA_NOREF) return false;
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, fiber->kill_error_ref);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

void mw_fiber_unwind(lua_State *L) {
  struct mw_fiber *fiber = mw_vm_of(L)->running;
  if (fiber) fiber->unwinding = L;
}

struct mw_program *mw_fiber_program(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  return vm->running ? vm->running->program : vm->loading;
}
