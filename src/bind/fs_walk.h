/* From the path of a script to the folder that its last part lies in, without a way out.
 *
 * A path starts from data/files when it is relative, and from a folder of the setting files.folders when it is absolute.
 * It is walked one name at a time, each opened as a folder below the one before and never through a symbolic link or
 * "..": whatever is renamed meanwhile, the walk stays below its start. A link is read instead, and its target walked from
 * a start of its own; one that leads to neither is MW_FS_OUTSIDE.
 *
 * Everything here blocks and runs on a pool thread; it returns 0, an errno, or one of the codes below. */
#ifndef MW_BIND_FS_WALK_H
#define MW_BIND_FS_WALK_H

#include <stdbool.h>

#include "bind/host.h"

enum {
  MW_FS_OUTSIDE = -1, /* the path, or a link on it, leads out of data/files and of all folders of files.folders */
  MW_FS_LINK = -2     /* from an operation: the name is a link, which is to be followed */
};

/* An operation on `name`, one part of a path, in the open folder `folder`. It must not follow links itself. */
typedef int mw_fs_op_fn(int folder, const char *name, void *arg);

/* Runs `op` on the last part of `path` ("." for the start itself), and again on the target of each link that it reports.
 * With `make`, folders on the way that are missing are made. `path` is as mw_fs_tidy() leaves it. */
int mw_fs_at(const struct mw_files *files, const char *path, bool make, mw_fs_op_fn *op, void *arg);

/* Whether one of the path's parts is "..". */
bool mw_fs_climbs(const char *path);

/* Removes empty and "." parts, and ".." with the part before it. Returns whether none leads above the start. */
bool mw_fs_tidy(char *path);

/* Whether `name`, which was no folder a moment ago, is a link, or a folder after all: MW_FS_LINK is due for both. */
bool mw_fs_leads_on(int folder, const char *name);

#endif
