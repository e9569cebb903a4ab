#include "server/files/fs.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int mw_folder_make(const char *path) {
  char *copy = strdup(path);
  if (!copy) return MW_ENOMEM;
  int rc = 0;
  for (char *slash = strchr(copy + 1, '/'); slash && rc == 0; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(copy, 0777) != 0 && errno != EEXIST) rc = MW_EIO;
    *slash = '/';
  }
  if (rc == 0 && mkdir(copy, 0777) != 0 && errno != EEXIST) rc = MW_EIO;
  free(copy);
  return rc;
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk) { return remove(path); }

void mw_folder_remove(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }
