/* Runs a program to its end, within bounds.
 *
 * A program leads a process group of its own. The group is killed when the program ends, exceeds a bound or is stopped
 * by another thread. When the thread that runs the program ends, the kernel kills the program. */
#ifndef MW_SCHEMA_LOAD_SUBPROCESS_H
#define MW_SCHEMA_LOAD_SUBPROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"

struct mw_command {
  const char *const *argv; /* ends with NULL; argv[0] is searched for in PATH */
  const char *dir;         /* its working directory */
  const int *inherited;    /* descriptors it inherits under the same numbers, besides 0 to 2; borrowed */
  size_t n_inherited;
};

/* Bounds of the programs that one thread runs. */
struct mw_subprocess_bounds {
  int64_t time;     /* for each program, in nanoseconds; 0 for MW_SUBPROCESS_SECONDS */
  size_t out_bytes; /* greatest output; 0 for MW_SUBPROCESS_OUT_BYTES */
  bool stopped;     /* guarded by a lock, like the rest */
  pid_t group;      /* process group of the running program; 0 for none */
  struct mw_list link;
};

enum {
  MW_SUBPROCESS_SECONDS = 60,
  MW_SUBPROCESS_OUT_BYTES = 256 << 20,
  MW_SUBPROCESS_ERROR_BYTES = 4 << 20 /* greatest standard error */
};

/* Runs a program with an empty standard input and appends its output to `out` and `errors`. Blocks until the program
 * ends. Returns 0 and the exit status, or 128 plus the number of the signal that ended it; MW_ENOTFOUND (there is no
 * such program), MW_ELIMIT (it exceeded a bound), MW_ECLOSED (it was stopped), MW_EIO or MW_ENOMEM. */
int mw_subprocess_run(const struct mw_command *command, struct mw_buf *out, struct mw_buf *errors, int *status,
                      struct mw_err *err);

/* Sets the bounds of later programs of the calling thread. Borrows them; NULL for the default ones. */
void mw_subprocess_bound(struct mw_subprocess_bounds *bounds);

/* Returns the bounds of the calling thread; NULL for the default ones. */
struct mw_subprocess_bounds *mw_subprocess_bounds(void);

/* Any thread. True while a program runs within `bounds`. */
bool mw_subprocess_runs(const struct mw_subprocess_bounds *bounds);

/* Any thread. Kills the program that runs within `bounds`, and prevents further ones. */
void mw_subprocess_stop(struct mw_subprocess_bounds *bounds);

/* Any thread. Kills the programs of all threads and prevents further ones, because the process is about to end. */
void mw_subprocess_stop_all(void);

#endif
