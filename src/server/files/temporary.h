/* Temporary folders in $TMPDIR or /tmp. Each is locked while its process lives. The next process that makes one
 * recognises folders of killed processes by this, and removes them. Any thread. */
#ifndef MW_SERVER_FILES_TEMPORARY_H
#define MW_SERVER_FILES_TEMPORARY_H

#include "base/err.h"

struct mw_temporary {
  char *path; /* owned; NULL for none */
  int lock;   /* the open folder, which holds the lock */
};

#define MW_TEMPORARY_INIT \
  { NULL, -1 }

/* Removes unused temporary folders, then makes an empty one that only this user can open. Returns 0, MW_EIO or
 * MW_ENOMEM. */
int mw_temporary_make(struct mw_temporary *out, struct mw_err *err);

/* Removes the folder with its content, and leaves MW_TEMPORARY_INIT, which it also accepts. */
void mw_temporary_remove(struct mw_temporary *temporary);

/* Removes all folders of this process, for an end that does not wait: another thread may be creating files in them. The
 * next process that makes one removes remaining files. */
void mw_temporary_remove_all(void);

#endif
