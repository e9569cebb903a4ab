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

static void assert_whole(lua_State *L) {
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

static void is_made_once(void **state) {
  lua_State *L = lua_newstate(allocate, NULL);
  push_type(L);
  assert_whole(L);
  push_type(L);
  assert_true(lua_rawequal(L, -1, -2));
  lua_close(L);
}

static void may_lack_methods_or_bring_its_own_index(void **state) {
  lua_State *L = lua_newstate(allocate, NULL);
  mw_bind_push_type(L, "moonwire.None", NULL, NULL);
  assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TNIL);
  mw_bind_push_type(L, "moonwire.Own", methods, indexing);
  assert_int_equal(lua_getfield(L, -1, "__index"), LUA_TFUNCTION);
  assert_int_equal(lua_gettop(L), 4);
  lua_close(L);
}

/* After any failed allocation, the next push returns the complete metatable. */
static void is_whole_after_memory_has_ended(void **state) {
  size_t failures = 0;
  for (size_t nth = 1;; nth++) {
    lua_State *L = lua_newstate(allocate, NULL);
    lua_pushcfunction(L, push_type);
    failmalloc_start(nth, true);
    int rc = lua_pcall(L, 0, 1, 0);
    size_t failed = failmalloc_stop();
    lua_settop(L, 0);
    push_type(L);
    assert_whole(L);
    lua_close(L);
    if (failed == 0) break;
    assert_int_equal(rc, LUA_ERRMEM);
    failures++;
  }
  assert_true(failures > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_made_once),
      cmocka_unit_test(may_lack_methods_or_bring_its_own_index),
      cmocka_unit_test(is_whole_after_memory_has_ended),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
