/* Folders that the server makes and removes. */
#ifndef MW_SERVER_FOLDER_H
#define MW_SERVER_FOLDER_H

#include "base/err.h"

/* Makes `path` and the folders above it. Returns 0, MW_EIO (errno says why) or MW_ENOMEM. */
int mw_folder_make(const char *path);

/* Removes a folder and all in it, as far as that is possible; links are not followed. */
void mw_folder_remove(const char *path);

#endif
