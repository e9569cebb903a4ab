/* Workers: led through their states together, told to stop at any moment, ended by the failure of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "server/server.h"
#include "server/shared.h"

enum { WORKERS = 3 };

static char dir[] = "/tmp/worker_testXXXXXX";
static struct mw_settings settings;

static void write_script(const char *text) {
  char path[64];
  snprintf(path, sizeof path, "%s/lua/script.lua", dir);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static int setup(void **state) {
  char lua[64];
  assert_non_null(mkdtemp(dir));
  snprintf(lua, sizeof lua, "%s/lua", dir);
  assert_int_equal(mkdir(lua, 0700), 0);
  assert_int_equal(mw_settings_init(&settings, dir), 0);
  mw_settings_clear_listeners(&settings);
  assert_int_equal(mw_settings_add_listener(&settings, "127.0.0.1:0"), 0);
  assert_int_equal(mw_settings_set(&settings.data, ":memory:"), 0);
  settings.workers = WORKERS;
  settings.grace = 0;
  mw_log_set_level(MW_LOG_OFF);
  return 0;
}

static int teardown(void **state) {
  char command[64];
  mw_settings_fini(&settings);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

static struct mw_server *open_server(void) {
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  if (mw_server_open(&server, &settings, dir, &err) != 0) fail_msg("%s", mw_err_text(&err));
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
  write_script("local mw = require 'moonwire'\n"
               "local loads = mw.metrics.counter { name = 'loads' }\n"
               "loads:inc()\n"
               "if loads:value() == 2 then error 'the second' end\n");
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_server_open(&server, &settings, dir, &err), MW_EINVAL);
  assert_non_null(strstr(mw_err_text(&err), "lua/script.lua:4: the second"));
  assert_null(strchr(mw_err_text(&err), '\n'));
  mw_err_fini(&err);
}

static void one_that_cannot_listen_ends_all(void **state) {
  write_script("");
  settings.tls_cert = strdup("/nonexistent/cert.pem");
  settings.tls_key = strdup("/nonexistent/key.pem");
  struct mw_server *server;
  struct mw_err err = MW_ERR_INIT;
  assert_int_not_equal(mw_server_open(&server, &settings, dir, &err), 0);
  assert_non_null(strstr(mw_err_text(&err), "/nonexistent/"));
  mw_err_fini(&err);
  free(settings.tls_cert);
  free(settings.tls_key);
  settings.tls_cert = settings.tls_key = NULL;
}

/* ---- lack of memory ---- */

static int open_worker(void *arg) {
  struct mw_worker worker;
  struct mw_err err = MW_ERR_INIT;
  mw_worker_init(&worker, arg, 0);
  int rc = mw_worker_open(&worker, &err);
  if (rc != 0 && strstr(mw_err_text(&err), "out of memory")) rc = MW_ENOMEM; /* as a script's error */
  if (rc == 0) mw_worker_close(&worker);
  mw_worker_fini(&worker);
  mw_err_fini(&err);
  return rc;
}

static void lack_of_memory_leaves_nothing_open(void **state) {
  write_script("local mw = require 'moonwire' mw.every(1, print) mw.spawn(print)");
  struct mw_generation *generation;
  struct mw_shared shared;
  assert_int_equal(mw_generation_read(&generation, dir, 1, NULL, NULL), 0);
  assert_int_equal(mw_shared_open(&shared, &settings, dir, generation, NULL), 0);
  mw_generation_unref(generation);
  failmalloc_sweep(open_worker, &shared);
  mw_shared_close(&shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stops_at_once),           cmocka_unit_test(may_be_told_to_stop_again_and_again),
      cmocka_unit_test(one_that_fails_ends_all), cmocka_unit_test(one_that_cannot_listen_ends_all),
      cmocka_unit_test(lack_of_memory_leaves_nothing_open),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
