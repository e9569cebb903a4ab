/* Metatables of the bindings: made once for a state, and complete after a lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "bind/base/bind.h"

static int l_answer(lua_State *L) {
  lua_pushinteger(L, 42);
  return 1;
}

/* Returns its first upvalue, the table of methods. */
static int l_methods(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

static const luaL_Reg methods[] = {{"answer", l_answer}, {"other", l_answer}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__call", l_methods}, {"__gc", l_answer}, {NULL, NULL}};
static const luaL_Reg indexing[] = {{"__index", l_answer}, {NULL, NULL}};

static void *allocate(void *arg, void *old, size_t old_size, size_t size) {
  if (size > 0) return realloc(old, size);
  free(old);
  return NULL;
}

static int push_type(lua_State *L) {
  mw_bind_push_type(L, "moonwire.Test", methods, metamethods);
  return 1;
}

static void assert_complete(lua_State *L) {
  assert_true(lua_getfield(L, -1, "__name") == LUA_TSTRING);
  assert_string_equal(lua_tostring(L, -1), "moonwire.Test");
  assert_int_equal(lua_getfield(L, -2, "__gc"), LUA_TFUNCTION);
  assert_int_equal(lua_getfield(L, -3, "__call"), LUA_TFUNCTION);
  lua_call(L, 0, 1);
  assert_int_equal(lua_getfield(L, -4, "__index"), LUA_TTABLE);
  assert_true(lua_rawequal(L, -1, -2));
  assert_int_equal(lua_getfield(L, -1, "answer"), LUA_TFUNCTION);
  assert_int_equal(lua_getfield(L, -2, "other"), LUA_TFUNCTION);
  lua_pop(L, 6);
}

static void a_state_makes_a_type_once(void **state) {
  lua_State *L = lua_newstate(allocate, NULL);
  push_type(L);
  assert_complete(L);
  push_type(L);
  assert_true(lua_rawequal(L, -1, -2));
  lua_close(L);
}

static void a_type_without_methods_has_no_index(void **state) {
  lua_State *L = lua_newstate(allocate, NULL);
  mw_bind_push_type(L, "moonwire.None", NULL, NULL);
  assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TNIL);
  assert_int_equal(lua_gettop(L), 2);
  lua_close(L);
}

static void an_index_among_the_metamethods_replaces_the_methods(void **state) {
  lua_State *L = lua_newstate(allocate, NULL);
  mw_bind_push_type(L, "moonwire.Own", methods, indexing);
  assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TFUNCTION);
  assert_int_equal(lua_gettop(L), 2);
  lua_close(L);
}

/* After any failed allocation, the next push returns the complete metatable. */
static void a_type_is_complete_after_a_failed_allocation(void **state) {
  size_t failures = 0;
  for (size_t nth = 1;; nth++) {
    lua_State *L = lua_newstate(allocate, NULL);
    lua_pushcfunction(L, push_type);
    failmalloc_start(nth, true);
    int rc = lua_pcall(L, 0, 1, 0);
    size_t failed = failmalloc_stop();
    lua_settop(L, 0);
    push_type(L);
    assert_complete(L);
    lua_close(L);
    if (failed == 0) break;
    assert_int_equal(rc, LUA_ERRMEM);
    failures++;
  }
  assert_true(failures > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_state_makes_a_type_once),
      cmocka_unit_test(a_type_without_methods_has_no_index),
      cmocka_unit_test(an_index_among_the_metamethods_replaces_the_methods),
      cmocka_unit_test(a_type_is_complete_after_a_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
