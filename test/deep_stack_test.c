/* A stack of many thousand frames: ending its fiber takes no more work than with a shallow stack. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "script/lua/traceback.h"
#include "script/open.h"
#include "script/state/fiber.h"

#define MS ((int64_t)MW_NS_PER_MS)
enum { FRAMES = 50000, FEW_VISITS = 10 * MW_TRACEBACK_LEVELS * MW_TRACEBACK_LEVELS };

static struct fixture {
  struct mw_loop loop;
  struct mw_vm vm;
  enum mw_cut cut;   /* of the last fiber */
  bool cancelled;    /* the wait of the last fiber */
  const char *chunk; /* name of the chunk that runs deepest; NULL for its text */
  char *traceback;   /* the debug information returned last */
} f;

/* Counts the frames that Lua visits to find the requested ones. */
static size_t visits;

int lua_getstack(lua_State *L, int level, lua_Debug *info) {
  int (*real)(lua_State *, int, lua_Debug *);
  *(void **)&real = dlsym(RTLD_NEXT, "lua_getstack");
  visits += (size_t)level;
  return real(L, level, info);
}

static int setup(void **state) {
  f = (struct fixture){0};
  if (mw_loop_init(&f.loop, NULL) != 0 || mw_vm_init(&f.vm, &f.loop, 1 << 20, NULL) != 0) return -1;
  mw_budget_limit(&f.vm, (struct mw_limits){.slice = 100 * MS, .memory = 64 << 20});
  mw_log_set_level(MW_LOG_OFF);
  return 0;
}

static int teardown(void **state) {
  free(f.traceback);
  mw_vm_fini(&f.vm);
  mw_loop_fini(&f.loop);
  return 0;
}

static void cancel(void *arg) { f.cancelled = true; }

static int after_wait(lua_State *L, int status, lua_KContext context) { return 0; }

static int l_wait(lua_State *L) {
  struct mw_fiber *fiber = mw_fiber_check(L, "wait");
  visits = 0;
  return mw_fiber_wait(L, fiber, cancel, NULL, after_wait, 0);
}

static int l_traceback(lua_State *L) {
  visits = 0;
  mw_traceback(L, L, lua_tostring(L, 1), 1);
  f.traceback = strdup(lua_tostring(L, -1));
  return 0;
}

static void push_kill(lua_State *L, void *arg) { lua_pushliteral(L, "killed"); }

static void on_done(struct mw_fiber *fiber, void *owner) { f.cut = fiber->account.cut; }

static int after_code(lua_State *L, int status, lua_KContext context) { return 0; }

/* The body of a fiber: calls a function at a depth of FRAMES. */
static int run_code(lua_State *L) {
  lua_register(L, "wait", l_wait);
  lua_register(L, "traceback", l_traceback);
  assert_int_equal(
      luaL_loadstring(L,
                      "local deepest, n = ... "
                      "local function down(n) if n == 0 then deepest() end local r = down(n - 1) return r end "
                      "down(n)"),
      LUA_OK);
  const char *deepest = lua_touserdata(L, 1);
  assert_int_equal(luaL_loadbuffer(L, deepest, strlen(deepest), f.chunk ? f.chunk : deepest), LUA_OK);
  lua_pushinteger(L, FRAMES);
  return after_code(L, lua_pcallk(L, 2, 0, 0, 0, after_code), 0);
}

static struct mw_fiber *start(const char *deepest) {
  struct mw_fiber *fiber = mw_fiber_new(&f.vm, NULL, on_done, &f);
  assert_non_null(fiber);
  mw_fiber_start(fiber, run_code, (void *)(uintptr_t)deepest);
  return fiber;
}

static void a_cut_visits_few_frames(void **state) {
  visits = 0;
  start("while true do end");
  assert_int_equal(f.cut, MW_CUT_SLICE);
  assert_in_range(visits, 1, FEW_VISITS);
}

static void a_kill_visits_few_frames(void **state) {
  mw_fiber_kill(start("wait()"), push_kill, NULL);
  mw_loop_run_posts(&f.loop);
  assert_true(f.cancelled);
  assert_in_range(visits, 1, FEW_VISITS);
}

static void a_traceback_of_a_deep_stack_shows_the_innermost_frames(void **state) {
  start("traceback('text') error('enough')");
  assert_in_range(visits, 1, FEW_VISITS);
  const char *expected =
      "text\nstack traceback:\n"
      "\t[string \"traceback('text') error('enough')\"]:1: in upvalue 'deepest'\n"
      "\t[string \"local deepest, n = ... local function down(n)...\"]:1: in upvalue 'down'\n";
  assert_memory_equal(f.traceback, expected, strlen(expected));
  const char *end = strstr(f.traceback, "\n\t...\t(more than 200 levels)");
  assert_non_null(end);
  assert_string_equal(end, "\n\t...\t(more than 200 levels)");
}

static void a_traceback_of_a_deep_stack_shows_whole_paths(void **state) {
  f.chunk = "@lua/services/accounting/reports/quarterly/a_file_whose_path_is_longer_than_sixty_bytes.lua";
  start("traceback('text') error('enough')");
  const char *expected =
      "text\nstack traceback:\n"
      "\tlua/services/accounting/reports/quarterly/a_file_whose_path_is_longer_than_sixty_bytes.lua:1: in ";
  f.chunk = NULL;
  assert_memory_equal(f.traceback, expected, strlen(expected));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_cut_visits_few_frames),
      TEST(a_kill_visits_few_frames),
      TEST(a_traceback_of_a_deep_stack_shows_the_innermost_frames),
      TEST(a_traceback_of_a_deep_stack_shows_whole_paths),
  };
  return cmocka_run_group_tests_name("deep stack", tests, NULL, NULL);
}
