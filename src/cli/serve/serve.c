/* moonwire serve: runs a server until a signal stops it. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_port.h"
#include "cli/base/bounded_print.h"
#include "cli/base/cli.h"
#include "cli/base/usage.h"
#include "cli/serve/banner.h"
#include "cli/serve/signals.h"
#include "observe/log_output.h"
#include "server/server.h"
#include "server/settings/engines.h"

enum { ANNOUNCE_NS = MW_NS_PER_S / 10, LAST_LINES_NS = MW_NS_PER_S };

static const char help[] =
    "Serves the project folder DIR (the working directory by default) until SIGTERM or SIGINT.\n"
    "\n"
    "usage: moonwire serve [DIR] [OPTION]...\n"
    "\n"
    "  --listen HOST:PORT    address to listen on, repeatable; port 0 chooses a free port\n"
    "                        (127.0.0.1:50051, or the sockets of LISTEN_FDS)\n"
    "  --listen unix:PATH    the same, on a Unix socket\n"
    "  --engine NAME         the transport: http or core (http)\n"
    "  --workers N           threads that serve, 1 to 256 (one for each usable core)\n"
    "  --data DIR|:memory:   folder of the store and files; :memory: keeps nothing (DIR/data)\n"
    "  --log-level LEVEL     debug, info, warn, error or off (info)\n"
    "  --dev                 send errors, stacks and generations to callers, log slow slices, and accept any\n"
    "                        change of .proto files\n"
    "  --help                this text\n"
    "\n"
    "DIR/moonwire.lua may set the same and more; options take precedence. The first signal lets running calls finish\n"
    "within the grace period and ends the process two seconds after it; the second one ends the grace period, the "
    "third\n"
    "the process. Exit code: 0, 1 if it cannot serve, or had to end while calls ran, 2 for wrong usage.\n"
    "\n"
    "example:\n"
    "  moonwire serve examples/users --listen 127.0.0.1:8080 --workers 2 --data :memory:\n";

struct options {
  const char *dir, *workers;
  struct mw_overrides overrides;
};

enum { OPTION_LISTEN = 256, OPTION_ENGINE, OPTION_WORKERS, OPTION_DATA, OPTION_LEVEL, OPTION_DEV, OPTION_HELP };

static const struct option long_options[] = {{"listen", required_argument, NULL, OPTION_LISTEN},
                                             {"engine", required_argument, NULL, OPTION_ENGINE},
                                             {"workers", required_argument, NULL, OPTION_WORKERS},
                                             {"data", required_argument, NULL, OPTION_DATA},
                                             {"log-level", required_argument, NULL, OPTION_LEVEL},
                                             {"dev", no_argument, NULL, OPTION_DEV},
                                             {"help", no_argument, NULL, OPTION_HELP},
                                             {NULL, 0, NULL, 0}};

/* Returns -1, or the exit code of wrong usage. */
static int add_listener(struct mw_overrides *given, const char *address) {
  if (given->n_listen == MW_SETTINGS_LISTENERS)
    return mw_wrong_usage("serve", "--listen %s: at most 16 addresses", address);
  struct mw_err err = MW_ERR_INIT;
  struct mw_host_port parts;
  if (strncmp(address, "unix:", 5) != 0 && mw_host_port_split(&parts, address, &err) != 0) {
    mw_wrong_usage("serve", "--listen %s", mw_err_text(&err));
    mw_err_fini(&err);
    return MW_EXIT_USAGE;
  }
  given->listen[given->n_listen++] = address;
  return -1;
}

/* Returns -1 to continue, or the exit code. */
static int parse(int argc, char **argv, struct options *o) {
  struct mw_overrides *given = &o->overrides;
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
    switch (option) {
      case OPTION_LISTEN:
        if (add_listener(given, optarg) >= 0) return MW_EXIT_USAGE;
        break;
      case OPTION_ENGINE: given->engine = optarg; break;
      case OPTION_WORKERS: o->workers = optarg; break;
      case OPTION_DATA:
        if (*optarg == '\0') return mw_wrong_usage("serve", "--data %s: expected a folder or :memory:", "\"\"");
        given->data = optarg;
        break;
      case OPTION_LEVEL: given->log_level = optarg; break;
      case OPTION_DEV: given->dev = true; break;
      case OPTION_HELP:
      case 'h': fputs(help, stdout); return MW_EXIT_OK;
      default: return mw_wrong_option("serve", option, argv);
    }
  }
  if (argc - optind > 1) return mw_wrong_usage("serve", "expected at most one folder, got also %s", argv[optind + 1]);
  o->dir = optind < argc ? argv[optind] : ".";
  return -1;
}

/* Checks the values of the options. Returns -1 to continue, or the exit code. */
static int check_values(struct options *o) {
  struct mw_overrides *given = &o->overrides;
  if (o->workers) {
    char *end;
    long n = strtol(o->workers, &end, 10);
    if (*end || n < 1 || n > 256)
      return mw_wrong_usage("serve", "--workers %s: expected a number from 1 to 256", o->workers);
    given->workers = (unsigned)n;
  }
  if (given->log_level && mw_log_level_from_name(given->log_level) < 0) {
    return mw_wrong_usage("serve", "--log-level %s: expected debug, info, warn, error or off", given->log_level);
  }
  if (given->engine && !mw_server_engine(given->engine)) {
    return mw_wrong_usage("serve", "--engine %s: expected " MW_SERVER_ENGINES, given->engine);
  }
  return -1;
}

static int fail(struct mw_err *err) {
  fprintf(stderr, "moonwire: %s\n", mw_err_text(err));
  mw_err_fini(err);
  return MW_EXIT_FAILED;
}

/* Warns of a folder without scripts, which is most likely the wrong one. */
static void warn_if_empty(const struct mw_server *server, const char *dir) {
  const struct mw_generation *generation = mw_server_generation(server);
  if (generation->n_files > 0) return;
  bool builtin = generation->settings.health || generation->settings.reflection;
  mw_log(MW_LOG_WARN, NULL, "no scripts in %s/lua: nothing%s is served", dir,
         builtin ? " but the built-in services" : "");
}

/* Prints to stdout, which may not be read: waits for at most ANNOUNCE_NS. */
static void announce(const struct mw_server *server, const char *dir) {
  mw_log_flush(ANNOUNCE_NS);
  struct mw_buf text = MW_BUF_INIT;
  if (isatty(STDOUT_FILENO)) mw_banner_write(&text, server, dir);
  const char *address;
  for (size_t i = 0; (address = mw_server_address(server, i)) != NULL; i++) {
    mw_buf_printf(&text, "moonwire: listening on %s\n", address);
  }
  mw_print_bounded(&text, ANNOUNCE_NS);
}

/* Runs an open server until its end. */
static void run(struct mw_signals *signals, struct mw_server *server, const char *dir) {
  mw_signals_attach(signals, server);
  warn_if_empty(server, dir);
  announce(server, dir);
  mw_server_run(server);
  mw_signals_detach(signals);
  mw_server_close(server);
}

/* Returns the nanoseconds to wait at the end for the reader of the log. */
static int64_t last_lines(struct mw_signals *signals) {
  int64_t left = mw_signals_left(signals);
  return left < LAST_LINES_NS ? left : LAST_LINES_NS;
}

/* Returns the exit code. */
static int open_and_run(const struct options *options, struct mw_signals *signals) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_server *server;
  if (mw_server_open(&server, options->dir, &options->overrides, &err) == 0) {
    run(signals, server, options->dir);
    return MW_EXIT_OK;
  }
  mw_log_stop_writer(last_lines(signals));
  if (!mw_signals_stopping(signals)) return fail(&err);
  mw_log(MW_LOG_INFO, NULL, "stopped by a signal during start");
  mw_err_fini(&err);
  return MW_EXIT_OK;
}

static int serve(const struct options *options) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_signals *signals;
  signal(SIGPIPE, SIG_IGN);
  if (mw_signals_open(&signals, &err) != 0) return fail(&err);
  if (mw_log_start() != 0) mw_log(MW_LOG_WARN, NULL, "no thread for the log: logging blocks while stderr is blocked");
  int code = open_and_run(options, signals);
  mw_log_stop_writer(last_lines(signals));
  mw_signals_close(signals);
  return code;
}

int mw_cli_serve(int argc, char **argv) {
  struct options options = {0};
  int code = parse(argc, argv, &options);
  if (code < 0) code = check_values(&options);
  if (code >= 0) return code;
  struct mw_err err = MW_ERR_INIT;
  options.overrides.n_inherited = mw_listener_count_inherited(&err);
  return options.overrides.n_inherited < 0 ? fail(&err) : serve(&options);
}
