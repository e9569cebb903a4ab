/* The pattern functions of src/script return the same results as Lua's own, or raise the same error, unless the budget
 * is exceeded.
 *
 * An input: the function, the start index, the lengths of pattern and replacement; then these two, and the subject. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/open.h"
#include "script/state/vm.h"

enum { HEAD = 4, PATTERN = 32, SUBJECT = 256, SLICE_NS = 20 * MW_NS_PER_MS };

static const char script[] =
    "local how, first, pattern, replacement, subject = ...\n"
    "local out = {}\n"
    "local function add(...)\n"
    "  for i = 1, select('#', ...) do out[#out + 1] = type((select(i, ...))) .. ':' .. tostring((select(i, ...))) end\n"
    "end\n"
    "how = how % 8\n"
    "if how == 0 then add(string.find(subject, pattern, first))\n"
    "elseif how == 1 then add(string.find(subject, pattern, first, true))\n"
    "elseif how == 2 then add(string.match(subject, pattern, first))\n"
    "elseif how == 3 then for a, b in string.gmatch(subject, pattern, first) do add(a, b) end\n"
    "elseif how == 4 then add(string.gsub(subject, pattern, replacement))\n"
    "elseif how == 5 then add(string.gsub(subject, pattern, { a = 1, b = false, [replacement] = 'r', [1] = {} }))\n"
    "elseif how == 6 then add(string.gsub(subject, pattern, function(a, b) add(a, b) return b and a end))\n"
    "else add(string.gsub(subject, pattern, replacement, first)) end\n"
    "return table.concat(out, '\\0')\n";

static struct mw_loop loop;
static struct mw_vm vm;
static lua_State *oracle;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  oracle = luaL_newstate();
  if (!oracle || mw_loop_init(&loop, NULL) != 0 || mw_vm_init(&vm, &loop, SIZE_MAX, NULL) != 0) abort();
  luaL_openlibs(oracle);
  if (luaL_loadstring(oracle, script) != LUA_OK || luaL_loadstring(vm.L, script) != LUA_OK) abort();
  return 0;
}

static const char *push(lua_State *L, const uint8_t *data, size_t len) {
  return lua_pushlstring(L, (const char *)data, len);
}

/* Frees the garbage of a run: libFuzzer checks for leaks after each run that frees less than it allocates. */
static void clean_up(lua_State *L) {
  lua_settop(L, 1);
  lua_gc(L, LUA_GCCOLLECT);
}

/* Runs the script. Leaves the result, or the error, at index 2. */
static int run(lua_State *L, const uint8_t *data, size_t size) {
  size_t pattern = data[2] % PATTERN, replacement = data[3] % PATTERN;
  const uint8_t *rest = data + HEAD;
  size_t left = size - HEAD;
  if (pattern > left) pattern = left;
  if (replacement > left - pattern) replacement = left - pattern;
  lua_pushvalue(L, 1);
  lua_pushinteger(L, data[0]);
  lua_pushinteger(L, (int8_t)data[1]);
  push(L, rest, pattern);
  push(L, rest + pattern, replacement);
  push(L, rest + pattern + replacement, left - pattern - replacement);
  return lua_pcall(L, 5, 1, 0);
}

static void compare(int status, const uint8_t *data, size_t size) {
  size_t len, wanted_len;
  if (run(oracle, data, size) != status) abort();
  const char *got = lua_tolstring(vm.L, 2, &len), *wanted = lua_tolstring(oracle, 2, &wanted_len);
  if (!got || !wanted || len != wanted_len || memcmp(got, wanted, len) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEAD || size > HEAD + 2 * PATTERN + SUBJECT) return 0;
  struct mw_account account;
  mw_account_open(&account, SLICE_NS);
  vm.account = &account;
  vm.current = vm.L;
  int status = run(vm.L, data, size);
  vm.account = NULL;
  vm.current = NULL;
  mw_account_close(&account, vm.L);
  if (account.cut == MW_CUT_NONE) compare(status, data, size);
  clean_up(vm.L);
  clean_up(oracle);
  return 0;
}
