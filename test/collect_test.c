/* When garbage is collected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script/vm.h"

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
  size_t before = vm.memory, most = before, last = before;
  assert_true(before < LEAST);
  static char piece[PIECE];
  while (vm.memory >= last) {
    last = vm.memory;
    if (most < last) most = last;
    assert_true(most < MOST);
    lua_pushlstring(L, piece, sizeof piece);
    lua_pop(L, 1);
  }
  assert_true(most > before + LEAST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_small_heap_holds_a_megabyte_of_garbage, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
