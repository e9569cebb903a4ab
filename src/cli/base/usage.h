/* Wrong usage of a command. Each function prints "moonwire COMMAND: ..." and a hint to stderr, and returns
 * MW_EXIT_USAGE. */
#ifndef MW_CLI_BASE_USAGE_H
#define MW_CLI_BASE_USAGE_H

#include "base/err.h"

int mw_wrong_usage(const char *command, const char *fmt, ...) MW_PRINTF(2, 3);

/* For the options that getopt_long() did not take: `option` is ':' for one without its value, or else the option is
 * unknown. */
int mw_wrong_option(const char *command, int option, char *const *argv);

#endif
