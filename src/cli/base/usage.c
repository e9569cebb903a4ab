#include "cli/base/usage.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/base/cli.h"

int mw_wrong_usage(const char *command, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "moonwire %s: ", command);
  vfprintf(stderr, fmt, args);
  fprintf(stderr, "\nTry moonwire %s --help.\n", command);
  va_end(args);
  return MW_EXIT_USAGE;
}

int mw_wrong_option(const char *command, int option, char *const *argv) {
  const char *fmt = option == ':' ? "expected a value after %s" : "no option %s";
  return mw_wrong_usage(command, fmt, argv[optind - 1]);
}
