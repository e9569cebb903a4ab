/* moonwire store check: checks the store of a folder. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/escape.h"
#include "cli/base/usage.h"
#include "server/settings/settings.h"
#include "store/lmdb/store_check.h"

static const char help[] =
    "Checks the store of the project folder DIR (the working directory by default): every page of its file, the list\n"
    "of free pages, and the checksum of every record. Prints a line for each damaged place, with the collection and\n"
    "the key where they are known. Nothing is changed. A server may run on the folder meanwhile.\n"
    "\n"
    "usage: moonwire store check [DIR] [--data DIR]\n"
    "\n"
    "  --data DIR   the data folder, when the server is started with --data (DIR/data, or the `data` of\n"
    "               DIR/moonwire.lua)\n"
    "\n"
    "Exit code: 0 when the store is sound, 1 when it is damaged or cannot be read, 2 for wrong usage.\n"
    "\n"
    "example:\n"
    "  moonwire store check examples/users\n";

/* Escapes the text, which may quote damaged bytes. */
static void print_found(void *arg, const char *words) {
  mw_escape_print(stdout, mw_slice_str(words));
  putchar('\n');
}

static int check_store(const char *folder) {
  struct mw_store_check check = {.found = print_found};
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_store_check(folder, &check, &err);
  if (rc != 0) fprintf(stderr, "moonwire store: %s\n", mw_err_text(&err));
  mw_err_fini(&err);
  if (rc != 0) return MW_EXIT_FAILED;
  printf("%s: %llu records in %llu pages%s; %s", folder, (unsigned long long)check.records,
         (unsigned long long)check.pages, check.running ? ", while a server runs" : "",
         check.is_sound ? "sound" : "damaged");
  if (check.damaged > 0) printf(", %llu of the records", (unsigned long long)check.damaged);
  if (check.without_checksum > 0)
    printf("; %llu records of an older format have no checksum", (unsigned long long)check.without_checksum);
  printf("\n");
  return check.is_sound ? MW_EXIT_OK : MW_EXIT_FAILED;
}

static int check_folder(const char *dir, const char *named) {
  char *data = NULL, *folder;
  struct mw_err err = MW_ERR_INIT;
  int code = MW_EXIT_FAILED;
  int rc = named ? mw_settings_set(&data, named) : mw_settings_find_data(&data, dir, &err);
  if (rc != 0) {
    fprintf(stderr, "moonwire store: %s\n", err.text ? err.text : mw_err_name(rc));
  } else if (strcmp(data, ":memory:") == 0) {
    fprintf(stderr, "moonwire store: %s keeps its data in memory: there is no file to check\n", dir);
  } else if (asprintf(&folder, "%s/store", data) >= 0) {
    code = check_store(folder);
    free(folder);
  }
  mw_err_fini(&err);
  free(data);
  return code;
}

/* Returns -1 to continue, or the exit code. */
static int parse(int argc, char **argv, const char **dir, const char **data) {
  static const struct option options[] = {
      {"data", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
    if (option == 'h') {
      fputs(help, stdout);
      return MW_EXIT_OK;
    }
    if (option == ':' || option == '?') return mw_wrong_option("store", option, argv);
    *data = optarg;
  }
  if (optind == argc) return mw_wrong_usage("store", "expected `check`");
  if (strcmp(argv[optind], "check") != 0) return mw_wrong_usage("store", "expected `check`, got %s", argv[optind]);
  if (argc - optind > 2) return mw_wrong_usage("store", "expected at most one folder, got also %s", argv[optind + 2]);
  if (argc - optind == 2) *dir = argv[optind + 1];
  return -1;
}

int mw_cli_store(int argc, char **argv) {
  const char *dir = ".", *data = NULL;
  int code = parse(argc, argv, &dir, &data);
  return code >= 0 ? code : check_folder(dir, data);
}
