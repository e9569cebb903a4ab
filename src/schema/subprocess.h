/* Running a program to its end, within bounds.
 *
 * A program is the first of a process group, and is killed with the group when it exceeds a bound, when another thread
 * stops it, and by the kernel when the thread that runs it ends. */
#ifndef MW_SCHEMA_SUBPROCESS_H
#define MW_SCHEMA_SUBPROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"

struct mw_command {
  const char *const *argv; /* ends with NULL; argv[0] is looked for in PATH */
  const char *dir;         /* its working directory */
  const int *inherited;    /* descriptors that it gets under the same numbers, besides 0 to 2; borrowed */
  size_t n_inherited;
};

/* Bounds of the programs that one thread runs. */
struct mw_subprocess_bounds {
  int64_t time;      /* nanoseconds for each; 0 for MW_SUBPROCESS_SECONDS */
  size_t out_bytes;  /* of its output; 0 for MW_SUBPROCESS_OUT_BYTES */
  bool stopped;      /* guarded by a lock, like the rest */
  pid_t group;       /* of the program that runs; 0 for none */
  struct mw_list link;
};

enum {
  MW_SUBPROCESS_SECONDS = 60,
  MW_SUBPROCESS_OUT_BYTES = 256 << 20,
  MW_SUBPROCESS_ERROR_BYTES = 4 << 20 /* of its standard error */
};

/* Runs a program with an empty standard input, appends its output to `out` and `errors`, and waits for its end.
 * The thread waits. Returns 0 and the exit status, which is 128 and the signal's number when one ended it;
 * MW_ENOTFOUND (there is no such program), MW_ELIMIT (it exceeded a bound), MW_ECLOSED (it was stopped), MW_EIO or
 * MW_ENOMEM. */
int mw_subprocess_run(const struct mw_command *command, struct mw_buf *out, struct mw_buf *errors, int *status,
                      struct mw_err *err);

/* Sets the bounds of the programs that the calling thread runs from now on. Borrows them; NULL for the default ones. */
void mw_subprocess_bound(struct mw_subprocess_bounds *bounds);

/* The bounds of the calling thread; NULL for the default ones. */
struct mw_subprocess_bounds *mw_subprocess_bounds(void);

/* Any thread. Whether a program runs within `bounds`. */
bool mw_subprocess_runs(const struct mw_subprocess_bounds *bounds);

/* Any thread. Kills the program that runs within `bounds`; no other starts within them. */
void mw_subprocess_stop(struct mw_subprocess_bounds *bounds);

/* Any thread. The same for all threads, for good: the process is about to end. */
void mw_subprocess_stop_all(void);

#endif
