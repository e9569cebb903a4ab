/* moonwire test: runs the busted specs of a folder inside the runtime, in a worker without a listener. */
#include "cli/test/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/call/service.h"
#include "bind/job.h"
#include "bind/open.h"
#include "cli/base/cli.h"
#include "cli/test/test_process.h"
#include "engine/inproc/inproc.h"
#include "observe/log_output.h"
#include "script/lua/traceback.h"
#include "server/server.h"
#include "server/worker/worker_shared.h"

static const char help[] =
    "Runs the busted specs of the project folder DIR (the working directory by default) inside the runtime. Each test\n"
    "begins with the folder's scripts freshly loaded and an empty store in memory, and may call functions that wait.\n"
    "\n"
    "usage: moonwire test [DIR] [--timeout S] [BUSTED OPTION]...\n"
    "\n"
    "  --timeout S  seconds that one test may take, 0 for no limit (test.seconds of DIR/moonwire.lua, or 60)\n"
    "\n"
    "Specs are the files spec/**/*_spec.lua, or those named. `require \"moonwire\"` gives them the Lua API,\n"
    "`require \"moonwire.test\"` the folder's handlers without a network, a clock that specs move, and servers to\n"
    "test against; see docs/testing.md. Needs busted (Debian: lua-busted).\n"
    "Exit code: 0 when all pass, 1 when some fail, 2 for wrong usage, 130 after SIGINT, which reports the test that "
    "runs\n"
    "and the place where it waits.\n"
    "\n"
    "example:\n"
    "  moonwire test . spec/call_spec.lua\n";

enum { LOG_MAX = 16 * 1024 * 1024 }; /* bytes kept of a test's log */

/* os.exit: stores the code and unwinds. Upvalue: the test. */
static int l_exit(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  if (lua_isboolean(L, 1)) {
    test->code = lua_toboolean(L, 1) ? MW_EXIT_OK : MW_EXIT_FAILED;
  } else {
    test->code = luaL_optinteger(L, 1, 0) == 0 ? MW_EXIT_OK : MW_EXIT_FAILED;
  }
  return luaL_error(L, "exit");
}

/* src/cli/test/test.lua, which runs first. */
extern const unsigned char mw_test_lua[];
extern const unsigned long mw_test_lua_len;

/* Sets the globals and modules of the specs. */
static void prepare(lua_State *L, struct mw_test *test) {
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
  lua_rawgeti(L, LUA_REGISTRYINDEX, test->specs->modules_ref);
  lua_getfield(L, -1, "moonwire");
  lua_setfield(L, -3, "moonwire");
  mw_test_process_open(L);
  mw_test_clock_open(L, test);
  mw_test_watch_open(L, test);
  mw_test_world_open(L, test);
  mw_test_inspect_open(L, test);
  lua_setfield(L, -3, "moonwire.test");
  lua_settop(L, 1);
}

/* Reports why the specs have ended: an error of busted's at the top of the stack, or a test that ran without
 * waiting. */
static void report_end(lua_State *L, struct mw_test *test) {
  const struct mw_account *account = &test->fiber->account;
  if (account->cut && test->interrupted) {
    mw_test_report_interrupt(test, "runs", account->place);
  } else if (account->cut && test->name.len > 0) {
    fprintf(stderr, "moonwire test: %s runs on at %s: %s\n", mw_buf_str(&test->name), account->place,
            luaL_tolstring(L, -1, NULL));
  } else {
    fprintf(stderr, "moonwire test: %s\n", luaL_tolstring(L, -1, NULL));
  }
}

static int after_busted(lua_State *L, int status, lua_KContext context) {
  struct mw_test *test = (struct mw_test *)context;
  if (test->code < 0) {
    bool failed = status != LUA_OK && status != LUA_YIELD;
    if (failed) report_end(L, test);
    if (test->code < 0) test->code = failed ? MW_EXIT_FAILED : MW_EXIT_OK;
  }
  mw_test_watch_stop(test);
  mw_test_clock_release(test);
  mw_bind_stop_jobs(test->specs, MW_JOBS_ALL);
  mw_worker_drain(&test->worker);
  return 0;
}

static int add_traceback(lua_State *L) {
  mw_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* The main function of the specs' fiber. */
static int test_main(lua_State *L) {
  struct mw_test *test = lua_touserdata(L, 1);
  prepare(L, test);
  lua_pushcfunction(L, add_traceback);
  const char *code = (const char *)mw_test_lua;
  if (luaL_loadbufferx(L, code, mw_test_lua_len, "=moonwire test", "t") != LUA_OK) return lua_error(L);
  int status = lua_pcallk(L, 0, 0, 2, (lua_KContext)test, after_busted);
  return after_busted(L, status, (lua_KContext)test);
}

static void on_done(struct mw_fiber *fiber, void *owner) {}

static void start(struct mw_post *post) {
  struct mw_test *test = MW_CONTAINER(post, struct mw_test, start);
  struct mw_fiber *fiber = mw_fiber_new(&test->worker.vm, test->specs, on_done, test);
  if (!fiber) return;
  mw_test_watch_start(test, fiber);
  mw_fiber_start(fiber, test_main, test);
}

/* Keeps the line for test.logs(). */
static bool keep_line(void *arg, const char *line, size_t len) {
  struct mw_test *test = arg;
  pthread_mutex_lock(&test->log_lock);
  if (test->log.len + len < LOG_MAX && mw_buf_append(&test->log, line, len) == 0) mw_buf_putc(&test->log, '\n');
  bool taken = test->quiet;
  pthread_mutex_unlock(&test->log_lock);
  return taken;
}

/* Runs the specs in the open worker: makes their program and the engine that calls handlers, and returns when all have
 * ended. */
static int run_specs(struct mw_test *test, struct mw_err *err) {
  struct mw_worker *worker = &test->worker;
  struct mw_engine_config config = {
      .loop = &worker->loop, .dispatch = &worker->dispatch, .max_receive_bytes = test->shared->settings->message_bytes};
  int rc = mw_engine_inproc.open(&config, &test->inproc, err);
  if (rc != 0) return rc;
  rc = mw_bind_program_new(&test->specs, &worker->vm, &worker->host, test->generation->pool, test->generation->number,
                           err);
  if (rc != 0) return rc;
  mw_loop_post(&worker->loop, &test->start);
  mw_worker_run(worker);
  mw_bind_retire(test->specs);
  return 0;
}

static int run(struct mw_test *test, struct mw_err *err) {
  const struct mw_overrides overrides = {.data = ":memory:",
                                         .engine = getenv("MOONWIRE_TEST_ENGINE"),
                                         .workers = 1,
                                         .no_grace = true,
                                         .copied_from = test->copied_from};
  struct mw_generation *generation;
  int rc = mw_generation_read(&generation, ".", 1, NULL, &overrides, err);
  if (rc != 0) return rc;
  struct mw_worker_shared shared;
  rc = mw_worker_shared_open(&shared, ".", generation, err);
  mw_generation_unref(generation);
  if (rc != 0) return rc;
  test->shared = &shared;
  test->generation = generation; /* `shared` has a reference */
  if (test->limit < 0) test->limit = mw_duration_from_seconds(generation->settings.test_seconds);
  mw_worker_init(&test->worker, &shared, 0);
  rc = mw_worker_open(&test->worker, err);
  if (rc == 0) {
    mw_log_set_tap(keep_line, test);
    rc = run_specs(test, err);
    mw_worker_close(&test->worker);
    mw_log_set_tap(NULL, NULL);
    if (test->inproc) test->inproc->ops->close(test->inproc);
    mw_test_close_stores(test, true);
  }
  mw_worker_fini(&test->worker);
  mw_worker_shared_close(&shared);
  return rc;
}

static int test_folder(struct mw_test *test) {
  struct mw_err err = MW_ERR_INIT;
  int rc = run(test, &err);
  if (rc != 0) {
    fprintf(stderr, "moonwire test: %s\n", err.text ? err.text : mw_err_name(rc));
    test->code = MW_EXIT_FAILED;
  }
  mw_err_fini(&err);
  return test->code;
}

/* Options of a server's spec gate (server/generation/spec_gate.h): moonwire test --of=PID --copied-from=PROJECT DIR
 * ... */
static const char of[] = "--of=", copied_from[] = "--copied-from=";

/* Removes --timeout S from busted's arguments. Reports a wrong value and returns false. */
static bool take_timeout(struct mw_test *test) {
  static const char name[] = "--timeout";
  int kept = 0;
  for (int i = 0; i < test->argc; i++) {
    const char *arg = test->argv[i], *value = NULL;
    if (strncmp(arg, "--timeout=", sizeof name) == 0) value = arg + sizeof name;
    if (strcmp(arg, name) == 0) value = i + 1 < test->argc ? test->argv[++i] : "nothing";
    if (!value) {
      test->argv[kept++] = test->argv[i];
      continue;
    }
    char *end;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds >= 0 && seconds <= 86400)) {
      fprintf(stderr,
              "moonwire test: --timeout: expected seconds from 0 (no limit) to 86400, got %s\n"
              "Try moonwire test --help.\n",
              value);
      return false;
    }
    test->limit = mw_duration_from_seconds(seconds);
  }
  test->argc = kept;
  return true;
}

int mw_cli_test(int argc, char **argv) {
  const char *project = NULL;
  if (argc > 1 && strncmp(argv[1], of, sizeof of - 1) == 0) {
    if (!mw_test_end_with_parent(argv[1] + sizeof of - 1)) return MW_EXIT_USAGE;
    argc--;
    argv++;
    if (argc > 1 && strncmp(argv[1], copied_from, sizeof copied_from - 1) == 0) {
      project = argv[1] + sizeof copied_from - 1;
      argc--;
      argv++;
    }
  }
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
  struct mw_test test = {.argc = argc - first,
                         .argv = argv + first,
                         .copied_from = project,
                         .code = -1,
                         .log_lock = PTHREAD_MUTEX_INITIALIZER,
                         .log = MW_BUF_INIT,
                         .stuck = MW_BUF_INIT,
                         .name = MW_BUF_INIT,
                         .limit = -1,
                         .start.run = start};
  mw_list_init(&test.stores);
  int code = take_timeout(&test) ? test_folder(&test) : MW_EXIT_USAGE;
  mw_buf_fini(&test.log);
  mw_buf_fini(&test.stuck);
  mw_buf_fini(&test.name);
  return code;
}
