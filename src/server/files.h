/* data/files, the folder that mw.fs is rooted in, beside the server's own files in the data folder. */
#ifndef MW_SERVER_FILES_H
#define MW_SERVER_FILES_H

#include "bind/host.h"
#include "server/settings.h"

#define MW_FILES_INIT {-1, NULL, 0}

/* Makes data/files in a data folder that has no store. Before the store is opened. Returns 0 or MW_EIO. */
int mw_files_make(const char *data, struct mw_err *err);

/* Opens data/files. The first time, moves there what scripts have made in the data folder while mw.fs was rooted in that:
 * all regular files, folders and links but the server's own. After a crash, the next call completes the move. `dir` is the
 * project folder. The caller holds the lock of the store; `settings` outlive the files.
 * Returns 0, MW_EINVAL (a folder of files.folders holds the data folder or lies in it), MW_EIO or MW_ENOMEM. */
int mw_files_open(struct mw_files *files, const char *data, const char *dir, const struct mw_settings *settings,
                  struct mw_err *err);

/* Also of MW_FILES_INIT, and twice. */
void mw_files_close(struct mw_files *files);

/* Returns 0, MW_EINVAL (a folder of files.folders holds the data folder or lies in it) or MW_ENOMEM. */
int mw_files_check_folders(const struct mw_settings *settings, const char *data, struct mw_err *err);

#endif
