/* A generation as a project folder: for whoever is to see its exact bytes, whatever happens on the disk meanwhile. */
#ifndef MW_SERVER_SNAPSHOT_H
#define MW_SERVER_SNAPSHOT_H

#include "server/generation.h"

/* Fills the empty folder `to`: the scripts, settings and protos of the first folder of them, as "proto", are those of
 * `generation`, which was read from `dir`; all
 * else in `dir`, such as spec/, but what is named in `but` (an absolute path), is linked to. Returns 0; MW_ECONFLICT
 * (the protos on the disk are others by now), MW_EIO or MW_ENOMEM. */
int mw_snapshot_write(const struct mw_generation *generation, const char *dir, const char *but, const char *to,
                      struct mw_err *err);

#endif
