#include "script/state/budget.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "script/lua/collisions.h"
#include "script/lua/traceback.h"
#include "script/state/collect.h"
#include "script/state/fiber.h"
#include "script/state/vm.h"
#include "script/state/weak.h"

enum {
  TICKS = 10,              /* checks in the time of a slice */
  INSTRUCTIONS = 1000,     /* between two checks without a ticker */
  EARLY_CALLS = 16,        /* calls of C functions by C functions after a tick, without an instruction */
  BULK_TURN = 1024 * 1024, /* bytes of large allocations after which the hook fires at once */
  RESERVE = 1024 * 1024,   /* bytes beyond limit and loan, for reporting a refusal of memory */
  LOAN_PART = 16,          /* part of the limit that is lent beyond it while memory is short */
  OUTSIDE_PART = 4,        /* part of the limit beyond it for C, which cannot collect garbage first */
  CALLS_PART = 4,          /* part of the limit that must be free to spawn fibers */
  ROOM_PERIOD = 16,        /* least time from one collection for room to the next, in durations of one */
  LOAD_FACTOR = 10         /* slices for loading scripts, at least one second in total */
};
#define REFUSAL "not enough memory" /* Lua's own text */
#define LONGEST_TICK (10 * (int64_t)MW_NS_PER_MS)
#define LEAST_GRACE (10 * (int64_t)MW_NS_PER_MS)
#define WARN_EVERY ((int64_t)MW_NS_PER_S)
#define FULL_NS (60 * (int64_t)MW_NS_PER_S) /* time for which a heap counts as full without another collection */

static void on_count(lua_State *L, lua_Debug *info);

/* ---- place and words ---- */

static void find_place(lua_State *L, char *out, size_t size) {
  if (!mw_place_find(L, out, size)) out[0] = '\0';
}

static const char *subject(const struct mw_vm *vm) {
  if (!vm->running) return "the script";
  return vm->running->log.method ? "the handler" : "the job";
}

/* Writes the reason for the cut. */
static void describe(const struct mw_vm *vm, const struct mw_account *account, char *out, size_t size) {
  switch (account->cut) {
    case MW_CUT_MEMORY:
      snprintf(out, size, "%s used up the memory of the worker's scripts, %zu bytes", subject(vm), vm->limits.memory);
      break;
    case MW_CUT_KEYS: snprintf(out, size, "%s filled a table with numbers as keys that collide", subject(vm)); break;
    case MW_CUT_WEAK_KEYS:
      snprintf(out, size,
               "%s filled tables with weak keys (__mode = 'k') beyond limits.weak_keys, %zu places: use __mode = "
               "'kv', or keep the values in a field of their keys",
               subject(vm), vm->limits.weak_keys);
      break;
    case MW_CUT_DEADLINE: snprintf(out, size, "%s ran on after its deadline", subject(vm)); break;
    case MW_CUT_STOP: snprintf(out, size, "the server is shutting down and %s ran on", subject(vm)); break;
    default:
      snprintf(out, size, "%s ran for more than %.0f ms %s%s", subject(vm), (double)account->slice / MW_NS_PER_MS,
               vm->running ? "without waiting" : "while it was loaded",
               account->outer ? ", with the code that has spawned it" : "");
  }
}

/* ---- cutting ---- */

/* Pushes the error of the cut, and makes it the first time. `traceback` may be NULL. */
static void push_error(lua_State *L, struct mw_account *account, const char *traceback) {
  struct mw_vm *vm = mw_vm_of(L);
  if (account->error_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, account->error_ref);
    return;
  }
  char words[192];
  describe(vm, account, words, sizeof words);
  if (vm->running && vm->push_cut) {
    vm->push_cut(L, account->cut, words, account->place, traceback);
  } else {
    lua_pushfstring(L, "%s%s%s", account->place, account->place[0] ? ": " : "", words);
  }
  lua_pushvalue(L, -1);
  account->error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void log_cut(const struct mw_vm *vm, const struct mw_account *account, const char *traceback) {
  if (!vm->running) return; /* the caller that loads the scripts reports their errors */
  char words[192];
  describe(vm, account, words, sizeof words);
  struct mw_log_field fields[] = {{"at", account->place}, {NULL, NULL}};
  mw_log(MW_LOG_ERROR, fields, "%s%s%s", words, *traceback ? "\n" : "", traceback);
}

/* Pushes the stacks of the running thread and of its fiber. */
static void push_traceback(lua_State *L, const struct mw_vm *vm) {
  lua_State *outer = vm->running ? vm->running->L : L;
  mw_traceback(L, L, NULL, 0);
  if (outer == L) return;
  mw_traceback(L, outer, lua_tostring(L, -1), 0);
  lua_remove(L, -2);
}

static void begin_run(struct mw_account *account, int64_t now) {
  account->started = now;
  account->busy = mw_clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Runs at the first check of a run: sets its beginning. */
static void find_beginning(struct mw_account *account, int64_t now) {
  struct mw_account *outer = account->outer;
  if (!outer) {
    begin_run(account, now);
    return;
  }
  if (outer->started == 0) find_beginning(outer, now);
  account->started = outer->started;
  account->busy = outer->busy;
}

/* The error is raised: waits of `<close>` handlers work as usual, and no further kill of the fiber has an effect. */
static void mark_cut(struct mw_vm *vm, struct mw_account *account, enum mw_cut why) {
  account->cut = why;
  begin_run(account, mw_clock_real()); /* budget of the handlers */
  if (vm->running) vm->running->kill_state = MW_FIBER_UNWINDING;
}

/* The same after refused memory: Lua itself raises the error. */
static void mark_refused(struct mw_vm *vm, struct mw_account *account) {
  memcpy(account->place, vm->refused_at, sizeof account->place);
  mark_cut(vm, account, vm->refused_for ? vm->refused_for : MW_CUT_MEMORY);
  vm->refused_for = MW_CUT_NONE;
  log_cut(vm, account, "");
}

static void raise_cut(lua_State *L, struct mw_account *account, const char *traceback) {
  luaL_checkstack(L, 8, NULL);
  push_error(L, account, traceback);
  lua_error(L);
}

static void cut(lua_State *L, struct mw_account *account, enum mw_cut why) {
  mw_vm_drop_scratch(mw_vm_of(L)); /* its user is ended, and the error needs memory */
  find_place(L, account->place, sizeof account->place);
  mark_cut(mw_vm_of(L), account, why);
  luaL_checkstack(L, 8, NULL);
  push_traceback(L, mw_vm_of(L));
  log_cut(mw_vm_of(L), account, lua_tostring(L, -1));
  raise_cut(L, account, lua_tostring(L, -1));
}

/* Makes the hook fire at the next instruction or call: C functions that call each other, as metamethods or `<close>`
 * handlers, run no instruction. Safe in a signal handler, at any point of the thread. */
static void arm(lua_State *L) { lua_sethook(L, on_count, LUA_MASKCALL | LUA_MASKCOUNT, 1); }

/* Sets the hook of all threads if there is no ticker. */
static void set_hook(lua_State *L) { lua_sethook(L, on_count, LUA_MASKCOUNT, INSTRUCTIONS); }

/* True if the hook is set to fire at the next instruction or call. */
static bool is_armed(lua_State *L) { return lua_gethookmask(L) != 0 && lua_gethookcount(L) == 1; }

static void disarm(lua_State *L) {
  if (mw_vm_of(L)->ticker.runs) {
    lua_sethook(L, NULL, 0, 0);
  } else {
    set_hook(L);
  }
}

/* True if this run has been busy for longer than `limit`. A thread that waits for a processor does not run, but the
 * other calls wait all the same: the thread's own processor time must be more than half of the limit. */
static bool has_used(const struct mw_account *account, int64_t now, int64_t limit) {
  if (now - account->started <= limit) return false;
  return mw_clock_read(CLOCK_THREAD_CPUTIME_ID) - account->busy > limit / 2;
}

static void warn(lua_State *L, struct mw_vm *vm, struct mw_account *account, int64_t now) {
  account->warned = true;
  if (!vm->limits.warn_each && vm->warned && now - vm->warned < WARN_EVERY) return;
  vm->warned = now;
  char place[sizeof account->place];
  find_place(L, place, sizeof place);
  struct mw_log_field fields[] = {{"at", place}, {NULL, NULL}};
  mw_log(MW_LOG_WARN, fields, "%s has run for %.0f ms without waiting; it will be ended at %.0f ms", subject(vm),
         (double)(now - account->started) / MW_NS_PER_MS, (double)account->slice / MW_NS_PER_MS);
}

static bool has_ended(const struct mw_vm *vm, int64_t now) {
  return now >= atomic_load_explicit(&vm->ends, memory_order_relaxed);
}

bool mw_budget_has_ended(const struct mw_vm *vm) {
  return atomic_load_explicit(&vm->ends, memory_order_relaxed) != MW_NEVER && has_ended(vm, mw_clock_real());
}

void mw_budget_begin(struct mw_vm *vm, lua_State *L) {
  const int64_t closing = MW_BUDGET_CLOSING_MS * (int64_t)MW_NS_PER_MS;
  if (!mw_budget_has_ended(vm) || !has_ended(vm, mw_clock_real() - closing)) return;
  if (!vm->account->cut) mark_cut(vm, vm->account, MW_CUT_STOP);
  vm->account->hard = true;
  arm(L);
}

/* Returns mw_clock_real(). At the first check of a run, sets its beginning. */
static int64_t look_at(struct mw_account *account) {
  int64_t now = mw_clock_real();
  if (account->started == 0) find_beginning(account, now);
  return now;
}

/* The time budget of a `<close>` handler. */
static int64_t grace(const struct mw_vm *vm, const struct mw_account *account, int64_t now) {
  int64_t part = has_ended(vm, now) ? 0 : account->slice / 4;
  return part > LEAST_GRACE ? part : LEAST_GRACE;
}

/* Deadlines use the clock that tests can stop; budgets use `now`, of the machine's clock. */
static bool has_expired(const struct mw_vm *vm, const struct mw_account *account, int64_t now) {
  if (mw_clock_is_stopped()) now = mw_clock_mono();
  return vm->running && vm->running->kill_state == MW_FIBER_ALIVE && now >= account->expires;
}

/* Returns the reason to cut the running code, which is not cut yet, or MW_CUT_NONE. */
static enum mw_cut reason_to_cut(const struct mw_vm *vm, const struct mw_account *account, int64_t now) {
  if (has_expired(vm, account, now)) return MW_CUT_DEADLINE;
  if (has_ended(vm, now) && has_used(account, now, LEAST_GRACE)) return MW_CUT_STOP;
  bool over = account->slice != 0 && has_used(account, now, mw_collect_stress_slice(vm, account->slice));
  return over ? MW_CUT_SLICE : MW_CUT_NONE;
}

bool mw_budget_is_over(void *L) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_account *account = vm->account;
  if (!account) return false;
  int64_t now = look_at(account);
  if (account->cut) return account->hard || has_used(account, now, grace(vm, account, now));
  return reason_to_cut(vm, account, now) != MW_CUT_NONE;
}

void mw_budget_check(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_account *account = vm->account;
  if (!account) return;
  if (account->hard) {
    arm(L);
    raise_cut(L, account, NULL);
  }
  if (account->refused && !account->cut) mark_refused(vm, account); /* runs in a `<close>` handler */
  if (vm->shortage.lent && !account->cut) cut(L, account, MW_CUT_MEMORY);
  int64_t now = look_at(account);
  if (account->cut) {
    if (!has_used(account, now, grace(vm, account, now))) return;
    account->hard = true;
    arm(L);
    raise_cut(L, account, NULL);
  }
  enum mw_cut why = reason_to_cut(vm, account, now);
  if (why != MW_CUT_NONE) cut(L, account, why);
  if (account->slice == 0) return;
  if (vm->running && !account->warned && now - account->started > account->slice / 2) warn(L, vm, account, now);
}

/* True for a call that is too early to raise in: Lua may have run an instruction since the hook was armed. It is better
 * to raise at the next instruction, because the called function may close a variable or buffer. Only the first
 * EARLY_CALLS calls are exempt. */
static bool is_early(struct mw_vm *vm, const lua_Debug *info) {
  if (info->event == LUA_HOOKCOUNT || (vm->account && vm->account->hard)) return false;
  return vm->armed_ticks == 0 || ++vm->early_calls <= EARLY_CALLS;
}

static void on_count(lua_State *L, lua_Debug *info) {
  struct mw_vm *vm = mw_vm_of(L);
  if (is_early(vm, info)) return;
  vm->armed_ticks = vm->early_calls = 0;
  if (lua_gethookcount(L) != INSTRUCTIONS) disarm(L);
  mw_budget_check(L);
}

/* True if mw_budget_check() would act. Sets the beginning of a run. Safe in a signal handler. */
static bool is_due(const struct mw_vm *vm, struct mw_account *account) {
  if (account->hard) return true;
  int64_t now = look_at(account);
  int64_t ran = now - account->started;
  if (account->cut) return ran > grace(vm, account, now);
  if (has_expired(vm, account, now) || (has_ended(vm, now) && ran > LEAST_GRACE)) return true;
  return account->slice != 0 && ran > (vm->running && !account->warned ? account->slice / 2 : account->slice);
}

/* Runs in a signal handler. The data that it reads is set before the code runs to which it belongs. If a coroutine
 * begins or ends to run at this moment, the next tick finds it.
 *
 * Setting a hook visits every frame of the coroutine: with 300,000 frames it takes 10 ms, so it is done only when the
 * hook has work. Lua may lose a hook that is set here, so it is set again. That may take longer than the interval of
 * the ticks, and no instruction would run in between. Therefore a hook that is still armed is set again only after 1,
 * 2, 4, 8 ... ticks. */
static void on_tick(void *arg) {
  struct mw_vm *vm = arg;
  lua_State *current = vm->current;
  if (!current || !vm->account || !is_due(vm, vm->account)) return;
  vm->armed_ticks = is_armed(current) ? vm->armed_ticks + 1 : 0;
  if ((vm->armed_ticks & (vm->armed_ticks - 1)) == 0) arm(current);
}

/* ---- lack of memory ---- */

/* True if the error at the top reports refused memory. The error of a luaL_Buffer is an ordinary one. */
static bool is_refusal(lua_State *L, int status) {
  if (status == LUA_ERRMEM) return true;
  return lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), REFUSAL) == 0;
}

bool mw_budget_settle(lua_State *L, int status) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_account *account = vm->account;
  if (!account) return false;
  mw_vm_drop_scratch(vm); /* the code that raised the error may have filled it */
  if (!account->cut) {
    if ((vm->limits.memory == 0 && !vm->refused_for) || !is_refusal(L, status)) return false;
    mark_refused(vm, account);
  }
  luaL_checkstack(L, 8, NULL);
  push_error(L, account, NULL);
  lua_replace(L, -2);
  return true;
}

/* Counts bytes of large allocations, which take time. After BULK_TURN bytes the hook fires at the next instruction. */
static void count_bulk(struct mw_vm *vm, size_t size) {
  vm->bulk += size;
  if (vm->bulk < BULK_TURN || !vm->current) return;
  vm->bulk = 0;
  if (vm->account && is_due(vm, vm->account)) arm(vm->current);
}

static void set_unasked(struct mw_vm *vm) {
  size_t limit = vm->limits.memory;
  vm->unasked = limit > 0 ? limit - limit / MW_SHORTAGE_PART : SIZE_MAX;
}

/* Lua now collects garbage and asks once more for the block. No other code asks in between. */
static void begin_refusal(struct mw_vm *vm, size_t size) {
  vm->shortage.refused = size;
  vm->unasked = 0;
}

/* Returns true if `size` is the block for which Lua has collected garbage. */
static bool end_refusal(struct mw_vm *vm, size_t size) {
  bool again = vm->shortage.refused == size;
  if (vm->shortage.refused == 0) return false;
  vm->shortage.refused = 0;
  set_unasked(vm);
  if (again) mw_shortage_update(vm);
  return again;
}

/* True if a block is lent although `after` bytes are beyond the limit. */
static bool may_borrow(struct mw_vm *vm, size_t after) {
  size_t most = vm->limits.memory + vm->limits.memory / LOAN_PART;
  if (vm->account && (vm->account->cut || vm->account->refused)) return after <= most + RESERVE;
  if (!vm->shortage.on || after > most) return false;
  if (!vm->running) return true; /* no script: memory for the call itself */
  vm->shortage.lent = true;
  if (!is_armed(vm->current)) arm(vm->current);
  return true;
}

/* Records reason and place of a refusal. After the first refusal of a run its Lua functions may be gone, and the code
 * that unwinds them may be refused memory too. */
static void note_refusal(struct mw_vm *vm, lua_State *L, enum mw_cut why) {
  vm->refused_for = why;
  char place[sizeof vm->refused_at];
  find_place(L, place, sizeof place);
  if (place[0]) memcpy(vm->refused_at, place, sizeof place);
}

/* Returns the reason to refuse a block even if there is memory. */
static enum mw_cut find_refusal(struct mw_vm *vm, size_t held, size_t size) {
  if (held == 0 && mw_collisions_found(vm->current, size)) return MW_CUT_KEYS;
  return mw_weak_found(vm, size) ? MW_CUT_WEAK_KEYS : MW_CUT_NONE;
}

static bool allow(struct mw_vm *vm, size_t held, size_t size, bool collected) {
  enum mw_cut why = find_refusal(vm, held, size);
  if (!why) {
    size_t limit = vm->limits.memory, after = vm->memory.used - held + size;
    if (limit == 0) return true;
    if (!vm->collecting && mw_shortage_is_near(vm)) mw_collect_start(vm);
    if (after <= limit || may_borrow(vm, after)) return true;
    if (!collected) begin_refusal(vm, size);
  }
  if (vm->current) note_refusal(vm, vm->current, why);
  return false;
}

bool mw_budget_allow(struct mw_vm *vm, size_t held, size_t size) {
  if (size <= held) return true;
  if (size >= MW_BUDGET_BULK) count_bulk(vm, size - held);
  bool collected = end_refusal(vm, size);
  if (vm->account && collected) vm->account->refused = false; /* Lua asks again */
  bool allowed = allow(vm, held, size, collected);
  if (vm->account && !allowed) vm->account->refused = true;
  return allowed;
}

/* Does not charge the account for this time. */
static void exclude_time(struct mw_account *account, int64_t time, int64_t busy) {
  for (; account; account = account->outer) {
    if (account->started == 0) continue;
    account->started += time;
    account->busy += busy;
  }
}

static void collect_for_room(struct mw_vm *vm) {
  int64_t now = mw_clock_real(), busy = mw_clock_read(CLOCK_THREAD_CPUTIME_ID);
  lua_gc(vm->L, LUA_GCCOLLECT);
  int64_t took = mw_clock_real() - now;
  exclude_time(vm->account, took, mw_clock_read(CLOCK_THREAD_CPUTIME_ID) - busy);
  vm->shortage.next = now + ROOM_PERIOD * took;
  if (!mw_shortage_has_room(vm, CALLS_PART)) vm->shortage.full = vm->shortage.last_vain = now;
}

static bool is_full(const struct mw_vm *vm, int64_t now) {
  return vm->shortage.full > 0 && now - vm->shortage.full < FULL_NS;
}

bool mw_budget_has_room(struct mw_vm *vm) {
  if (mw_shortage_has_room(vm, CALLS_PART)) return true;
  int64_t now = mw_clock_real();
  if (!is_full(vm, now)) {
    if (now < vm->shortage.next) return !mw_shortage_is_near(vm);
    collect_for_room(vm);
  }
  return mw_shortage_has_room(vm, CALLS_PART);
}

void mw_budget_check_room(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  if (vm->account && !vm->account->cut && !mw_budget_has_room(vm)) cut(L, vm->account, MW_CUT_MEMORY);
}

void mw_budget_reclaim(struct mw_vm *vm, size_t grown) {
  int64_t now = mw_clock_real();
  bool last_vain = vm->shortage.last_vain > 0 && now - vm->shortage.last_vain < FULL_NS &&
                   grown < vm->limits.memory / MW_SHORTAGE_PART;
  if (last_vain) return; /* a collection in steps is under way */
  lua_gc(vm->L, LUA_GCCOLLECT);
  mw_shortage_update(vm);
  vm->shortage.last_vain = vm->shortage.on ? mw_clock_real() : 0;
}

int mw_budget_refuse(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  note_refusal(vm, L, MW_CUT_NONE);
  lua_pushliteral(L, REFUSAL);
  return lua_error(L);
}

/* ---- accounts ---- */

void mw_account_open(struct mw_account *account, int64_t slice) {
  *account = (struct mw_account){.slice = slice, .expires = MW_NEVER, .error_ref = LUA_NOREF};
}

void mw_account_close(struct mw_account *account, lua_State *L) {
  luaL_unref(L, LUA_REGISTRYINDEX, account->error_ref); /* accepts LUA_NOREF */
}

void mw_account_begin_run(struct mw_account *account, struct mw_account *outer) {
  account->outer = outer;
  account->started = 0;
  account->warned = account->refused = false;
}

void mw_account_end_run(struct mw_account *account, struct mw_account *outer, lua_State *L) {
  account->outer = NULL;
  if (outer && account->started != 0 && !is_armed(L) && is_due(mw_vm_of(L), outer)) arm(L);
}

int64_t mw_budget_loading(const struct mw_vm *vm) {
  int64_t time = vm->limits.slice * LOAD_FACTOR;
  return time > 0 && time < MW_NS_PER_S && !vm->limits.brief ? MW_NS_PER_S : time;
}

void mw_budget_limit(struct mw_vm *vm, struct mw_limits limits) {
  int64_t interval = limits.slice / TICKS;
  vm->limits = limits;
  set_unasked(vm);
  vm->memory.limit = limits.memory + limits.memory / OUTSIDE_PART;
  if (interval == 0 || interval > LONGEST_TICK) interval = LONGEST_TICK;
  if (!mw_ticker_start(&vm->ticker, interval, on_tick, vm)) set_hook(vm->L);
}
