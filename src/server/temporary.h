/* Temporary folders, in $TMPDIR or /tmp. One is locked as long as its process lives: so whoever makes the next one can
 * tell what processes that were killed have left behind, and removes it. Any thread. */
#ifndef MW_SERVER_TEMPORARY_H
#define MW_SERVER_TEMPORARY_H

#include "base/err.h"

struct mw_temporary {
  char *path; /* owned; NULL for none */
  int lock;   /* the folder itself, opened */
};

#define MW_TEMPORARY_INIT {NULL, -1}

/* Makes an empty folder that only this user can open, once those that nobody needs any more are gone. Returns 0, MW_EIO or
 * MW_ENOMEM. */
int mw_temporary_make(struct mw_temporary *out, struct mw_err *err);

/* Removes the folder and all in it. What is then there, MW_TEMPORARY_INIT, is allowed too. */
void mw_temporary_remove(struct mw_temporary *temporary);

/* Removes all folders of this process, for an end that waits for nobody: another thread may be making files in them. What
 * is left then is removed by whoever makes the next one. */
void mw_temporary_remove_all(void);

#endif
