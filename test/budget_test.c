/* Interruption of a script that runs on: by the ticker, and by its substitute where there are no timers. Code that
 * waits in time is not affected. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "script/open.h"
#include "script/state/fiber.h"

#define MS ((int64_t)MW_NS_PER_MS)
enum { SLICE_MS = 20, TEST_SECONDS = 60 };

static struct fixture {
  struct mw_loop loop;
  struct mw_vm vm;
  enum mw_cut cut; /* of the last fiber */
  int status;      /* of its code */
  char error[200];
} f;

/* While true, timer_create() fails, as on a system without free timers. */
static bool no_timers;

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer) {
  if (no_timers) {
    errno = EAGAIN;
    return -1;
  }
  int (*real)(clockid_t, struct sigevent *, timer_t *);
  *(void **)&real = dlsym(RTLD_NEXT, "timer_create");
  return real(clock, event, timer);
}

static void burn(int64_t time) {
  int64_t end = mw_clock_read(CLOCK_THREAD_CPUTIME_ID) + time;
  while (mw_clock_read(CLOCK_THREAD_CPUTIME_ID) < end) continue;
}

/* Nanoseconds of processor time that setting a hook takes: Lua visits each frame, and there may be 300,000. */
static int64_t arming_time;

void lua_sethook(lua_State *L, lua_Hook hook, int mask, int count) {
  void (*real)(lua_State *, lua_Hook, int, int);
  *(void **)&real = dlsym(RTLD_NEXT, "lua_sethook");
  real(L, hook, mask, count);
  if (mask != 0) burn(arming_time);
}

static int setup(void **state) {
  alarm(TEST_SECONDS);
  f = (struct fixture){0};
  if (mw_loop_init(&f.loop, NULL) != 0 || mw_vm_init(&f.vm, &f.loop, 1 << 20, NULL) != 0) return -1;
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = SLICE_MS * MS, .memory = 64 << 20});
  mw_log_set_level(MW_LOG_OFF);
  return 0;
}

static int setup_without_timers(void **state) {
  no_timers = true;
  int rc = setup(state);
  no_timers = false;
  return rc;
}

static int teardown(void **state) {
  mw_vm_fini(&f.vm);
  mw_loop_fini(&f.loop);
  alarm(0);
  return 0;
}

static int run_code(lua_State *L) {
  const char *code = lua_touserdata(L, 1);
  assert_int_equal(luaL_loadstring(L, code), LUA_OK);
  f.status = lua_pcall(L, 0, 0, 0);
  if (f.status != LUA_OK) snprintf(f.error, sizeof f.error, "%s", luaL_tolstring(L, -1, NULL));
  return 0;
}

static void on_done(struct mw_fiber *fiber, void *owner) { f.cut = fiber->account.cut; }

/* Runs the code in a fiber with the deadline `expires`. Returns the exceeded budget, or MW_CUT_NONE. */
static enum mw_cut run_until(const char *code, int64_t expires) {
  struct mw_fiber *fiber = mw_fiber_new(&f.vm, NULL, on_done, &f);
  assert_non_null(fiber);
  fiber->account.expires = expires;
  f.cut = MW_CUT_NONE;
  mw_fiber_start(fiber, run_code, (void *)(uintptr_t)code);
  return f.cut;
}

static enum mw_cut run(const char *code) { return run_until(code, MW_NEVER); }

static const char *const endless[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
    "local function spin() while true do end end "
    "local co = coroutine.create(function() local _ <close> = setmetatable({}, { __close = spin }) coroutine.yield() "
    "end) "
    "coroutine.resume(co) coroutine.close(co)",
    "local all = {} for i = 1, 100 do all[i] = coroutine.wrap(function() while true do coroutine.yield() end end) end "
    "while true do for i = 1, 100 do all[i]() end end",
    "while true do coroutine.wrap(function() end)() end",
    "local s = ('a'):rep(26) s:find(('a?'):rep(26) .. s)",
};

static void what_does_not_end_is_ended(void **state) {
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    assert_int_equal(run(endless[i]), MW_CUT_SLICE);
    assert_int_not_equal(f.status, LUA_OK);
    assert_int_equal(run("return"), MW_CUT_NONE); /* the next fiber is not affected */
    assert_int_equal(f.status, LUA_OK);
  }
}

static void a_deadline_that_has_passed_ends_it(void **state) {
  assert_int_equal(run_until("while true do end", mw_clock_mono() + 5 * MS), MW_CUT_DEADLINE);
}

/* Code is ended only if it has used half of the slice itself, so that a busy machine does not end it. */
static void who_works_for_less_than_half_of_a_slice_is_not_ended(void **state) {
  assert_int_equal(run("local till = os.clock() + 0.005 while os.clock() < till do end"), MW_CUT_NONE);
  assert_int_equal(f.status, LUA_OK);
}

static int spend(lua_State *L) {
  size_t n = (size_t)lua_tointeger(L, 1);
  unsigned steps = 0;
  while (true) mw_budget_spend(L, &steps, n);
  return 0;
}

static int be_slow(lua_State *L) {
  burn(MS);
  return 0;
}

/* They run no Lua instruction between two calls. */
static void C_functions_that_call_slow_ones_are_ended(void **state) {
  const char *const codes[] = {
      "local t = setmetatable({}, { __index = slow }); ('x'):rep(20000):gsub('x', t)",
      "local t = setmetatable({}, { __index = slow }) table.unpack(t, 1, 20000)",
      "local t = setmetatable({}, { __newindex = slow }) table.move({}, 1, 20000, 1, t)",
      "local t = {} for i = 1, 2000 do t[i] = i end table.sort(t, slow)",
      "local closed = setmetatable({}, { __close = slow }) "
      "local function deep(n) local _ <close> = closed if n > 0 then deep(n - 1) end end deep(2000)",
      "local closed = setmetatable({}, { __close = slow }) "
      "local function deep(n) local _ <close> = closed if n > 0 then deep(n - 1) end error 'failed' end deep(2000)",
  };
  lua_register(f.vm.L, "slow", be_slow);
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    int64_t since = mw_clock_read(CLOCK_THREAD_CPUTIME_ID);
    enum mw_cut cut = run(codes[i]);
    int64_t busy = mw_clock_read(CLOCK_THREAD_CPUTIME_ID) - since;
    assert_int_equal(cut, MW_CUT_SLICE);
    assert_true(busy < 20 * SLICE_MS * MS);
  }
}

static int load_file(lua_State *L) {
  const char *text = lua_touserdata(L, 1);
  f.status = mw_vm_load(L, mw_slice_str(text), "lua/long.lua");
  snprintf(f.error, sizeof f.error, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
  return 0;
}

/* For each `elseif`, Lua walks the list of jumps from all earlier ones: these take it some seconds. */
static void a_file_that_takes_long_to_compile_is_refused(void **state) {
  enum { N = 60000 };
  const char piece[] = "elseif a then ";
  char *text = malloc(N * sizeof piece + 64), *end = text + sprintf(text, "local a if a then ");
  for (int i = 0; i < N; i++) end = stpcpy(end, piece);
  strcpy(end, "end");
  assert_int_equal(mw_vm_protect(&f.vm, load_file, text, NULL), 0);
  assert_int_not_equal(f.status, LUA_OK);
  assert_string_equal(f.error, "lua/long.lua: the script ran for more than 1000 ms while it was loaded");
  free(text);
}

static int count_bytes(lua_State *L) {
  size_t n = (size_t)lua_tointeger(L, 1);
  unsigned steps = 0;
  while (true) mw_budget_bytes(L, &steps, n);
  return 0;
}

/* No number of steps per count skips the next check. */
static void a_loop_in_C_is_ended(void **state) {
  lua_register(f.vm.L, "spend", spend);
  lua_register(f.vm.L, "count_bytes", count_bytes);
  const char *const loops[] = {
      "spend(1)",  "spend(3)",       "spend(4095)",     "spend(4096)",         "spend(4097)",
      "spend(-1)", "count_bytes(0)", "count_bytes(63)", "count_bytes(262144)", "count_bytes(-1)"};
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) assert_int_equal(run(loops[i]), MW_CUT_SLICE);
}

static int wait_until_over(lua_State *L) {
  while (!mw_budget_is_over(L)) continue;
  mw_budget_check(L);
  return luaL_error(L, "it was not over");
}

static void work_below_is_over_with_the_budget(void **state) {
  lua_register(f.vm.L, "wait_until_over", wait_until_over);
  assert_int_equal(run("wait_until_over()"), MW_CUT_SLICE);
  assert_int_equal(run_until("wait_until_over()", mw_clock_mono() + 5 * MS), MW_CUT_DEADLINE);
  assert_false(mw_budget_is_over(f.vm.L)); /* nothing runs */
}

static int fill_scratch(lua_State *L) {
  while (mw_arena_alloc(&f.vm.scratch, 1024)) continue;
  return 0;
}

/* A C function that the handler has called may hold all memory when the time is over, but the error needs some. */
static void a_cut_has_memory_for_its_error(void **state) {
  lua_register(f.vm.L, "fill_scratch", fill_scratch);
  f.vm.scratch.budget = SIZE_MAX;
  assert_int_equal(run("fill_scratch() while true do end"), MW_CUT_SLICE);
  assert_int_equal(f.status, LUA_ERRRUN);
  assert_non_null(strstr(f.error, "the job ran for more than 20 ms"));
}

static int fill_with_userdata(lua_State *L) {
  lua_pushnil(L);
  while (lua_newuserdatauv(L, 16, 1)) { /* raises in the end */
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
  }
  return 0;
}

/* C may take the last byte of the memory limit before an instruction runs. */
static void a_refusal_leaves_memory_for_close_handlers(void **state) {
  lua_register(f.vm.L, "fill", fill_with_userdata);
  run("local _ <close> = setmetatable({}, {__close = function() closed = ('x'):rep(1000) .. 'y' end}) fill()");
  assert_int_equal(f.cut, MW_CUT_MEMORY);
  assert_int_equal(lua_getglobal(f.vm.L, "closed"), LUA_TSTRING);
  lua_pop(f.vm.L, 1);
}

static const char *const colliding[] = {
    "pcall(function() local t = {} for i = 1, 140000 do t[i * 0x3ffff] = true end end)",
    "pcall(function() local t = {} for i = 1, 140000 do t[i * -0x1ffff] = true end end)",
    "pcall(function() local t = {} for i = 1, 9000 do t[1 + i * 0x1p-52] = true end end)",
    "while true do pcall(function() local t = {} for i = 1, 140000 do t[i * 0x3ffff] = true end end) end",
};

/* Lua fills a larger table in one step, which takes 10 seconds with such keys. */
static void a_table_whose_keys_collide_ends_it(void **state) {
  for (size_t memory = 0; memory <= 256 << 20; memory += 256 << 20) {
    mw_budget_limit(&f.vm, (struct mw_limits){.slice = 20 * (int64_t)MW_NS_PER_S, .memory = memory});
    for (size_t i = 0; i < sizeof colliding / sizeof *colliding; i++) {
      int64_t before = mw_clock_read(CLOCK_THREAD_CPUTIME_ID);
      assert_int_equal(run(colliding[i]), MW_CUT_KEYS);
      assert_int_not_equal(f.status, LUA_OK);
      assert_true(mw_clock_read(CLOCK_THREAD_CPUTIME_ID) - before < 4 * (int64_t)MW_NS_PER_S);
    }
  }
}

static const char *const large[] = {
    "local t = {} for i = 1, 140000 do t[i * 86400], t[i + 0.5], t['k' .. i], t[-i] = i, i, i, i end",
    "local t = {} for i = 1, 1 << 20 do t[i] = i end",
    "local t = {} for i = 1, 100000 do t[{}] = i end",
    "local t = table.pack(('x'):rep(12288):byte(1, -1)) for i = 1, 100000 do t[i] = i end", /* 16 * 12288 = 24 * 8192 */
    "local s = ('x'):rep(24 * 8192 - 25) local t = {} for i = 1, 100000 do t[i << 20] = s end",
    "for n = 1, 20 do local t = {} for i = 1, 20000 do t[i * n << 32] = i end for k in pairs(t) do t[k] = nil end "
    "for i = 1, 20000 do t[i * n << 31] = i end end",
};

static void a_large_table_does_not(void **state) {
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = 20 * (int64_t)MW_NS_PER_S});
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
    assert_int_equal(run(large[i]), MW_CUT_NONE);
    assert_int_equal(f.status, LUA_OK);
  }
}

static int assert_no_hook(lua_State *L) {
  assert_null(lua_gethook(L));
  assert_int_equal(lua_gethookmask(L), 0);
  return 0;
}

static void code_that_is_quick_has_no_hook(void **state) {
  if (!f.vm.ticker.runs) skip(); /* ThreadSanitizer */
  lua_register(f.vm.L, "assert_no_hook", assert_no_hook);
  assert_int_equal(run("assert_no_hook() coroutine.wrap(assert_no_hook)() for i = 1, 5000 do end assert_no_hook()"),
                   MW_CUT_NONE);
  assert_int_equal(f.status, LUA_OK);
}

static void without_timers_there_is_a_hook(void **state) {
  assert_false(f.vm.ticker.runs);
  assert_non_null(lua_gethook(f.vm.L));
}

static void new_limits_need_no_new_timer(void **state) {
  if (!f.vm.ticker.runs) skip();                /* ThreadSanitizer */
  assert_int_equal(run("return"), MW_CUT_NONE); /* its coroutine is used again */
  no_timers = true;
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = 2 * SLICE_MS * MS, .memory = 64 << 20});
  no_timers = false;
  assert_true(f.vm.ticker.runs);
  assert_int_equal(run(endless[0]), MW_CUT_SLICE);
}

static void a_signal_that_somebody_sends_is_nothing(void **state) {
  if (!f.vm.ticker.runs) skip(); /* ThreadSanitizer */
  raise(SIGRTMIN + 3);
  assert_int_equal(run("return"), MW_CUT_NONE);
}

/* Otherwise a new signal would be pending after each one, and hardly an instruction would run in between. */
static void ticks_that_take_longer_than_their_interval_let_code_go_on(void **state) {
  if (!f.vm.ticker.runs) skip(); /* ThreadSanitizer */
  mw_budget_limit(&f.vm, (struct mw_limits){0});
  arming_time = 40 * MS;
  enum mw_cut cut = run("for i = 1, 10000000 do end");
  arming_time = 0;
  assert_int_equal(cut, MW_CUT_NONE);
  assert_int_equal(f.status, LUA_OK);
}

static void ticks_end_with_their_state(void **state) {
  struct mw_vm other;
  for (int i = 0; i < 50; i++) {
    assert_int_equal(mw_vm_init(&other, &f.loop, 1 << 20, NULL), 0);
    mw_budget_limit(&other, (struct mw_limits){.slice = 1 * MS});
    burn(1 * MS);
    mw_vm_fini(&other);
    memset(&other, 0x5a, sizeof other);
    burn(1 * MS);
  }
  assert_int_equal(run(endless[0]), MW_CUT_SLICE); /* ticks of the first state go on */
}

static struct mw_fiber *waiter;

static void stop_waiting(void *arg) {}

static int go_on(lua_State *L, int status, lua_KContext context) { return 0; }

static int l_wait(lua_State *L) {
  waiter = mw_fiber_check(L, "wait");
  return mw_fiber_wait(L, waiter, stop_waiting, NULL, go_on, 0);
}

static int add_wait(lua_State *L) {
  lua_register(L, "wait", l_wait);
  return 0;
}

static void a_run_after_the_end_of_the_state_is_cut_early(void **state) {
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = TEST_SECONDS * (int64_t)MW_NS_PER_S});
  assert_false(mw_budget_has_ended(&f.vm));
  atomic_store(&f.vm.ends, mw_clock_real());
  assert_true(mw_budget_has_ended(&f.vm));
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) assert_int_equal(run(endless[i]), MW_CUT_STOP);
  assert_int_equal(run("return"), MW_CUT_NONE);
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = 0}); /* also without a limit */
  assert_int_equal(run(endless[0]), MW_CUT_STOP);
}

/* The body of a fiber whose code continues after a wait. */
static int wait_and_run(lua_State *L) {
  assert_int_equal(luaL_loadstring(L,
                                   "local _ <close> = setmetatable({}, { __close = function() closed = true end }) "
                                   "wait() went_on = true"),
                   LUA_OK);
  lua_pcallk(L, 0, 0, 0, 0, go_on);
  return 0;
}

static void what_goes_on_long_after_the_end_runs_no_instruction(void **state) {
  assert_int_equal(mw_vm_protect(&f.vm, add_wait, NULL, NULL), 0);
  struct mw_fiber *fiber = mw_fiber_new(&f.vm, NULL, on_done, &f);
  mw_fiber_start(fiber, wait_and_run, NULL);
  atomic_store(&f.vm.ends, mw_clock_real() - 2 * MW_BUDGET_CLOSING_MS * MS);
  mw_fiber_resume(waiter);
  assert_int_equal(f.cut, MW_CUT_STOP);
  assert_int_equal(lua_getglobal(f.vm.L, "went_on"), LUA_TNIL);
  assert_int_equal(lua_getglobal(f.vm.L, "closed"), LUA_TNIL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITHOUT_TIMERS(name) \
  { #name " without timers", name, setup_without_timers, teardown, NULL }

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_does_not_end_is_ended),
      TEST(a_deadline_that_has_passed_ends_it),
      TEST(a_loop_in_C_is_ended),
      TEST(C_functions_that_call_slow_ones_are_ended),
      TEST(a_file_that_takes_long_to_compile_is_refused),
      TEST(work_below_is_over_with_the_budget),
      TEST(a_cut_has_memory_for_its_error),
      TEST(a_refusal_leaves_memory_for_close_handlers),
      TEST(a_table_whose_keys_collide_ends_it),
      TEST(a_large_table_does_not),
      TEST(who_works_for_less_than_half_of_a_slice_is_not_ended),
      TEST(code_that_is_quick_has_no_hook),
      TEST(new_limits_need_no_new_timer),
      TEST(a_signal_that_somebody_sends_is_nothing),
      TEST(ticks_that_take_longer_than_their_interval_let_code_go_on),
      TEST(ticks_end_with_their_state),
      TEST(a_run_after_the_end_of_the_state_is_cut_early),
      TEST(what_goes_on_long_after_the_end_runs_no_instruction),
      TEST_WITHOUT_TIMERS(a_run_after_the_end_of_the_state_is_cut_early),
      TEST_WITHOUT_TIMERS(without_timers_there_is_a_hook),
      TEST_WITHOUT_TIMERS(what_does_not_end_is_ended),
      TEST_WITHOUT_TIMERS(a_deadline_that_has_passed_ends_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
