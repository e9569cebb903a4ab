/* Paths of scripts, and what the bindings of mw.fs share.
 *
 * A relative path lies below the project's data folder (or another, where a function says so) and may not leave it by
 * ".."; an absolute one is taken as it is: scripts are trusted with data. */
#ifndef MW_BIND_FS_PATH_H
#define MW_BIND_FS_PATH_H

#include "bind/bind.h"
#include "bind/work.h"

/* Files that are not complete yet have names that start with this; mw.fs.list() leaves them out. */
#define MW_FS_TEMP_PREFIX ".moonwire-tmp-"

/* Checks that the argument at `index` is a string, and pushes where it leads. Returns that string, or NULL with nil and
 * a status pushed instead: an empty path, a zero byte in it, or one with "..". */
const char *mw_fs_push_path(lua_State *L, int index);

/* The same, a relative path lying in the folder of the file `of`. */
const char *mw_fs_push_sibling(lua_State *L, int index, const char *of);

/* Pushes nil and a status for the errno of an operation on what the script called `name`. Returns 2. */
int mw_fs_fail(lua_State *L, int error, const char *name);

/* Everything from here on runs on a pool thread: it blocks. Each returns 0 or an errno. */

/* Makes a folder, and those above it that are missing. One that is there is fine; a file of that name is ENOTDIR. */
int mw_fs_make_folders(const char *path);

/* Makes the folders above `path` that are missing. */
int mw_fs_make_parents(const char *path);

/* Makes a new file with a temporary name in the folder `folder`, which is made when it is missing. Returns the open
 * file and its path, to be freed. */
int mw_fs_make_temp(const char *folder, int *fd, char **path);

/* The folder that `path` is in, to be freed; NULL without memory. */
char *mw_fs_parent(const char *path);

/* Writes all of it at the file's position. */
int mw_fs_write_all(int fd, struct mw_slice bytes);

/* Gives the file `from`, open as `fd`, its final name for good: file and folder are synced. With `replace` false a file
 * of that name stays, and the answer is EEXIST. */
int mw_fs_publish(int fd, const char *from, const char *to, bool replace);

#endif
