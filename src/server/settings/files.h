/* data/files: the root folder of mw.fs, beside the server's own files in the data folder. */
#ifndef MW_SERVER_SETTINGS_FILES_H
#define MW_SERVER_SETTINGS_FILES_H

#include "bind/base/host.h"
#include "server/settings/settings.h"

#define MW_FILES_INIT \
  { -1, NULL, 0 }

/* Makes data/files in a data folder without a store. Called before the store is opened. Returns 0 or MW_EIO. */
int mw_files_make(const char *data, struct mw_err *err);

/* Opens data/files. The first time, moves files of scripts there, which older versions of mw.fs made in the data folder
 * itself: all regular files, folders and links except the server's own. After a crash, the next call completes the
 * move. `dir` is the project folder. The caller holds the lock of the store; `settings` outlive the files. Returns 0,
 * MW_EINVAL (a folder of files.folders contains the data folder or lies in it), MW_EIO or MW_ENOMEM. */
int mw_files_open(struct mw_files *files, const char *data, const char *dir, const struct mw_settings *settings,
                  struct mw_err *err);

/* Accepts MW_FILES_INIT, and repeated calls. */
void mw_files_close(struct mw_files *files);

/* Returns 0, MW_EINVAL (a folder of files.folders contains the data folder or lies in it) or MW_ENOMEM. */
int mw_files_check_folders(const struct mw_settings *settings, const char *data, struct mw_err *err);

#endif
