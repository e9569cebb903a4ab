/* The scripts' libraries string and table return the same results and errors as Lua's. os reads the clock of
 * mw.time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "script/state/vm.h"
#include "script/open.h"

static const char prelude[] =
    "local function results(f, ...)\n"
    "  local r = table.pack(pcall(f, ...))\n"
    "  for i = 1, r.n do r[i] = math.type(r[i]) == 'float' and r[i] or tostring(r[i]) end\n"
    "  if r[1] == 'true' then return table.concat(r, '|') end\n"
    "  return (table.concat(r, '|'):gsub('reference%.', ''):gsub('string%.', ''))\n"
    "end\n"
    "local function all(library, s, p, init)\n"
    "  local r = {}\n"
    "  local ok, message = pcall(function()\n"
    "    for a, b, c in library.gmatch(s, p, init) do\n"
    "      r[#r + 1] = tostring(a) .. ',' .. tostring(b) .. ',' .. tostring(c)\n"
    "    end\n"
    "  end)\n"
    "  return table.concat(r, ';') .. tostring(ok) .. tostring(message):gsub('^.*:%d+: ', '')\n"
    "end\n"
    "function same(name, ...)\n"
    "  local expected, got = results(reference[name], ...), results(string[name], ...)\n"
    "  if expected == got then return end\n"
    "  local args = table.pack(...)\n"
    "  for i = 1, args.n do args[i] = ('%q'):format(tostring(args[i])) end\n"
    "  error(name .. '(' .. table.concat(args, ', ') .. '): expected ' .. expected .. ', got ' .. got)\n"
    "end\n"
    "function same_all(s, p, init)\n"
    "  local upper = function(x, y) return x and tostring(x):upper() .. tostring(y) end\n"
    "  same('find', s, p, init) same('match', s, p, init) same('find', s, p, init, true)\n"
    "  same('gsub', s, p, '<%0>') same('gsub', s, p, '%1%%', 2) same('gsub', s, p, upper)\n"
    "  same('gsub', s, p, {a = 'A', b = 1, ab = false, [1] = 'first'})\n"
    "  local expected, got = all(reference, s, p, init), all(string, s, p, init)\n"
    "  if expected ~= got then error(('gmatch(%q, %q): expected %s, got %s'):format(s, p, expected, got)) end\n"
    "end\n";

static const char chosen[] =
    "local subjects = {'', 'a', 'hello world', 'THE (quick) fox', '  trim  ', 'key = value', 'a.b.c', 'x\\0y\\0', "
    "'((a)(b))',\n"
    "  '2026-11-21', 'aaa', 'abcabc', '%d', 'f(a(b)c)d)', '[x]', 'a-b', '\\xff\\xfe', ('ab'):rep(50)}\n"
    "local patterns = {'', '.', 'a', '^a', 'a$', '^$', '$', '^', '%a+', '%A', '%s*', '(%w+)', '^%s*(.-)%s*$', "
    "'(%w+)%s*=%s*(%w+)',\n"
    "  '()', '()a()', '%b()', '%b', '%bx', '%f[%w]%w+', '%f[^%w]', '%f', '%fa', '[a-c]', '[^a-c]+', '[]]', '[^]]', "
    "'[a-]', '[%a-z]', '[',\n"
    "  '[a', '[%', '%', '(', ')', '(()', '(a', 'a)', '%1', '(a)%1', '(a*)%1', '()%1', '(%a)(%a)%2%1', '%0', '%9', "
    "'.-', '.-b', 'a?b?', 'a-', 'a+', '-',\n"
    "  '*', '+', '?', '^*', '**', '%z', '%c', '%g+', '%x+', '%p', '%u%l', '%W', '[%w_]+', '[%]]', 'x\\0', '%\\0', "
    "'(%d+)-(%d+)-(%d+)', '(((((((((a)))))))))',\n"
    "  ('(a)'):rep(33), ('('):rep(32), '(.)(.)', '[a-%%]', '[^%d]', '%.%%', '^^', '$$', 'a$b', '[[]', '[]', '[^', "
    "'[^]'}\n"
    "for _, s in ipairs(subjects) do\n"
    "  for _, p in ipairs(patterns) do\n"
    "    for _, init in ipairs {1, 2, -1, 0, -100, 100} do same_all(s, p, init) end\n"
    "  end\n"
    "end\n"
    "for _, r in ipairs {'%', '%2', 'a%', '%a', '%1%0%%', '', 'x\\0y', 5, 1.5, true} do\n"
    "  same('gsub', 'abc', '%w', r) same('gsub', 'abc', '()', r) same('gsub', 'abc', '(a)(b)', r) same('gsub', 'abc', "
    "'x*', r)\n"
    "end\n"
    "same('gsub', 'abc', '%w', function() return {} end) same('gsub', 'abc', '%w', {a = print and {}}) same('gsub', "
    "'abc', 'b', 'x', -1)\n"
    "same('find', ('a'):rep(250), ('a?'):rep(250)) same('find', ('a'):rep(199), ('a?'):rep(199))\n"
    "same('gsub', 'abc', 'b') same('gsub', 'abc', '', '-') same('gsub', 'abc', '^', '-') same('gsub', 'hello', '', "
    "'', 3)\n"
    "same('gsub', 'abc', '%w', setmetatable({}, {__index = function(_, k) return k .. k end}))\n"
    "same('find', nil) same('find', 'a') same('match', {}, 'a') same('gmatch', 'a') same('gsub', 'a', 'a', nil) "
    "same('find', 'a', 'a', 'x')\n"
    "same('find', 12, 2) same('find', 'a', '', 2) same('find', 'a', '', 3) same('find', 'a\\0b', 'b', 1, true) "
    "same('find', 'a', 'a', 1, 1)\n"
    "for _, s in ipairs {'', 'a', 'abc', ('x'):rep(3000)} do\n"
    "  for _, n in ipairs {-1, 0, 1, 2, 3, 1000, 1 << 40, math.maxinteger} do\n"
    "    for _, between in ipairs {'', ',', 'long'} do\n"
    "      if #s + #between > 0 then same('rep', s, n, between) end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "assert((''):rep(math.maxinteger) == '')\n"
    "assert(#('abc'):rep(1 << 20, '-') == 4 * (1 << 20) - 1 and not ('abc'):rep(1 << 20, '-'):find('[^abc-]'))\n"
    "same('rep') same('rep', 'x', 1.5) same('rep', 'x', 2, {})\n";

static const char at_random[] =
    "math.randomseed(20261121)\n"
    "local parts = {'a', 'b', '.', '%a', '%d', '%s', '%w', '%A', '[ab]', '[^a]', '[a-c]', '(', ')', '()', '*', '+', "
    "'-', '?', '^', '$', '%1', '%b()',\n"
    "  '%f[a]', '%f[^b]', '%', '[', ']', '1', ' ', '%%', '%.', '\\0'}\n"
    "local letters = {'a', 'b', 'c', '1', ' ', '(', ')', '.', '%', '\\0', 'A', ']'}\n"
    "local function text(from, most)\n"
    "  local t = {}\n"
    "  for i = 1, math.random(0, most) do t[i] = from[math.random(#from)] end\n"
    "  return table.concat(t)\n"
    "end\n"
    "for _ = 1, 30000 do same_all(text(letters, 12), text(parts, 7), math.random(-3, 5)) end\n";

/* Runs each function on a plain table, and on one that logs reads and writes. */
static const char tables[] =
    "local function proxy(t, log)\n"
    "  return setmetatable({}, {__len = function() return #t end,\n"
    "    __index = function(_, k) log[#log + 1] = 'r' .. tostring(k) return t[k] end,\n"
    "    __newindex = function(_, k, v) log[#log + 1] = 'w' .. tostring(k) .. tostring(v) t[k] = v end})\n"
    "end\n"
    "local function run(library, name, build, ...)\n"
    "  local t, log = build(), {}\n"
    "  local r = table.pack(pcall(library[name], t, ...))\n"
    "  local p = table.pack(pcall(library[name], proxy(build(), log), ...))\n"
    "  local out = {}\n"
    "  for i = 1, r.n do out[#out + 1] = r[i] == t and 'same' or tostring(r[i]) end\n"
    "  for i = 1, p.n do out[#out + 1] = type(p[i]) == 'table' and 'table' or tostring(p[i]) end\n"
    "  for i = -2, 12 do out[#out + 1] = tostring(t[i]) end\n"
    "  if name ~= 'sort' then table.move(log, 1, #log, #out + 1, out) end\n"
    "  local text = table.concat(out, ' '):gsub('table_reference%.', ''):gsub('table%.', '')\n"
    "  return (text:gsub(\"#1 to 'remove' %(pos\", \"#2 to 'remove' (pos\"))\n" /* early versions of 5.4 miscount */
    "end\n"
    "local function same_table(name, values, ...)\n"
    "  local function build() return table.move(values, 1, #values, 1, {}) end\n"
    "  local expected, got = run(table_reference, name, build, ...), run(table, name, build, ...)\n"
    "  if expected ~= got then error(name .. ': expected ' .. expected .. ', got ' .. got) end\n"
    "end\n"
    "for _, values in ipairs {{}, {1}, {1, 2, 3}, {'a', 'b', 'c', 'd', 'e'}, {1, {}, 2}} do\n"
    "  same_table('insert', values, 'x') same_table('insert', values) same_table('insert', values, 1, 2, 3)\n"
    "  same_table('remove', values) same_table('unpack', values) same_table('concat', values) same_table('concat', "
    "values, ', ', 2, 9)\n"
    "  same_table('concat', values, {}) same_table('sort', values) same_table('sort', values, 5)\n"
    "  for _, at in ipairs {-1, 0, 1, 2, 3, 5, 6, 7, 1.5, 'x', math.maxinteger, math.mininteger} do\n"
    "    same_table('insert', values, at, 'x') same_table('remove', values, at) same_table('concat', values, '-', at, "
    "3)\n"
    "    same_table('concat', values, '-', math.maxinteger, at)\n"
    "    same_table('unpack', values, at, 5) same_table('unpack', values, 2, at) same_table('unpack', values, at)\n"
    "    same_table('unpack', values, at, at)\n"
    "    same_table('move', values, 1, 3, at) same_table('move', values, 2, 3, at, {}) same_table('move', values, at, "
    "1, 1)\n"
    "  end\n"
    "end\n"
    "for _, name in ipairs {'insert', 'remove', 'move', 'concat', 'sort', 'unpack'} do\n"
    "  for _, v in ipairs {1, 'x', setmetatable({}, {__len = function() return 'x' end})} do\n"
    "    local _, expected = pcall(table_reference[name], v, 1, 1, 1) local _, got = pcall(table[name], v, 1, 1, 1)\n"
    "    expected, got = tostring(expected):gsub('table_reference%.', ''), tostring(got):gsub('table%.', '')\n"
    "    assert(expected:gsub('table: .*', '') == got:gsub('table: .*', ''), expected .. got)\n"
    "  end\n"
    "end\n"
    "math.randomseed(20261121)\n"
    "for n = 0, 600 do\n"
    "  local a, b = {}, {}\n"
    "  for i = 1, n do a[i] = math.random(n % 7 == 0 and 3 or n) b[i] = a[i] end\n"
    "  local before = n % 2 == 0 and function(x, y) return x > y end or nil\n"
    "  table.sort(a, before) table_reference.sort(b, before)\n"
    "  assert(table.concat(a, ' ') == table.concat(b, ' '))\n"
    "  table.sort(a) for i = 2, n do assert(a[i - 1] <= a[i]) end\n"
    "  pcall(table.sort, a, function() return true end) pcall(table.sort, a, function() return math.random(2) == 1 "
    "end)\n"
    "end\n"
    "local _, why = pcall(table.sort, {1, 2, 3, 4, 5, 6}, function() return true end)\n"
    "assert(why:find('invalid order function for sorting', 1, true), why)\n";

/* %q of long strings, which the project quotes, and of short ones, which Lua quotes. */
static const char formats[] =
    "local every = {}\n"
    "for i = 0, 255 do every[i + 1] = string.char(i) .. i % 10 .. string.char(i) end\n"
    "every = table.concat(every)\n"
    "for _, s in ipairs {'', 'a', '\\0', '\\0001', every, every:rep(100), ('\\n'):rep(65536), ('x'):rep(65535)} do\n"
    "  for _, f in ipairs {'%q', '%q|%q', '%s%q', '%%q', '%%%q', '%5q', '%-q', '%q%', 'no', '', '%d%q', '%q%q%q', "
    "'%s'} do\n"
    "    same('format', f, s) same('format', f, s, s) same('format', f, 1, s) same('format', f, s, 1, s)\n"
    "  end\n"
    "end\n"
    "same('format') same('format', {}) same('format', '%q', {}) same('format', '%q', 1.5) same('format', '%d', 'x') "
    "same('format', 12)\n"
    "same('pack', 'i4', 1) same('pack', {}) same('pack') same('packsize', 'i4i4') same('packsize', 's') "
    "same('unpack', 'i4', 'abcd')\n"
    "same('unpack', 'i4', 'a') same('unpack')\n"
    "for name, f in pairs {format = string.format, pack = string.pack, packsize = string.packsize, unpack = "
    "string.unpack, date = os.date} do\n"
    "  local _, why = pcall(f, (' '):rep(262145))\n"
    "  assert(why:find('^bad argument #1 to .*' .. name .. \"' %(format too long, expected at most 262144 "
    "bytes%)$\"), why)\n"
    "end\n"
    "local _, why = pcall(string.format, ('%%'):rep(4097))\n"
    "assert(why:find(\"too many items in the format, expected at most 8192 '%'\", 1, true), why)\n"
    "assert(#string.format(('%%'):rep(4096)) == 4096)\n"
    "assert(#string.format((' '):rep(262144)) == 262144 and #os.date() > 0)\n";

static struct mw_loop loop;
static struct mw_vm vm;

static int setup(void **state) {
  struct mw_err err = MW_ERR_INIT;
  if (mw_loop_init(&loop, &err) != 0 || mw_vm_init(&vm, &loop, 1 << 20, &err) != 0) return -1;
  luaL_requiref(vm.L, "reference", luaopen_string, 1); /* this changes the metatable of strings */
  luaL_requiref(vm.L, "table_reference", luaopen_table, 1);
  lua_pushliteral(vm.L, "");
  lua_getmetatable(vm.L, -1);
  lua_getglobal(vm.L, "string");
  lua_setfield(vm.L, -2, "__index");
  lua_settop(vm.L, 0);
  return 0;
}

static int teardown(void **state) {
  mw_vm_fini(&vm);
  mw_loop_fini(&loop);
  return 0;
}

static void run(const char *source) {
  if (luaL_dostring(vm.L, prelude) != LUA_OK || luaL_dostring(vm.L, source) != LUA_OK) {
    fail_msg("%s", lua_tostring(vm.L, -1));
  }
}

static void chosen_patterns_give_the_same(void **state) { run(chosen); }

static void random_patterns_give_the_same(void **state) { run(at_random); }

static void tables_are_changed_the_same(void **state) { run(tables); }

static void formats_give_the_same(void **state) { run(formats); }

static void os_reads_the_clock_of_mw_time(void **state) {
  mw_clock_stop(INT64_C(1700000000) * MW_NS_PER_S + 999999999);
  run("assert(os.time() == 1700000000)\n"
      "assert(os.date '!%Y-%m-%dT%H:%M:%S' == '2023-11-14T22:13:20')\n"
      "assert(os.date() == os.date('%c', 1700000000))\n"
      "assert(os.time {year = 2001, month = 2, day = 3} - os.time {year = 2001, month = 2, day = 2} == 86400)\n"
      "assert(os.date('!%H', 7200) == '02')");
  mw_clock_go();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(chosen_patterns_give_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(random_patterns_give_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(tables_are_changed_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(formats_give_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(os_reads_the_clock_of_mw_time, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
