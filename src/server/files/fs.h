/* Makes and removes folders. */
#ifndef MW_SERVER_FILES_FS_H
#define MW_SERVER_FILES_FS_H

#include "base/err.h"

/* Makes `path` and its parent folders. Returns 0, MW_EIO (with errno) or MW_ENOMEM. */
int mw_folder_make(const char *path);

/* Removes a folder with its content, as far as possible. Does not follow links. */
void mw_folder_remove(const char *path);

#endif
