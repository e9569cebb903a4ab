/* Workers: they change their states together, stop at any moment, and end if one fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"
#include "server/server.h"
#include "server/worker/worker_shared.h"

enum { WORKERS = 3 };

static char dir[] = "/tmp/worker_testXXXXXX";
static const struct mw_overrides overrides = {.listen = {"127.0.0.1:0"},
                                              .n_listen = 1,
                                              .data = ":memory:",
                                              .log_level = "off",
                                              .workers = WORKERS,
                                              .no_grace = true};

static void write_text(const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void write_script(const char *text) { write_text("lua/script.lua", text); }

static int setup(void **state) {
  char lua[64];
  assert_non_null(mkdtemp(dir));
  snprintf(lua, sizeof lua, "%s/lua", dir);
  assert_int_equal(mkdir(lua, 0700), 0);
  mw_log_set_level(MW_LOG_OFF);
  return 0;
}

static int teardown(void **state) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

static struct mw_server *open_server(void) {
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  if (mw_server_open(&server, dir, &overrides, &err) != 0) fail_msg("%s", mw_err_text(&err));
  return server;
}

static void stops_at_once(void **state) {
  write_script("");
  for (int i = 0; i < 3; i++) {
    struct mw_server *server = open_server();
    mw_server_drain(server);
    mw_server_close(server);
  }
}

static void may_be_told_to_stop_again_and_again(void **state) {
  write_script("local mw = require 'moonwire' mw.spawn(function() mw.sleep(1000) end)");
  struct mw_server *server = open_server();
  for (int i = 0; i < 100; i++) {
    mw_server_drain(server);
    mw_server_cancel(server);
  }
  mw_server_close(server);
}

static void one_that_fails_ends_all(void **state) {
  write_script(
      "local mw = require 'moonwire'\n"
      "local loads = mw.metrics.counter { name = 'loads' }\n"
      "loads:inc()\n"
      "if loads:value() == 2 then error 'the second' end\n");
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_server_open(&server, dir, &overrides, &err), MW_EINVAL);
  assert_non_null(strstr(mw_err_text(&err), "lua/script.lua:4: the second"));
  assert_null(strchr(mw_err_text(&err), '\n'));
  mw_err_fini(&err);
}

static void one_that_cannot_listen_ends_all(void **state) {
  write_script("");
  write_text("moonwire.lua", "return { tls = { cert = '/nonexistent/cert.pem', key = '/nonexistent/key.pem' } }");
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  assert_int_not_equal(mw_server_open(&server, dir, &overrides, &err), 0);
  assert_non_null(strstr(mw_err_text(&err), "/nonexistent/"));
  mw_err_fini(&err);
  write_text("moonwire.lua", "return {}");
}

/* ---- an engine that opens no channels ---- */

/* Serves nothing, and runs the loop as an engine on libuv does. */
struct looper {
  struct mw_engine base;
  struct mw_loop *loop;
};

static const struct mw_engine_ops looper_ops;

static int looper_open(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err) {
  struct looper *looper = calloc(1, sizeof *looper);
  if (!looper) return mw_err_set(err, MW_ENOMEM, "out of memory");
  *looper = (struct looper){{&looper_ops}, config->loop};
  *out = &looper->base;
  return 0;
}

static struct looper *looper_of(struct mw_engine *engine) { return MW_CONTAINER(engine, struct looper, base); }
static int looper_listen(struct mw_engine *engine, const char *address, struct mw_err *err) { return 0; }
static void looper_run(struct mw_engine *engine) { uv_run(&looper_of(engine)->loop->uv, UV_RUN_DEFAULT); }
static void looper_drain(struct mw_engine *engine) {}
static bool looper_is_quiet(struct mw_engine *engine) { return true; }
static void looper_stop(struct mw_engine *engine) { uv_stop(&looper_of(engine)->loop->uv); }
static void looper_close(struct mw_engine *engine) { free(looper_of(engine)); }

static const struct mw_engine_ops looper_ops = {.name = "looper",
                                                .open = looper_open,
                                                .listen = looper_listen,
                                                .run = looper_run,
                                                .drain = looper_drain,
                                                .is_quiet = looper_is_quiet,
                                                .stop = looper_stop,
                                                .close = looper_close};

static double metric(struct mw_worker_shared *shared, const char *name) {
  double total;
  return mw_metrics_total(shared->metrics, name, &total, NULL) ? total : 0;
}

/* Scripts call another server repeatedly, then wait in a stream that does not end. */
static void scripts_call_out_through_a_guest(void **state) {
  write_script("");
  struct mw_server *other = open_server();
  char script[1024];
  snprintf(script, sizeof script,
           "local mw = require 'moonwire'\n"
           "local answers, waiting = mw.metrics.counter { name = 'answers' }, mw.metrics.counter { name = 'waiting' }\n"
           "mw.spawn(function()\n"
           "  local health = mw.client('%s'):service 'grpc.health.v1.Health'\n"
           "  for _ = 1, 100 do\n"
           "    local reply, status = health:Check {}\n"
           "    if not reply then error(status) end\n"
           "    answers:inc()\n"
           "  end\n"
           "  for _ in health:Watch({}):messages() do waiting:inc() end\n"
           "end)\n",
           mw_server_address(other, 0));
  write_script(script);
  struct mw_generation *generation;
  struct mw_worker_shared shared;
  struct mw_worker worker;
  assert_int_equal(mw_generation_read(&generation, dir, 1, NULL, &overrides, NULL), 0);
  assert_int_equal(mw_worker_shared_open(&shared, dir, generation, NULL), 0);
  mw_generation_unref(generation);
  assert_non_null(shared.channels->channels);
  const struct mw_engine_ops *teamed = shared.engine;
  shared.engine = &looper_ops;
  assert_int_equal(mw_worker_start(&worker, &shared, 0, NULL), 0);
  mw_worker_proceed(&worker, false);
  mw_worker_proceed(&worker, false);
  int64_t until = mw_clock_mono() + 30 * (int64_t)MW_NS_PER_S;
  while (metric(&shared, "waiting") == 0 && mw_clock_mono() < until) usleep(1000);
  assert_int_equal(metric(&shared, "answers"), 100);
  assert_int_equal(metric(&shared, "waiting"), 1);
  mw_worker_drain(&worker);
  mw_worker_join(&worker);
  shared.engine = teamed;
  mw_worker_shared_close(&shared);
  mw_server_drain(other);
  mw_server_close(other);
}

/* ---- lack of memory ---- */

static int open_worker(void *arg) {
  struct mw_worker worker;
  struct mw_err err = MW_ERR_INIT;
  mw_worker_init(&worker, arg, 0);
  int rc = mw_worker_open(&worker, &err);
  if (rc != 0 && strstr(mw_err_text(&err), "out of memory")) rc = MW_ENOMEM; /* in the text of a script's error */
  if (rc == 0) mw_worker_close(&worker);
  mw_worker_fini(&worker);
  mw_err_fini(&err);
  return rc;
}

static void lack_of_memory_leaves_nothing_open(void **state) {
  write_script("local mw = require 'moonwire' mw.every(1, print) mw.spawn(print)");
  struct mw_generation *generation;
  struct mw_worker_shared shared;
  assert_int_equal(mw_generation_read(&generation, dir, 1, NULL, &overrides, NULL), 0);
  assert_int_equal(mw_worker_shared_open(&shared, dir, generation, NULL), 0);
  mw_generation_unref(generation);
  failmalloc_sweep(open_worker, &shared);
  const struct mw_engine_ops *teamed = shared.engine;
  shared.engine = &looper_ops;
  failmalloc_sweep(open_worker, &shared);
  shared.engine = teamed;
  mw_worker_shared_close(&shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stops_at_once),
      cmocka_unit_test(may_be_told_to_stop_again_and_again),
      cmocka_unit_test(one_that_fails_ends_all),
      cmocka_unit_test(one_that_cannot_listen_ends_all),
      cmocka_unit_test(scripts_call_out_through_a_guest),
      cmocka_unit_test(lack_of_memory_leaves_nothing_open),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
