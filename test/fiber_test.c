/* Fibers: waits and their ends, kills in each state, coroutines of scripts, the sandbox, require. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "script/open.h"
#include "script/program/program.h"
#include "script/state/fiber.h"

static struct mw_pool *pool;

/* ---- the scripts' module `t`: waits that the test ends, and a log ---- */

struct wait {
  struct mw_list link; /* in waits, while it is under way */
  struct mw_fiber *fiber;
};

static struct fixture {
  struct mw_loop loop;
  struct mw_vm vm;
  struct mw_program *program;
  struct mw_err err;
  struct mw_list waits; /* oldest first */
  unsigned cancelled, done;
  char log[1024];
} f;

static int l_note(lua_State *L) {
  size_t len = strlen(f.log);
  snprintf(f.log + len, sizeof f.log - len, "%s%s", len ? " " : "", luaL_tolstring(L, 1, NULL));
  return 0;
}

static struct wait *push_wait(lua_State *L, const char *what) {
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  struct wait *wait = lua_newuserdatauv(L, sizeof *wait, 0);
  wait->fiber = fiber;
  mw_list_init(&wait->link);
  mw_list_push(&f.waits, &wait->link);
  return wait;
}

static void cancel(void *arg) {
  struct wait *wait = arg;
  mw_list_remove(&wait->link);
  f.cancelled++;
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  lua_pushliteral(L, "woken");
  return 1;
}

static int after_quiet(lua_State *L, int status, lua_KContext context) {
  struct wait *wait = (struct wait *)context;
  lua_pushstring(L, wait->fiber->kill_state == MW_FIBER_ALIVE ? "woken" : "over");
  return 1;
}

static int l_wait(lua_State *L) {
  struct wait *wait = push_wait(L, "t.wait");
  return mw_fiber_wait(L, wait->fiber, cancel, wait, after_wait, 0);
}

static int l_hold(lua_State *L) {
  struct wait *wait = push_wait(L, "t.hold");
  return mw_fiber_wait(L, wait->fiber, NULL, NULL, after_wait, 0);
}

static int l_quiet(lua_State *L) {
  struct wait *wait = push_wait(L, "t.quiet");
  return mw_fiber_wait_quietly(L, wait->fiber, cancel, wait, after_quiet, (lua_KContext)wait);
}

static void push_kill(lua_State *L, void *arg) {
  lua_newtable(L);
  lua_pushstring(L, arg);
  lua_setfield(L, -2, "why");
}

/* t.wake(), t.resume(): end the oldest wait. */
static int l_wake(lua_State *L) {
  struct mw_list *node = mw_list_shift(&f.waits);
  if (node) mw_fiber_wake(MW_CONTAINER(node, struct wait, link)->fiber);
  return 0;
}

static int l_resume(lua_State *L) {
  struct mw_list *node = mw_list_shift(&f.waits);
  if (node) mw_fiber_resume(MW_CONTAINER(node, struct wait, link)->fiber);
  return 0;
}

/* t.kill(): kills the running fiber. */
static int l_kill(lua_State *L) {
  mw_fiber_kill(f.vm.running, push_kill, (void *)(uintptr_t) "itself");
  return 0;
}

static void on_done(struct mw_fiber *fiber, void *owner) {
  f.done++;
  luaL_unref(f.vm.L, LUA_REGISTRYINDEX, (int)(intptr_t)owner);
}

static int after_main(lua_State *L, int status, lua_KContext context) {
  char text[256] = "end";
  if (status != LUA_OK && status != LUA_YIELD) {
    bool killed = lua_istable(L, -1) && lua_getfield(L, -1, "why") == LUA_TSTRING;
    snprintf(text, sizeof text, "%s:%s", killed ? "killed" : "error", luaL_tolstring(L, -1, NULL));
  }
  lua_pushstring(L, text);
  lua_replace(L, 1);
  lua_settop(L, 1);
  return l_note(L);
}

static int fiber_main(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, (int)(intptr_t)lua_touserdata(L, 1));
  int status = lua_pcallk(L, 0, 0, 0, 0, after_main);
  return after_main(L, status, 0);
}

/* Pops a function and starts a fiber on it. */
static struct mw_fiber *start_top(lua_State *L) {
  void *ref = (void *)(intptr_t)luaL_ref(L, LUA_REGISTRYINDEX);
  struct mw_fiber *fiber = mw_fiber_new(&f.vm, f.program, on_done, ref);
  if (!fiber) {
    luaL_unref(L, LUA_REGISTRYINDEX, (int)(intptr_t)ref);
    luaL_error(L, "not enough memory");
  }
  mw_fiber_start(fiber, fiber_main, ref);
  return fiber;
}

static int l_spawn(lua_State *L) {
  lua_settop(L, 1);
  start_top(L);
  return 0;
}

static void open_module(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"note", l_note},   {"wait", l_wait},     {"hold", l_hold},
                                       {"quiet", l_quiet}, {"kill", l_kill},     {"spawn", l_spawn},
                                       {"wake", l_wake},   {"resume", l_resume}, {NULL, NULL}};
  luaL_newlib(L, functions);
}

/* ---- the fixture ---- */

static int open_fixture(void) {
  f = (struct fixture){.err = MW_ERR_INIT};
  mw_list_init(&f.waits);
  int rc = mw_loop_init(&f.loop, &f.err);
  if (rc != 0) return rc;
  rc = mw_vm_init(&f.vm, &f.loop, 1 << 20, &f.err);
  if (rc != 0) goto no_vm;
  rc = mw_program_new(&f.program, &f.vm, NULL, pool, 1, open_module, NULL, &f.err);
  if (rc == 0) return 0;
  mw_vm_fini(&f.vm);
no_vm:
  mw_loop_fini(&f.loop);
  mw_err_fini(&f.err);
  return rc;
}

static void close_fixture(void) {
  mw_program_retire(f.program);
  mw_vm_fini(&f.vm);
  mw_loop_fini(&f.loop);
  mw_err_fini(&f.err);
}

static int make_pool(void **state) { return mw_pool_new(&pool, mw_slice(NULL, 0), NULL); }

static int free_pool(void **state) {
  mw_pool_unref(pool);
  return 0;
}

static int setup(void **state) { return open_fixture(); }

static int teardown(void **state) {
  assert_int_equal(f.vm.n_live, 0);
  close_fixture();
  return 0;
}

struct source {
  const char *code;
  struct mw_fiber *fiber;
};

/* Compiles a chunk in the program's environment, with the module as `t`, and starts a fiber on it. */
static int start_source(lua_State *L) {
  struct source *source = lua_touserdata(L, 1);
  lua_pushfstring(L, "local t = require 'moonwire'; %s", source->code);
  if (luaL_loadbufferx(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=test", "t") != LUA_OK) return lua_error(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, f.program->env_ref);
  lua_setupvalue(L, -2, 1);
  source->fiber = start_top(L);
  return 0;
}

static struct mw_fiber *start(const char *code) {
  struct source source = {code, NULL};
  if (mw_vm_protect(&f.vm, start_source, &source, &f.err) != 0) fail_msg("%s", mw_err_text(&f.err));
  return source.fiber;
}

/* Ends the oldest wait. */
static void wake(void) {
  struct mw_list *node = mw_list_shift(&f.waits);
  assert_non_null(node);
  mw_fiber_resume(MW_CONTAINER(node, struct wait, link)->fiber);
}

/* Kills a fiber and lets it continue. */
static void kill_fiber(struct mw_fiber *fiber) {
  mw_fiber_kill(fiber, push_kill, (void *)(uintptr_t) "test");
  mw_loop_run_posts(&f.loop);
}

/* Returns the log and empties it. */
static const char *logged(void) {
  static char text[sizeof f.log];
  memcpy(text, f.log, sizeof text);
  f.log[0] = '\0';
  return text;
}

#define assert_logged(text) assert_string_equal(logged(), text)

static void collect(void) { lua_gc(f.vm.L, LUA_GCCOLLECT); }

/* ---- waits and kills ---- */

static void a_wait_suspends_until_it_is_resumed(void **state) {
  start("t.note(t.wait()) t.note(t.hold()) t.note(t.quiet())");
  assert_logged("");
  wake();
  assert_logged("woken");
  wake();
  wake();
  assert_logged("woken woken end");
  assert_int_equal(f.done, 1);
}

static void a_killed_wait_raises_once_and_unwinds(void **state) {
  struct mw_fiber *fiber = start(
      "local c <close> = setmetatable({}, {__close = function(_, e) t.note(e.why) t.note(t.wait()) end})"
      "pcall(function() t.note(t.wait()) end) t.note('swallowed')");
  kill_fiber(fiber);
  assert_int_equal(f.cancelled, 1);
  assert_logged("test");
  kill_fiber(fiber); /* a second kill has no effect */
  assert_logged("");
  wake();
  assert_logged("woken killed:test");
}

/* ---- wakes ---- */

static struct mw_fiber *waiter(void) {
  struct mw_list *node = mw_list_shift(&f.waits);
  assert_non_null(node);
  return MW_CONTAINER(node, struct wait, link)->fiber;
}

static void a_woken_fiber_goes_on_at_once_while_the_turn_has_time(void **state) {
  start("t.note(t.wait())");
  assert_true(mw_fiber_wake(waiter()));
  assert_logged("woken end");
}

static void fibers_that_are_woken_together_take_turns(void **state) {
  struct mw_fiber *woken[3];
  for (int i = 0; i < 3; i++) {
    start("t.wait() t.note('on') local last = os.clock() + 0.02 while os.clock() < last do end");
    woken[i] = waiter();
  }
  for (int i = 0; i < 3; i++) assert_int_equal(i == 0, mw_fiber_wake(woken[i]));
  assert_logged("on end");
  assert_true(mw_fiber_is_queued(woken[1]) && woken[1]->waiting);
  assert_false(mw_fiber_wake(woken[1]));
  mw_loop_run_posts_bounded(&f.loop);
  assert_logged("on end");
  mw_loop_run_posts_bounded(&f.loop);
  assert_logged("on end");
  assert_false(mw_loop_has_posts(&f.loop));
}

static void a_fiber_that_another_one_wakes_is_queued(void **state) {
  start("t.note(t.wait())");
  start("t.wake() t.note('first')");
  assert_logged("first end");
  mw_loop_run_posts(&f.loop);
  assert_logged("woken end");
}

static void a_fiber_that_is_killed_while_it_is_queued_raises_in_its_turn(void **state) {
  struct mw_fiber *fiber = start("t.note(t.wait())");
  start("t.wake() t.note('first')");
  mw_fiber_kill(fiber, push_kill, (void *)(uintptr_t) "test");
  mw_fiber_abandon(fiber, push_kill, (void *)(uintptr_t) "test");
  assert_int_equal(f.cancelled, 1);
  assert_logged("first end");
  mw_loop_run_posts(&f.loop);
  assert_logged("killed:test");
}

static void a_fiber_that_is_resumed_leaves_the_queue(void **state) {
  struct mw_fiber *fiber = start("t.note(t.wait())");
  start("t.wake()");
  mw_fiber_resume(fiber);
  assert_logged("end woken end");
  mw_loop_run_posts(&f.loop);
  assert_logged("");
}

static void an_abandoned_fiber_does_not_wait_in_close_handlers(void **state) {
  struct mw_fiber *fiber = start(
      "local function closing(f) return setmetatable({}, {__close = f}) end "
      "local a <close> = closing(function() t.note('last') end) "
      "local b <close> = closing(function() while true do pcall(t.quiet) pcall(t.wait) end end) "
      "local c <close> = closing(function() while true do t.note(t.wait()) end end) t.wait()");
  kill_fiber(fiber);
  wake();
  wake();
  assert_logged("woken woken");
  mw_fiber_abandon(fiber, push_kill, (void *)(uintptr_t) "abandoned");
  mw_loop_run_posts(&f.loop);
  assert_logged("last killed:abandoned");
  assert_true(mw_list_empty(&f.waits));
}

static void nothing_swallows_the_end(void **state) {
  static const char *const scripts[] = {
      "pcall(t.wait) t.note('swallowed')",
      "pcall(pcall, t.wait) t.note('swallowed')",
      "xpcall(t.wait, function(e) return e end) t.note('swallowed')",
      "xpcall(t.wait, function(e) return 'another error' end) t.note('swallowed')",
      "xpcall(t.wait, tostring) t.note('swallowed')",
      "xpcall(t.wait, function() error 'x' end) t.note('swallowed')",
      "coroutine.resume(coroutine.create(t.wait)) t.note('swallowed')",
      "pcall(coroutine.wrap(t.wait)) t.note('swallowed')",
      "pcall(coroutine.wrap(function() coroutine.wrap(function() pcall(t.wait) end)() end)) t.note('swallowed')",
      "for i in coroutine.wrap(function() t.wait() coroutine.yield(1) end) do t.note('swallowed') end",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    kill_fiber(start(scripts[i]));
    assert_logged("killed:test");
  }
}

static void a_running_fiber_dies_at_its_next_wait(void **state) {
  start("t.kill() t.note('goes on') t.wait() t.note('swallowed')");
  assert_logged("goes on killed:itself");
  assert_true(mw_list_empty(&f.waits));
  start("t.kill() t.hold() t.note('swallowed')");
  assert_logged(""); /* a wait that cannot be cancelled runs to its end */
  wake();
  assert_logged("killed:itself");
}

static void a_wait_without_cancel_ends_first(void **state) {
  kill_fiber(start("t.hold() t.note('swallowed')"));
  assert_int_equal(f.cancelled, 0);
  assert_logged("");
  wake();
  assert_logged("killed:test");
}

static void a_quiet_wait_returns_and_leaves_the_error_to_the_next(void **state) {
  kill_fiber(start("t.note(t.quiet()) t.note(t.quiet()) t.wait() t.note('swallowed')"));
  assert_logged("over over killed:test");
}

static void a_kill_without_memory_is_tried_again(void **state) {
  struct mw_fiber *fiber = start("t.note(pcall(t.wait)) t.wait() t.note('swallowed')");
  failmalloc_start(1, true);
  kill_fiber(fiber);
  failmalloc_stop();
  assert_int_equal(f.done, 1);
  assert_string_not_equal(logged(), "false swallowed end");
}

/* Ends the oldest wait from within `depth` nested C calls, or from the loop if Lua does not allow that depth. */
static void wake_from(int depth) {
  char script[200];
  snprintf(script, sizeof script,
           "local function deep(n) if n == 0 then return t.resume() end ('x'):gsub('x', function() deep(n - 1) end) "
           "end "
           "pcall(deep, %d)",
           depth);
  start(script);
  if (!mw_list_empty(&f.waits)) wake();
}

/* Lua allows 200 nested C calls. */
enum { SHALLOW = 150, DEEP = 210 };

static void a_fiber_goes_on_however_deep_the_one_is_that_wakes_it(void **state) {
  static const char *const scripts[] = {
      "t.wait() t.note('went on')", "coroutine.wrap(t.wait)() t.note('went on')",
      "assert(coroutine.resume(coroutine.create(coroutine.wrap(t.wait)))) t.note('went on')"};
  for (int depth = SHALLOW; depth < DEEP; depth++) {
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
      start(scripts[i]);
      wake_from(depth);
      while (f.vm.n_live > 0) uv_run(&f.loop.uv, UV_RUN_NOWAIT);
      assert_non_null(strstr(logged(), "went on end"));
    }
  }
}

static void a_killed_fiber_dies_however_deep_the_one_is_that_wakes_it(void **state) {
  for (int depth = SHALLOW; depth < DEEP; depth++) {
    kill_fiber(start("coroutine.wrap(t.hold)() t.note('swallowed')"));
    wake_from(depth);
    while (f.vm.n_live > 0) uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    assert_non_null(strstr(logged(), "killed:test"));
  }
}

/* ---- coroutines of scripts ---- */

static void generators_may_wait(void **state) {
  start("for i in coroutine.wrap(function() for i = 1, 2 do t.wait() coroutine.yield(i) end end) do t.note(i) end");
  wake();
  assert_logged("1");
  wake();
  assert_logged("2 end");
}

static void coroutines_nest(void **state) {
  start(
      "local co = coroutine.create(function(a)"
      "  local b = coroutine.wrap(function(x) t.note(t.wait()) return coroutine.yield(x + 1) end)"
      "  t.note(b(a)) t.note(b('back')) t.note(coroutine.yield('out')) error({why = 'mine'}) end)"
      "t.note(select(2, coroutine.resume(co, 1))) t.note(coroutine.status(co))"
      "local ok, e = coroutine.resume(co, 'in') t.note(e.why) t.note(coroutine.status(co))"
      "t.note(select(2, coroutine.resume(co)))");
  wake();
  assert_logged("woken 2 back out suspended in mine dead cannot resume dead coroutine end");
}

static void errors_pass_through_levels_that_waited(void **state) {
  start(
      "t.note(select(2, pcall(coroutine.wrap(function() t.wait() error('oh', 0) end))))"
      "t.note(select(2, coroutine.resume(coroutine.create(function() t.wait() error('no', 0) end))))"
      "t.note(select(2, xpcall(function() t.wait() error('h', 0) end, function(e) return e .. e end)))"
      "t.note(select('#', pcall(function(...) t.wait() return ... end, nil, nil)))"
      "t.note(select('#', xpcall(function(...) t.wait() return ... end, print, nil, nil)))");
  for (int i = 0; i < 5; i++) wake();
  assert_logged("oh no hh 3 3 end");
}

static void nobody_else_goes_on_with_a_coroutine_that_waits(void **state) {
  start(
      "local inner, main = nil, coroutine.running()"
      "t.spawn(function() main = coroutine.running() inner = coroutine.create(function() t.note(t.wait()) end)"
      "  coroutine.resume(inner) t.note('done') end)"
      "for _, co in ipairs {inner, main} do"
      "  t.note(select(2, coroutine.resume(co))) t.note(select(2, pcall(coroutine.close, co))) end");
  collect();
  assert_logged(
      "cannot resume a coroutine that waits cannot close a coroutine that waits "
      "cannot resume a coroutine that waits cannot close a coroutine that waits end");
  wake();
  assert_logged("woken done end");
}

static void the_body_of_a_fiber_is_no_coroutine(void **state) {
  start(
      "local _, main = coroutine.running() t.note(main) t.note(coroutine.isyieldable())"
      "t.note(select(2, pcall(coroutine.yield)))"
      "coroutine.wrap(function() local _, main = coroutine.running()"
      "  t.note(main) t.note(coroutine.isyieldable()) end)()");
  assert_logged("true false attempt to yield from outside a coroutine false true end");
}

static void waits_are_refused_where_lua_cannot_suspend(void **state) {
  static const char *const scripts[] = {
      "table.sort({2, 1}, function() t.wait() end)",
      "(' '):gsub('.', function() t.wait() end)",
      "load(function() t.wait() end)",
      "table.sort({2, 1}, function() coroutine.wrap(function() t.wait() end)() end)",
      "table.sort({2, 1}, function() local ok, e = pcall(t.wait) error(e, 0) end)",
      ("local co = coroutine.create(function() local c <close> = setmetatable({}, {__close = function() t.wait() end})"
       "  coroutine.yield() end) coroutine.resume(co) error(select(2, coroutine.close(co)), 0)"),
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    start(scripts[i]);
    if (i == 2) { /* load() returns the error */
      assert_logged("end");
      continue;
    }
    if (!strstr(f.log, "t.wait cannot wait here: inside a callback of table.sort")) fail_msg("%zu: %s", i, f.log);
    logged();
  }
  start("table.sort({2, 1}, function() t.spawn(function() t.note(t.wait()) end) return false end)");
  assert_logged("end"); /* a spawned fiber may wait */
  while (!mw_list_empty(&f.waits)) wake();
}

/* ---- the pool of coroutines ---- */

static int run_body(lua_State *L) {
  lua_pushliteral(L, "not handled");
  return lua_error(L);
}

static void coroutines_are_used_again_but_not_those_that_failed(void **state) {
  struct mw_fiber *first = start("t.wait()");
  wake();
  assert_int_equal(f.vm.n_idle, 1);
  assert_ptr_equal(start("t.wait()"), first);
  wake();
  struct mw_fiber *failing = mw_fiber_new(&f.vm, f.program, NULL, NULL);
  assert_ptr_equal(failing, first);
  mw_fiber_start(failing, run_body, NULL);
  assert_int_equal(f.vm.n_idle, 0);
}

static void the_pool_is_bounded(void **state) {
  enum { MANY = 5000 };
  for (int i = 0; i < MANY; i++) start("t.wait()");
  while (!mw_list_empty(&f.waits)) wake();
  assert_in_range(f.vm.n_idle, 1, 1024);
  collect();
}

static void spawning_without_end_is_an_error(void **state) {
  start("local n = 0 local function f() n = n + 1 t.spawn(f) end t.spawn(f) t.note(n > 50 and n < 300)");
  assert_non_null(strstr(f.log, "true end"));
}

/* ---- the environment ---- */

static void programs_do_not_share_libraries(void **state) {
  start(
      "string.shout = string.upper t.note(string.shout 'a') table.mine = 1 "
      "t.note(pcall(setmetatable, _G, {})) t.note(getmetatable(''))"
      "t.note(('').shout) t.note(rawget(string, 'dump'))");
  assert_logged("A false protected nil nil end");
  struct mw_program *other;
  assert_int_equal(mw_program_new(&other, &f.vm, NULL, pool, 2, open_module, NULL, NULL), 0);
  int ref = f.program->env_ref;
  f.program->env_ref = other->env_ref;
  start("t.note(string.shout) t.note(table.mine) t.note(_G == _ENV)");
  f.program->env_ref = ref;
  assert_logged("nil nil true end");
  mw_program_retire(other);
}

static void what_stops_or_blocks_the_server_is_refused(void **state) {
  static const char *const scripts[][2] = {
      {"os.exit()", "os.exit is not available to scripts: a script cannot stop the server"},
      {"io.open 'x'", "io.open is not available to scripts: it would block every call of the worker"},
      {"debug.sethook()", "debug.sethook is not available to scripts"},
      {"package.loadlib()", "package.loadlib is not available to scripts"},
      {"dofile 'x'", "dofile is not available to scripts"},
      {"loadfile 'x'", "loadfile is not available to scripts"},
      {"string.dump(print)", "string.dump is not available to scripts: only text chunks can be loaded"},
      {"collectgarbage 'stop'", "the collector belongs to the server"},
      {"x = 1", "assignment to undefined global 'x': declare it with 'local x' first"},
      {"assert(load('\\27Lua'))", "attempt to load a binary chunk"},
      {"assert(load 'x = 1')()", "assignment to undefined global 'x'"},
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    start(scripts[i][0]);
    if (!strstr(f.log, scripts[i][1])) fail_msg("%s: %s", scripts[i][0], f.log);
    logged();
  }
  start("local env = {t = t} load('t.note(1) x = 2', 'c', 't', env)() t.note(env.x) t.note(load('return 1 +'))");
  assert_logged("1 2 nil end");
}

/* ---- require ---- */

#define FILE_OF(path, module, text)                             \
  {                                                             \
    path, module, { (const uint8_t *)(text), sizeof(text) - 1 } \
  }

static void load_files(const struct mw_script_file *files, size_t n, const char *findings) {
  int rc = mw_program_load(f.program, files, n, NULL, &f.err);
  assert_string_equal(rc == 0 ? "" : mw_err_text(&f.err), findings);
  mw_err_fini(&f.err);
}

static void every_file_is_a_module_that_runs_once(void **state) {
  static const struct mw_script_file files[] = {
      FILE_OF("lua/a.lua", "a", "local t = require 'moonwire' t.note('a') t.note(...) t.note(require('util.b').x)"),
      FILE_OF("lua/c.lua", "c", "require('moonwire').note(require('util.b') == require 'util.b')"),
      FILE_OF("lua/util/b.lua", "util.b", "require('moonwire').note('b') return {x = 'x'}"),
  };
  load_files(files, 3, "");
  assert_logged("a a b x true");
  start("t.note(require 'a') t.note(select(2, pcall(require, 'util.c')))");
  assert_logged("true test:1: module 'util.c' not found in the lua folder (did you mean 'util.b'?) end");
}

static void each_file_that_fails_is_told_once(void **state) {
  static const struct mw_script_file files[] = {
      FILE_OF("lua/a.lua", "a", "require 'b'"),
      FILE_OF("lua/b.lua", "b", "\nerror 'oh'"),
      FILE_OF("lua/c.lua", "c", "x ="),
      FILE_OF("lua/d.lua", "d", "require 'e'"),
      FILE_OF("lua/e.lua", "e", "require 'd'"),
      FILE_OF("lua/f.lua", "f", "local t = require 'moonwire' t.note('f') t.wait()"),
      FILE_OF("lua/g.lua", "g", "error(setmetatable({}, {__tostring = function() return 'a table' end}))"),
  };
  load_files(files, 7,
             "lua/b.lua:2: oh\n"
             "lua/a.lua:1: module 'b' failed to load\n"
             "lua/c.lua:1: unexpected symbol near <eof>\n"
             "lua/e.lua:1: module 'd' requires itself through other modules\n"
             "lua/d.lua:1: module 'e' failed to load\n"
             "lua/f.lua:1: t.wait cannot wait here: only handlers and jobs can, not a script while it is loaded\n"
             "lua/g.lua:1: a table");
  assert_logged("f");
}

static void two_files_of_one_name_are_refused(void **state) {
  static const struct mw_script_file files[] = {
      FILE_OF("lua/a.b.lua", "a.b", ""),
      FILE_OF("lua/a/b.lua", "a.b", ""),
      FILE_OF("lua/moonwire.lua", "moonwire", ""),
  };
  load_files(files, 3,
             "lua/a/b.lua: module a.b is lua/a.b.lua already: rename one of the files\n"
             "lua/moonwire.lua: module moonwire is the server's own: rename the file");
}

/* ---- lack of memory ---- */

/* Runs all fibers to their end, even if some fail for lack of memory. Nothing may leak. */
static int scenario(void *arg) {
  static const struct mw_script_file files[] = {
      FILE_OF("lua/a.lua", "a", "local t = require 'moonwire' t.note(require 'b'.x)"),
      FILE_OF("lua/b.lua", "b", "return {x = 1}")};
  static const char code[] =
      "local c <close> = setmetatable({}, {__close = function() t.note(t.wait()) end})"
      "t.spawn(function() t.note(t.hold()) end)"
      "for i in coroutine.wrap(function() for i = 1, 2 do t.wait() coroutine.yield(i) end end) do t.note(i) end "
      "xpcall(pcall, function(e) return {} end, function() t.quiet() error {} end) t.wait()";
  int rc = open_fixture();
  if (rc != 0) return rc;
  rc = mw_program_load(f.program, files, 2, NULL, &f.err);
  struct source source = {code, NULL};
  if (rc == 0) rc = mw_vm_protect(&f.vm, start_source, &source, &f.err);
  for (int i = 0; i < 3 && !mw_list_empty(&f.waits); i++) wake();
  while (!mw_list_empty(&f.vm.live)) {
    struct mw_fiber *fiber = MW_CONTAINER(f.vm.live.next, struct mw_fiber, link);
    if (fiber->kill_state == MW_FIBER_ALIVE) {
      kill_fiber(fiber);
    } else {
      wake();
    }
  }
  bool speechless = !f.err.text; /* no memory for the text either */
  if (rc == MW_EINVAL && (speechless || strstr(f.err.text, "not enough memory"))) rc = MW_ENOMEM;
  close_fixture();
  return rc;
}

static void lack_of_memory_ends_fibers_and_loses_nothing(void **state) {
#ifdef __SANITIZE_THREAD__
  skip(); /* takes minutes under ThreadSanitizer, and there is one thread */
#endif
  failmalloc_sweep(scenario, NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_wait_suspends_until_it_is_resumed),
      TEST(a_killed_wait_raises_once_and_unwinds),
      TEST(a_woken_fiber_goes_on_at_once_while_the_turn_has_time),
      TEST(fibers_that_are_woken_together_take_turns),
      TEST(a_fiber_that_another_one_wakes_is_queued),
      TEST(a_fiber_that_is_killed_while_it_is_queued_raises_in_its_turn),
      TEST(a_fiber_that_is_resumed_leaves_the_queue),
      TEST(an_abandoned_fiber_does_not_wait_in_close_handlers),
      TEST(nothing_swallows_the_end),
      TEST(a_running_fiber_dies_at_its_next_wait),
      TEST(a_wait_without_cancel_ends_first),
      TEST(a_quiet_wait_returns_and_leaves_the_error_to_the_next),
      TEST(a_kill_without_memory_is_tried_again),
      TEST(a_fiber_goes_on_however_deep_the_one_is_that_wakes_it),
      TEST(a_killed_fiber_dies_however_deep_the_one_is_that_wakes_it),
      TEST(generators_may_wait),
      TEST(coroutines_nest),
      TEST(errors_pass_through_levels_that_waited),
      TEST(nobody_else_goes_on_with_a_coroutine_that_waits),
      TEST(the_body_of_a_fiber_is_no_coroutine),
      TEST(waits_are_refused_where_lua_cannot_suspend),
      TEST(coroutines_are_used_again_but_not_those_that_failed),
      TEST(the_pool_is_bounded),
      TEST(spawning_without_end_is_an_error),
      TEST(programs_do_not_share_libraries),
      TEST(what_stops_or_blocks_the_server_is_refused),
      TEST(every_file_is_a_module_that_runs_once),
      TEST(each_file_that_fails_is_told_once),
      TEST(two_files_of_one_name_are_refused),
      cmocka_unit_test(lack_of_memory_ends_fibers_and_loses_nothing),
  };
  return cmocka_run_group_tests(tests, make_pool, free_pool);
}
