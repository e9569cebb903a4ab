/* Paths of scripts, and the functions that the bindings of mw.fs share.
 *
 * A relative path starts from data/files, unless a function documents another folder. An absolute path starts from a
 * folder of the setting files.folders. No path contains "..". bind/files/fs_walk.h finds the file. */
#ifndef MW_BIND_FILES_FS_PATH_H
#define MW_BIND_FILES_FS_PATH_H

#include "bind/base/bind.h"
#include "bind/files/fs_walk.h"
#include "bind/files/work.h"

/* Prefix of the server's own names: scripts cannot use them, and mw.fs.list() leaves them out. */
#define MW_FS_OWN_PREFIX ".moonwire-"

/* Prefix of incomplete files. */
#define MW_FS_TEMP_PREFIX MW_FS_OWN_PREFIX "tmp-"

/* The folders from which paths start, in a function of mw.fs. They outlive the Lua state. */
const struct mw_files *mw_fs_files(lua_State *L);

/* Checks that the argument at `index` is a string, and pushes it as a path for mw_fs_at(). Returns that string. For an
 * empty path, a zero byte, "..", or a name of the server's own, returns NULL and pushes nil and a status instead. */
const char *mw_fs_push_path(lua_State *L, int index);

/* The same, but a relative path starts from the folder of the file `of`, which is a path for mw_fs_at(). */
const char *mw_fs_push_sibling(lua_State *L, int index, const char *of);

/* Pushes nil and a status for the error of an operation. `name` is the path as the script wrote it. Returns 2. */
int mw_fs_fail(lua_State *L, int error, const char *name);

/* All functions below block and run on a pool thread. Paths and results are those of mw_fs_at(). */

/* Makes a folder and its missing parents. An existing folder is no error; a file of that name is ENOTDIR. */
int mw_fs_make_folders(const struct mw_files *files, const char *path);

/* Removes a file or an empty folder. */
int mw_fs_remove(const struct mw_files *files, const char *path);

int mw_fs_rename(const struct mw_files *files, const char *from, const char *to);

/* Makes a new file with a temporary name in `folder`, which it makes if it is missing. Returns the open descriptor and
 * the owned path. */
int mw_fs_make_temp(const struct mw_files *files, const char *folder, int *fd, char **path);

/* Writes all bytes at the file's position. */
int mw_fs_write_all(int fd, struct mw_slice bytes);

/* Renames the file `from`, open as `fd`, to `to`, and syncs file and folder, so that the name survives a power loss. If
 * `replace` is false and `to` exists, leaves that file and returns EEXIST. */
int mw_fs_publish(const struct mw_files *files, int fd, const char *from, const char *to, bool replace);

#endif
