/* Restrictions of scripts that show without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "script/program/environment.h"

/* Runs a chunk in the environment. Returns the error, or "" for none. */
static const char *run(lua_State *L, const char *chunk) {
  assert_int_equal(luaL_loadstring(L, chunk), LUA_OK);
  mw_environment_push(L);
  assert_string_equal(lua_setupvalue(L, -2, 1), "_ENV");
  return lua_pcall(L, 0, 0, 0) == LUA_OK ? "" : lua_tostring(L, -1);
}

static void setmetatable_refuses_finalizers(void **state) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  assert_non_null(strstr(run(L, "setmetatable({}, {__gc = function() end})"),
                         "scripts cannot have finalizers (__gc): use a <close> variable and __close"));
  assert_non_null(strstr(run(L, "setmetatable({}, {__gc = true})"), "scripts cannot have finalizers"));
  assert_string_equal(run(L,
                          "local mt = {} local t = setmetatable({}, mt) assert(getmetatable(t) == mt)"
                          "assert(setmetatable(t, nil) == t and getmetatable(t) == nil)"),
                      "");
  assert_non_null(
      strstr(run(L, "setmetatable(setmetatable({}, {__metatable = 1}), {})"), "cannot change a protected metatable"));
  assert_non_null(strstr(run(L, "setmetatable({}, 1)"), "nil or table expected"));
  assert_non_null(strstr(run(L, "setmetatable('', {})"), "table expected"));
  lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(setmetatable_refuses_finalizers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
