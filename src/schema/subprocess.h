/* Running a program to its end. */
#ifndef MW_SCHEMA_SUBPROCESS_H
#define MW_SCHEMA_SUBPROCESS_H

#include "base/buf.h"

struct mw_command {
  const char *const *argv; /* ends with NULL; argv[0] is looked for in PATH */
  const char *dir;         /* its working directory */
  int inherited;           /* a descriptor that it gets under the same number, besides 0 to 2; -1 for none */
};

/* Runs a program with an empty standard input, appends what it writes to `out` and `errors`, and waits for its end.
 * The thread waits. Returns 0 and the exit status, which is 128 and the signal's number when one ended it;
 * MW_ENOTFOUND (there is no such program), MW_EIO or MW_ENOMEM. */
int mw_subprocess_run(const struct mw_command *command, struct mw_buf *out, struct mw_buf *errors, int *status,
                      struct mw_err *err);

#endif
