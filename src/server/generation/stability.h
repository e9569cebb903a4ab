/* File stability check: finds files that are being written, and records the state of all files of a generation.
 *
 * A save is not one step. An editor that writes in place empties the file first, and an empty or truncated file may
 * still be a valid script. A save of several files writes one after another. A reading is therefore valid if no file
 * was being written before it, and if a second check after it finds the same state as the first. */
#ifndef MW_SERVER_GENERATION_STABILITY_H
#define MW_SERVER_GENERATION_STABILITY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
  MW_LOOK_FRESH_MS = 10,  /* granularity of the change time: a later write within this time may leave it unchanged */
  MW_LOOK_OPEN_MS = 2000, /* an open file that is not empty and was not written for this time is complete */
  MW_LOOK_AGAIN_MS = 10   /* interval at which a file open for writing is checked again */
};

struct mw_stability {
  struct mw_buf stamps; /* path, identity, size and times of every file, in the order of their paths */
  struct mw_buf busy;   /* path of a file that is being written; empty if there is none */
  int64_t wait;         /* nanoseconds after which to check again; 0 if no file is being written */
};

/* Checks DIR's .proto files, scripts and settings. Calls `now`, in the server mw_clock_wall, after reading each file's
 * times: so a change during the check never lies in the future. Returns 0 and a state, which mw_stability_fini() frees;
 * MW_EIO (a folder cannot be read) or MW_ENOMEM. */
int mw_stability_take(struct mw_stability *out, const char *dir, int64_t (*now)(void), struct mw_err *err);
void mw_stability_fini(struct mw_stability *look);

/* Returns the path of a file that differs between the two states or exists in one alone; NULL if there is none.
 * Borrowed from the states. */
const char *mw_stability_difference(const struct mw_stability *a, const struct mw_stability *b);

#endif
