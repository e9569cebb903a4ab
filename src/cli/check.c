/* moonwire check: loads a folder as serve would, reports errors, and serves nothing. If a server runs on the folder, it
 * also asks the server for the effect of a reload. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin/admin_client.h"
#include "cli/base/cli.h"
#include "cli/base/escape.h"
#include "cli/base/usage.h"
#include "cli/call/call_find.h"
#include "server/server.h"
#include "server/settings/settings_check.h"
#include "server/worker/worker_shared.h"

static const char help[] =
    "Loads the protos and scripts of the project folder DIR (the working directory by default) as `serve` would, and\n"
    "reports every error as FILE:LINE: message, or a line such as \"ok: 2 services, 5 methods (1 without a handler),\n"
    "3 scripts\". Nothing is served and no data is touched.\n"
    "\n"
    "If a server runs on the folder, it is asked too. It reports the generation in force, and whether it would accept\n"
    "the folder in its place, with the scripts loaded by every worker, the wire rules and, where they are the gate,\n"
    "the specs. It is not changed.\n"
    "\n"
    "usage: moonwire check [DIR] [--data DIR] [--timeout S]\n"
    "\n"
    "  --data DIR   the server's data folder, when it was started with --data (default: `data` of\n"
    "               DIR/moonwire.lua, or DIR/data); with it, a server must run\n"
    "  --timeout S  seconds to wait for the server's answer, 0.1 to 86400 (150)\n"
    "\n"
    "Exit code: 0 without errors, 1 with errors, 2 for wrong usage.\n"
    "\n"
    "example:\n"
    "  moonwire check examples/users\n";

struct options {
  const char *dir, *data;
  double seconds;
};

/* ---- the folder ---- */

/* Appends "1 script" or "2 scripts". */
static int put_count(struct mw_buf *out, size_t n, const char *what) {
  return mw_buf_printf(out, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

/* Counts methods of the services that scripts register. Of other services, counts the services alone. */
static void summarise(struct mw_buf *out, const struct mw_worker *worker, const struct mw_generation *generation) {
  const struct mw_router *router = &worker->programs.current->program->router;
  size_t services = 0, others = 0, methods = 0, handled = 0;
  for (size_t i = 0; i < mw_pool_service_count(generation->pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(generation->pool, i);
    if (mw_call_is_builtin(service->full_name)) continue;
    bool served = mw_router_service(router, mw_slice_str(service->full_name)) != NULL;
    services += served;
    others += !served;
    for (size_t j = 0; j < service->n_methods && served; j++) {
      methods++;
      handled += mw_router_find(router, mw_slice_str(service->methods[j].path)) != NULL;
    }
  }
  (void)mw_buf_puts(out, "ok: ");
  (void)put_count(out, services, "service");
  if (others > 0) (void)mw_buf_printf(out, " (%zu more without a script)", others);
  (void)mw_buf_puts(out, ", ");
  (void)put_count(out, methods, "method");
  if (handled < methods) (void)mw_buf_printf(out, " (%zu without a handler)", methods - handled);
  (void)mw_buf_puts(out, ", ");
  (void)put_count(out, generation->n_files, "script");
}

/* Loads the generation into a temporary worker, without a thread and with a store in memory. */
static int load(const char *dir, struct mw_generation *generation, struct mw_buf *summary, struct mw_err *err) {
  struct mw_worker_shared shared;
  int rc = mw_worker_shared_open(&shared, dir, generation, err);
  if (rc != 0) return rc;
  struct mw_worker worker;
  mw_worker_init(&worker, &shared, 0);
  rc = mw_worker_open(&worker, err);
  if (rc == 0) {
    summarise(summary, &worker, generation);
    mw_worker_close(&worker);
  }
  mw_worker_fini(&worker);
  mw_worker_shared_close(&shared);
  return rc;
}

/* Reads and checks initialised settings. Also returns the data folder, owned; the default one if the settings are
 * wrong. */
static int check_settings(struct mw_settings *settings, const char *dir, char **data, struct mw_err *err) {
  int rc = mw_settings_set(data, settings->data);
  int failed = rc == 0 ? mw_settings_read(settings, dir, err) : rc;
  if (failed == 0) rc = mw_settings_set(data, settings->data);
  int unfit = rc == 0 ? mw_settings_check(settings, settings->data, err) : 0;
  return failed ? failed : rc ? rc : unfit;
}

/* If the settings are wrong, checks everything else with their folders of .proto files and otherwise the defaults. */
static int check(const char *dir, char **data, struct mw_buf *summary, struct mw_err *err) {
  struct mw_settings settings;
  if (mw_settings_init(&settings, dir) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int failed = check_settings(&settings, dir, data, err);
  struct mw_overrides overrides = {.data = ":memory:", .wrong = failed ? &settings : NULL};
  struct mw_generation *generation = NULL;
  struct mw_err more = MW_ERR_INIT;
  int rc = mw_generation_read(&generation, dir, 1, NULL, &overrides, &more);
  if (rc == 0) rc = mw_generation_check_project(dir, &more);
  if (rc == 0) rc = load(dir, generation, summary, &more);
  if (rc != 0) mw_err_add(err, rc, "%s", mw_err_text(&more));
  mw_err_fini(&more);
  mw_generation_unref(generation);
  mw_settings_fini(&settings);
  return failed ? failed : rc;
}

/* ---- the server's answer ---- */

/* Prints the summary of a correct folder, then the server's answer; only its first line if its findings were printed
 * before. Returns true if the server accepts the folder. */
static bool show(struct mw_buf *answer, const char *summary) {
  const char *text;
  bool accepted = mw_ask_succeeded(answer, &text), shown = !*summary;
  size_t len = shown ? strcspn(text, "\n") : strlen(text);
  if (accepted && *summary) puts(summary);
  mw_escape_print(accepted ? stdout : stderr, mw_slice(text, len + (shown && text[len] == '\n')));
  return accepted;
}

/* Without --data, no server need be running, and another user's server is no error. `summary` is "" if the folder is
 * wrong by itself. */
static bool ask_server(const struct options *options, const char *data, const char *summary) {
  bool named = options->data != NULL;
  char path[PATH_MAX];
  if (!data || !realpath(options->dir, path)) return true; /* the findings report the folder */
  struct mw_buf answer = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_admin_send(data, "check", path, options->seconds, &answer, &err);
  bool fine = rc == 0 ? show(&answer, summary) : !named && (rc == MW_ENOTFOUND || rc == MW_ELIMIT || rc == MW_EBUSY);
  if (rc != 0 && fine && *summary) puts(summary);
  if (rc != 0 && (!fine || rc == MW_EBUSY)) fprintf(stderr, "moonwire check: %s\n", mw_err_text(&err));
  mw_err_fini(&err);
  mw_buf_fini(&answer);
  return fine;
}

/* ---- the command ---- */

/* Returns -1 to continue, or the exit code. */
static int parse(int argc, char **argv, struct options *o) {
  static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
    if (option == 'h') {
      fputs(help, stdout);
      return MW_EXIT_OK;
    }
    if (option == ':' || option == '?') return mw_wrong_option("check", option, argv);
    if (option == 'd') o->data = optarg;
    if (option == 't' && !mw_ask_seconds(optarg, &o->seconds)) {
      return mw_wrong_usage("check", "--timeout: expected seconds from 0.1 to 86400, got %s", optarg);
    }
  }
  if (argc - optind > 1) return mw_wrong_usage("check", "expected at most one folder, got also %s", argv[optind + 1]);
  if (optind < argc) o->dir = argv[optind];
  return -1;
}

int mw_cli_check(int argc, char **argv) {
  struct options options = {.dir = ".", .seconds = MW_ASK_LONG_SECONDS};
  int code = parse(argc, argv, &options);
  if (code >= 0) return code;
  char *data = NULL;
  struct mw_err err = MW_ERR_INIT;
  struct mw_buf summary = MW_BUF_INIT;
  bool fine = check(options.dir, &data, &summary, &err) == 0;
  if (!fine) {
    mw_escape_print(stderr, mw_slice_str(mw_err_text(&err)));
    fputc('\n', stderr);
  }
  mw_err_fini(&err);
  bool accepted = ask_server(&options, options.data ? options.data : data, fine ? mw_buf_str(&summary) : "");
  mw_buf_fini(&summary);
  free(data);
  return fine && accepted ? MW_EXIT_OK : MW_EXIT_FAILED;
}
