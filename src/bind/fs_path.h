/* Paths of scripts, and the functions that the bindings of mw.fs share.
 *
 * A relative path starts from data/files, or from another folder where a function says so; an absolute one from a folder
 * of the setting files.folders. None has ".." in it. bind/fs_walk.h finds the file. */
#ifndef MW_BIND_FS_PATH_H
#define MW_BIND_FS_PATH_H

#include "bind/bind.h"
#include "bind/fs_walk.h"
#include "bind/work.h"

/* Names that start with this are the server's own: no script can use them, and mw.fs.list() leaves them out. */
#define MW_FS_OWN_PREFIX ".moonwire-"

/* Of files that are not complete yet. */
#define MW_FS_TEMP_PREFIX MW_FS_OWN_PREFIX "tmp-"

/* The folders that paths start from, in a function of mw.fs; they outlive the Lua state. */
const struct mw_files *mw_fs_files(lua_State *L);

/* Checks that the argument at `index` is a string, and pushes it as a path for mw_fs_at(). Returns that string, or NULL
 * with nil and a status pushed instead: an empty path, a zero byte in it, "..", or a name of the server's own. */
const char *mw_fs_push_path(lua_State *L, int index);

/* The same, a relative path lying in the folder of the file `of`, itself a path for mw_fs_at(). */
const char *mw_fs_push_sibling(lua_State *L, int index, const char *of);

/* Pushes nil and a status for the error of an operation on the path that the script called `name`. Returns 2. */
int mw_fs_fail(lua_State *L, int error, const char *name);

/* Everything from here on blocks and runs on a pool thread. Paths and results are those of mw_fs_at(). */

/* Makes a folder, and those above it that are missing. One that is there is fine; a file of that name is ENOTDIR. */
int mw_fs_make_folders(const struct mw_files *files, const char *path);

/* Removes a file, or a folder that is empty. */
int mw_fs_remove(const struct mw_files *files, const char *path);

int mw_fs_rename(const struct mw_files *files, const char *from, const char *to);

/* Makes a new file with a temporary name in the folder `folder`, which is made when it is missing. Returns the open
 * file and its path, to be freed. */
int mw_fs_make_temp(const struct mw_files *files, const char *folder, int *fd, char **path);

/* Writes all of it at the file's position. */
int mw_fs_write_all(int fd, struct mw_slice bytes);

/* Gives the file `from`, open as `fd`, its final name for good: file and folder are synced. With `replace` false a file
 * of that name stays, and the answer is EEXIST. */
int mw_fs_publish(const struct mw_files *files, int fd, const char *from, const char *to, bool replace);

#endif
