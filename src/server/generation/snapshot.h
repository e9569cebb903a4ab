/* Writes a generation as a project folder, for processes that need its exact bytes while the files on the disk
 * change. */
#ifndef MW_SERVER_GENERATION_SNAPSHOT_H
#define MW_SERVER_GENERATION_SNAPSHOT_H

#include "server/generation/generation.h"

/* Fills the empty folder `to` with the scripts, the settings and, as "proto", the first folder of .proto files of
 * `generation`, which was read from `dir`. Links to all other entries of `dir`, such as spec/, except the absolute path
 * `but`. Returns 0; MW_ECONFLICT (the .proto files on the disk have changed), MW_EIO or MW_ENOMEM. */
int mw_snapshot_write(const struct mw_generation *generation, const char *dir, const char *but, const char *to,
                      struct mw_err *err);

#endif
