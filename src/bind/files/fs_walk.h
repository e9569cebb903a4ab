/* Finds the folder that holds the last part of a script's path, without a way out of the allowed folders.
 *
 * A relative path starts from data/files, an absolute path from a folder of the setting files.folders. The walk opens
 * one name at a time as a folder below the previous one, and never through a symbolic link or "..". Therefore it stays
 * below its start, even if folders are renamed meanwhile. A link is read, and its target is walked from its own start.
 * MW_FS_OUTSIDE is the error for a target outside of these folders.
 *
 * All functions here block and run on a pool thread. They return 0, an errno, or one of the codes below. */
#ifndef MW_BIND_FILES_FS_WALK_H
#define MW_BIND_FILES_FS_WALK_H

#include <stdbool.h>

#include "bind/base/host.h"

enum {
  MW_FS_OUTSIDE = -1, /* the path, or a link on it, is outside of data/files and of all folders of files.folders */
  MW_FS_LINK = -2     /* returned by an operation: the name is a link; follow it */
};

/* An operation on `name`, the last part of a path, in the open folder `folder`. It must not follow links. */
typedef int mw_fs_op_fn(int folder, const char *name, void *arg);

/* Runs `op` on the last part of `path` ("." for the start itself). If `op` returns MW_FS_LINK, runs it again on the
 * link's target. With `make`, makes missing folders on the way. `path` has the form that mw_fs_normalise() makes. */
int mw_fs_at(const struct mw_files *files, const char *path, bool make, mw_fs_op_fn *op, void *arg);

/* True if one of the path's parts is "..". */
bool mw_fs_has_parent_part(const char *path);

/* Removes empty and "." parts, and ".." with its parent. Returns false if a ".." leads above the start. */
bool mw_fs_normalise(char *path);

/* Call it if `name` was no folder a moment ago. True if it is a link or has become a folder: return MW_FS_LINK for
 * both. */
bool mw_fs_is_link_or_folder(int folder, const char *name);

#endif
