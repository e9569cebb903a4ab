/* The schedule of garbage collection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "script/state/vm.h"
#include "script/open.h"

enum { PIECE = 16 * 1024, LEAST = 1024 * 1024, MOST = 4 * 1024 * 1024 };

static struct mw_loop loop;
static struct mw_vm vm;

static int setup(void **state) {
  return mw_loop_init(&loop, NULL) == 0 && mw_vm_init(&vm, &loop, SIZE_MAX, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state) {
  mw_vm_fini(&vm);
  mw_loop_fini(&loop);
  return 0;
}

static void a_small_heap_holds_a_megabyte_of_garbage(void **state) {
  lua_State *L = vm.L;
  lua_gc(L, LUA_GCCOLLECT);
  size_t before = vm.memory.used, most = before, last = before;
  assert_true(before < LEAST);
  static char piece[PIECE];
  while (vm.memory.used >= last) {
    last = vm.memory.used;
    if (most < last) most = last;
    assert_true(most < MOST);
    lua_pushlstring(L, piece, sizeof piece);
    lua_pop(L, 1);
  }
  assert_true(most > before + LEAST);
}

#ifdef __SANITIZE_ADDRESS__
static bool finalized;

static int finalize(lua_State *L) {
  finalized = true;
  return 0;
}

static int setup_stress(void **state) { return setenv("MOONWIRE_GCSTRESS", "1", 1) == 0 ? setup(state) : -1; }

static int teardown_stress(void **state) { return unsetenv("MOONWIRE_GCSTRESS") == 0 ? teardown(state) : -1; }

static void the_allocation_after_a_value_was_dropped_collects_it(void **state) {
  lua_State *L = vm.L;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, finalize);
  lua_setfield(L, -2, "__gc");
  lua_newuserdatauv(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_setmetatable(L, -2);
  lua_newtable(L);
  assert_false(finalized);
  lua_remove(L, 2);
  lua_newtable(L);
  assert_true(finalized);
  lua_settop(L, 0);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_small_heap_holds_a_megabyte_of_garbage, setup, teardown),
#ifdef __SANITIZE_ADDRESS__
      cmocka_unit_test_setup_teardown(the_allocation_after_a_value_was_dropped_collects_it, setup_stress,
                                      teardown_stress),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
