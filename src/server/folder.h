/* Folders that the server makes and removes. */
#ifndef MW_SERVER_FOLDER_H
#define MW_SERVER_FOLDER_H

#include "base/err.h"

/* Makes `path` and the folders above it. Returns 0, MW_EIO (errno says why) or MW_ENOMEM. */
int mw_folder_make(const char *path);

/* Makes an empty folder in $TMPDIR or /tmp that only this user can open. Returns 0 and its path, owned; MW_EIO or
 * MW_ENOMEM. */
int mw_folder_make_temporary(char **out, struct mw_err *err);

/* Removes a folder and all in it, as far as that is possible; links are not followed. */
void mw_folder_remove(const char *path);

#endif
