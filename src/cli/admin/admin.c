/* moonwire status, reload, rollback and kill: send a command to a running server through the socket in its data
 * folder. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin/admin_client.h"
#include "cli/base/cli.h"
#include "cli/base/escape.h"
#include "cli/base/usage.h"
#include "server/settings/settings.h"

#define COMMON_HELP                                                                                       \
  "The server is the one whose data folder belongs to the project folder DIR (the working directory by\n" \
  "default).\n"                                                                                           \
  "\n"                                                                                                    \
  "  --data DIR   its data folder, when it was started with --data (default: `data` of\n"                 \
  "               DIR/moonwire.lua, or DIR/data)\n"                                                       \
  "  --timeout S  seconds to wait for its answer, 0.1 to 86400 "

#define EXIT_HELP "\nExit code: 0 on success, 1 if refused or if no server runs, 2 for wrong usage.\n\nexample:\n"

/* One of the four commands. */
struct command {
  const char *name, *help;
  bool numbered;  /* takes a number before DIR */
  bool required;  /* the number is required */
  double seconds; /* default of --timeout */
  bool forceable;
};

static const struct command status_command = {
    .name = "status",
    .help =
        "Shows the state of a running server: workers, calls and jobs with the file and line at which each waits,\n"
        "generations and the calls that keep old ones alive.\n"
        "\nusage: moonwire status [DIR] [--data DIR] [--timeout S]\n\n" COMMON_HELP "(10)\n" EXIT_HELP
        "  moonwire status examples/users\n",
    .seconds = MW_ASK_SECONDS};

static const struct command reload_command = {
    .name = "reload",
    .help =
        "Makes a running server read its folder now, and waits for the outcome: the new generation and its changes,\n"
        "or every error as FILE:LINE: message.\n"
        "\nusage: moonwire reload [DIR] [--force] [--data DIR] [--timeout S]\n\n" COMMON_HELP
        "(150)\n"
        "  --force      accepts edits of .proto files that break clients, and failing specs, and reloads even when\n"
        "               nothing has changed\n" EXIT_HELP "  moonwire reload --force\n",
    .forceable = true,
    .seconds = MW_ASK_LONG_SECONDS};

static const struct command rollback_command = {
    .name = "rollback",
    .help =
        "Restores generation N of a running server, under a new number; without N the one before the running\n"
        "one. `moonwire status` shows which are kept. The files stay as they are: the next save is live again.\n"
        "\nusage: moonwire rollback [N] [DIR] [--data DIR] [--timeout S]\n\n" COMMON_HELP "(10)\n" EXIT_HELP
        "  moonwire rollback 3\n",
    .numbered = true,
    .seconds = MW_ASK_SECONDS};

static const struct command kill_command = {
    .name = "kill",
    .help =
        "Cancels a call of a running server. `moonwire status` shows the numbers of the calls.\n"
        "\nusage: moonwire kill CALL [DIR] [--data DIR] [--timeout S]\n\n" COMMON_HELP "(10)\n" EXIT_HELP
        "  moonwire kill 17\n",
    .numbered = true,
    .required = true,
    .seconds = MW_ASK_SECONDS};

struct request {
  const char *number, *dir, *data;
  double seconds;
  bool force;
};

/* ---- the command line ---- */

enum { OPTION_DATA = 256, OPTION_TIMEOUT, OPTION_FORCE, OPTION_HELP };

static const struct option long_options[] = {{"data", required_argument, NULL, OPTION_DATA},
                                             {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                             {"force", no_argument, NULL, OPTION_FORCE},
                                             {"help", no_argument, NULL, OPTION_HELP},
                                             {NULL, 0, NULL, 0}};

static bool is_number(const char *text) { return *text && strspn(text, "0123456789") == strlen(text); }

/* Takes the arguments after the options: [number] [DIR]. Returns -1 to continue, or the exit code. */
static int take_operands(const struct command *command, int argc, char **argv, struct request *request) {
  if (command->numbered && optind < argc && is_number(argv[optind])) request->number = argv[optind++];
  if (command->required && !request->number) {
    return mw_wrong_usage(command->name, "expected the number of a call, got %s",
                          optind < argc ? argv[optind] : "nothing");
  }
  if (argc - optind > 1)
    return mw_wrong_usage(command->name, "expected at most one folder, got also %s", argv[optind + 1]);
  request->dir = optind < argc ? argv[optind] : ".";
  return -1;
}

/* Returns -1 to continue, or the exit code. */
static int parse(const struct command *command, int argc, char **argv, struct request *request) {
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
    if (option == OPTION_HELP || option == 'h') {
      fputs(command->help, stdout);
      return MW_EXIT_OK;
    }
    if (option == ':' || option == '?' || (option == OPTION_FORCE && !command->forceable)) {
      return mw_wrong_option(command->name, option, argv);
    }
    if (option == OPTION_DATA) request->data = optarg;
    if (option == OPTION_TIMEOUT && !mw_ask_seconds(optarg, &request->seconds)) {
      return mw_wrong_usage(command->name, "--timeout: expected seconds from 0.1 to 86400, got %s", optarg);
    }
    if (option == OPTION_FORCE) request->force = true;
  }
  return take_operands(command, argc, argv, request);
}

/* ---- asking ---- */

/* Finds the data folder by the server's settings. Returns 0 and an owned path, or an error. */
static int find_data(const struct request *request, char **out, struct mw_err *err) {
  *out = NULL;
  if (request->data) return mw_settings_set(out, request->data);
  int rc = mw_settings_find_data(out, request->dir, err);
  if (rc != 0 || strcmp(*out, ":memory:") != 0) return rc;
  free(*out);
  *out = NULL;
  return mw_err_set(err, MW_EINVAL,
                    "%s/moonwire.lua keeps the data in memory: give the folder that the server's log "
                    "names, with --data",
                    request->dir);
}

/* Sends the request and receives the answer. */
static int ask(const struct command *command, const struct request *request, struct mw_buf *answer,
               struct mw_err *err) {
  char *data;
  int rc = find_data(request, &data, err);
  if (rc != 0) return rc;
  const char *argument = request->force ? "force" : request->number ? request->number : "";
  rc = mw_admin_send(data, command->name, argument, request->seconds, answer, err);
  free(data);
  return rc;
}

static int run(const struct command *command, int argc, char **argv) {
  struct request request = {.seconds = command->seconds};
  int code = parse(command, argc, argv, &request);
  if (code >= 0) return code;
  struct mw_buf answer = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  code = MW_EXIT_FAILED;
  if (ask(command, &request, &answer, &err) != 0) {
    fprintf(stderr, "moonwire %s: %s\n", command->name, mw_err_text(&err));
  } else {
    const char *text;
    bool ok = mw_ask_succeeded(&answer, &text);
    if (!ok) fprintf(stderr, "moonwire %s: refused\n", command->name);
    mw_escape_print(ok ? stdout : stderr, mw_slice_str(text));
    if (ok) code = MW_EXIT_OK;
  }
  mw_err_fini(&err);
  mw_buf_fini(&answer);
  return code;
}

int mw_cli_status(int argc, char **argv) { return run(&status_command, argc, argv); }
int mw_cli_reload(int argc, char **argv) { return run(&reload_command, argc, argv); }
int mw_cli_rollback(int argc, char **argv) { return run(&rollback_command, argc, argv); }
int mw_cli_kill(int argc, char **argv) { return run(&kill_command, argc, argv); }
