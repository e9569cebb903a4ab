/* moonwire check: loads a folder as serve would, says what is wrong, serves nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "server/server.h"
#include "server/shared.h"

static const char help[] =
    "Loads the protos and scripts of the project folder DIR (the working directory by default) as `serve` would, and\n"
    "reports every error as FILE:LINE: message. Nothing is served and no data is touched.\n"
    "\n"
    "usage: moonwire check [DIR]\n"
    "\n"
    "Exit code: 0 when all is well, 1 when something is wrong, 2 for wrong usage.\n"
    "\n"
    "example:\n"
    "  moonwire check examples/users\n";

/* Loads the generation into a worker of its own, without a thread and with a store in memory. */
static int load(const char *dir, struct mw_generation *generation, struct mw_err *err) {
  struct mw_shared shared;
  int rc = mw_shared_open(&shared, dir, generation, err);
  if (rc != 0) return rc;
  struct mw_worker worker;
  mw_worker_init(&worker, &shared, 0);
  rc = mw_worker_open(&worker, err);
  if (rc == 0) mw_worker_close(&worker);
  mw_worker_fini(&worker);
  mw_shared_close(&shared);
  return rc;
}

static int check_settings(const char *dir, struct mw_err *err) {
  struct mw_settings settings;
  if (mw_settings_init(&settings, dir) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_settings_read(&settings, dir, err);
  mw_settings_fini(&settings);
  return rc;
}

/* With settings that are wrong, the rest is checked all the same, as if there were none. */
static int check(const char *dir, struct mw_err *err) {
  int failed = check_settings(dir, err);
  struct mw_overrides overrides = {.data = ":memory:", .no_file = failed != 0};
  struct mw_generation *generation = NULL;
  struct mw_err more = MW_ERR_INIT;
  int rc = mw_generation_read(&generation, dir, 1, NULL, &overrides, &more);
  if (rc == 0) rc = load(dir, generation, &more);
  if (rc != 0) mw_err_add(err, rc, "%s", mw_err_text(&more));
  mw_err_fini(&more);
  mw_generation_unref(generation);
  return failed ? failed : rc;
}

int mw_cli_check(int argc, char **argv) {
  if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(help, stdout);
    return MW_EXIT_OK;
  }
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fprintf(stderr, "moonwire check: expected one folder, got %s\nTry moonwire check --help.\n", argv[argc - 1]);
    return MW_EXIT_USAGE;
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = check(argc == 2 ? argv[1] : ".", &err);
  if (rc != 0) fprintf(stderr, "%s\n", mw_err_text(&err));
  mw_err_fini(&err);
  return rc == 0 ? MW_EXIT_OK : MW_EXIT_FAILED;
}
