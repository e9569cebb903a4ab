/* moonwire test: runs a folder's busted specs inside the runtime, in a worker without a listener. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/test_process.h"
#include "server/server.h"
#include "server/shared.h"

static const char help[] =
    "Runs the busted specs of the project folder DIR (the working directory by default) inside the runtime: its\n"
    "scripts are loaded, the store is in memory, and every spec runs in a fiber, so that it may call what waits.\n"
    "\n"
    "usage: moonwire test [DIR] [BUSTED OPTION]...\n"
    "\n"
    "Specs are the files spec/**/*_spec.lua, or those named. `require \"moonwire\"` gives them the Lua API,\n"
    "`require \"moonwire.test\"` processes to test against. Needs busted (Debian: lua-busted).\n"
    "Exit code: 0 when all pass, 1 when some fail, 2 for wrong usage.\n"
    "\n"
    "example:\n"
    "  moonwire test . spec/call_spec.lua\n";

struct test {
  struct mw_worker worker;
  int argc;
  char **argv; /* busted's arguments */
  int code;    /* the exit code, -1 until known */
  struct mw_post start;
};

/* os.exit: remembers the code and unwinds. Upvalue: the test. */
static int l_exit(lua_State *L) {
  struct test *test = lua_touserdata(L, lua_upvalueindex(1));
  if (lua_isboolean(L, 1)) {
    test->code = lua_toboolean(L, 1) ? MW_EXIT_OK : MW_EXIT_FAILED;
  } else {
    test->code = luaL_optinteger(L, 1, 0) == 0 ? MW_EXIT_OK : MW_EXIT_FAILED;
  }
  return luaL_error(L, "exit");
}

/* src/cli/test.lua, which runs first. */
extern const unsigned char mw_test_lua[];
extern const unsigned long mw_test_lua_len;

/* Gives the globals what the specs see. */
static void prepare(lua_State *L, struct test *test) {
  lua_createtable(L, test->argc, 1);
  for (int i = 0; i < test->argc; i++) {
    lua_pushstring(L, test->argv[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushliteral(L, "moonwire test");
  lua_rawseti(L, -2, 0);
  lua_setglobal(L, "arg");

  lua_getglobal(L, "os");
  lua_pushlightuserdata(L, test);
  lua_pushcclosure(L, l_exit, 1);
  lua_setfield(L, -2, "exit");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_rawgeti(L, LUA_REGISTRYINDEX, test->worker.programs.current->program->modules_ref);
  lua_getfield(L, -1, "moonwire");
  lua_setfield(L, -3, "moonwire");
  mw_test_process_open(L);
  lua_setfield(L, -3, "moonwire.test");
  lua_settop(L, 1);
}

static int after_busted(lua_State *L, int status, lua_KContext context) {
  struct test *test = (struct test *)context;
  if (test->code < 0) {
    bool failed = status != LUA_OK && status != LUA_YIELD;
    if (failed) fprintf(stderr, "moonwire test: %s\n", luaL_tolstring(L, -1, NULL));
    test->code = failed ? MW_EXIT_FAILED : MW_EXIT_OK;
  }
  mw_worker_drain(&test->worker);
  return 0;
}

static int add_traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* The body of the specs' fiber. */
static int test_main(lua_State *L) {
  struct test *test = lua_touserdata(L, 1);
  prepare(L, test);
  lua_pushcfunction(L, add_traceback);
  const char *code = (const char *)mw_test_lua;
  if (luaL_loadbufferx(L, code, mw_test_lua_len, "=moonwire test", "t") != LUA_OK) return lua_error(L);
  int status = lua_pcallk(L, 0, 0, 2, (lua_KContext)test, after_busted);
  return after_busted(L, status, (lua_KContext)test);
}

static void on_done(struct mw_fiber *fiber, void *owner) {}

static void start(struct mw_post *post) {
  struct test *test = MW_CONTAINER(post, struct test, start);
  struct mw_fiber *fiber = mw_fiber_new(&test->worker.vm, test->worker.programs.current->program, on_done, test);
  if (!fiber) return;
  fiber->account.slice = 0; /* specs may take their time */
  mw_fiber_start(fiber, test_main, test);
}

static int run(struct test *test, const struct mw_settings *settings, struct mw_err *err) {
  struct mw_generation *generation;
  int rc = mw_generation_read(&generation, ".", 1, NULL, err);
  if (rc != 0) return rc;
  struct mw_shared shared;
  rc = mw_shared_open(&shared, settings, ".", generation, err);
  mw_generation_unref(generation);
  if (rc != 0) return rc;
  mw_worker_init(&test->worker, &shared, 0);
  rc = mw_worker_open(&test->worker, err);
  if (rc == 0) {
    mw_loop_post(&test->worker.loop, &test->start);
    mw_worker_run(&test->worker);
    mw_worker_close(&test->worker);
  }
  mw_worker_fini(&test->worker);
  mw_shared_close(&shared);
  return rc;
}

static int test_folder(struct test *test) {
  struct mw_settings settings;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_settings_init(&settings, ".");
  if (rc == 0) rc = mw_settings_read(&settings, ".", &err);
  if (rc == 0) rc = mw_settings_set(&settings.data, ":memory:");
  const char *engine = getenv("MOONWIRE_TEST_ENGINE");
  if (rc == 0 && engine) rc = mw_settings_set(&settings.engine, engine);
  settings.workers = 1;
  settings.grace = 0;
  if (rc == 0) rc = run(test, &settings, &err);
  if (rc != 0) {
    fprintf(stderr, "moonwire test: %s\n", err.text ? err.text : mw_err_name(rc));
    test->code = MW_EXIT_FAILED;
  }
  mw_settings_fini(&settings);
  mw_err_fini(&err);
  return test->code;
}

int mw_cli_test(int argc, char **argv) {
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(help, stdout);
    return MW_EXIT_OK;
  }
  int first = argc > 1 && argv[1][0] != '-' ? 2 : 1;
  const char *dir = first == 2 ? argv[1] : ".";
  if (chdir(dir) != 0) {
    fprintf(stderr, "moonwire test: %s: %s\n", dir, strerror(errno));
    return MW_EXIT_USAGE;
  }
  signal(SIGPIPE, SIG_IGN);
  struct test test = {.argc = argc - first, .argv = argv + first, .code = -1, .start.run = start};
  return test_folder(&test);
}
