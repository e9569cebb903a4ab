#include "bind/files/fs_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/base/status.h"

/* ---- in the fiber ---- */

static const char *reject(lua_State *L, const char *path, const char *words) {
  mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "%s%s%s", path, *path ? ": " : "", words);
  return NULL;
}

static bool is_own(const char *path) {
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, MW_FS_OWN_PREFIX, strlen(MW_FS_OWN_PREFIX)) == 0) return true;
  }
  return false;
}

/* Pushes the path at `index`. A relative path starts from the first `folder_len` bytes of `folder`. */
static const char *push_below(lua_State *L, int index, const char *folder, size_t folder_len) {
  size_t len;
  const char *path = luaL_checklstring(L, index, &len);
  if (len == 0) return reject(L, "", "the path is empty");
  if (strlen(path) != len) return reject(L, "", "the path contains a zero byte");
  if (mw_fs_has_parent_part(path)) return reject(L, path, "a path must stay in its folder: \"..\" is not allowed");
  if (is_own(path)) return reject(L, path, "names that start with " MW_FS_OWN_PREFIX " are the server's own");
  if (path[0] == '/') folder_len = 0;
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, folder_len + len + 1);
  memcpy(out, folder, folder_len);
  memcpy(out + folder_len, path, len + 1);
  mw_fs_normalise(out);
  luaL_pushresultsize(&b, strlen(out));
  return lua_tostring(L, -1);
}

const struct mw_files *mw_fs_files(lua_State *L) { return mw_bind_program(L)->host->files; }

const char *mw_fs_push_path(lua_State *L, int index) { return push_below(L, index, "", 0); }

const char *mw_fs_push_sibling(lua_State *L, int index, const char *of) {
  const char *slash = strrchr(of, '/');
  return push_below(L, index, of, slash ? (size_t)(slash - of) + 1 : 0);
}

static enum mw_code code_of(int error) {
  switch (error) {
    case ENOENT: return MW_CODE_NOT_FOUND;
    case EEXIST: return MW_CODE_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return MW_CODE_PERMISSION_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return MW_CODE_RESOURCE_EXHAUSTED;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP: return MW_CODE_INVALID_ARGUMENT;
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case EXDEV:
    case EBADF:
    case EBUSY:
    case ETXTBSY: return MW_CODE_FAILED_PRECONDITION;
    default: return MW_CODE_INTERNAL;
  }
}

int mw_fs_fail(lua_State *L, int error, const char *name) {
  if (error == MW_FS_OUTSIDE) {
    return mw_bind_fail(L, MW_CODE_PERMISSION_DENIED,
                        "%s: outside of data/files: absolute paths and links must stay in the folders of the setting "
                        "files.folders",
                        name);
  }
  return mw_bind_fail(L, code_of(error), "%s: %s", name, uv_strerror(uv_translate_sys_error(error)));
}

/* ---- on a pool thread ---- */

static int make_folder(int folder, const char *name, void *arg) {
  if (mkdirat(folder, name, 0777) == 0) return 0;
  if (errno != EEXIST) return errno;
  struct stat info;
  if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  return S_ISLNK(info.st_mode) ? MW_FS_LINK : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

int mw_fs_make_folders(const struct mw_files *files, const char *path) {
  return mw_fs_at(files, path, true, make_folder, NULL);
}

static int remove_name(int folder, const char *name, void *arg) {
  if (unlinkat(folder, name, 0) == 0) return 0;
  if (errno != EISDIR) return errno;
  return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

int mw_fs_remove(const struct mw_files *files, const char *path) {
  return mw_fs_at(files, path, false, remove_name, NULL);
}

static int create(int folder, const char *name, void *arg) {
  int *fd = arg;
  *fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  return *fd < 0 ? errno : 0;
}

int mw_fs_make_temp(const struct mw_files *files, const char *folder, int *fd, char **path) {
  for (int tries = 0; tries < 100; tries++) {
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return errno;
    char *name;
    const char *slash = *folder ? "/" : "";
    if (asprintf(&name, "%s%s" MW_FS_TEMP_PREFIX "%016llx", folder, slash, (unsigned long long)number) < 0)
      return ENOMEM;
    int error = mw_fs_at(files, name, true, create, fd);
    if (error == 0) {
      *path = name;
      return 0;
    }
    free(name);
    if (error != EEXIST) return error;
  }
  return EEXIST;
}

int mw_fs_write_all(int fd, struct mw_slice bytes) {
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.data, bytes.len);
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) bytes = mw_slice(bytes.data + n, bytes.len - (size_t)n);
  }
  return 0;
}

/* Makes a new name survive a power loss. */
static int sync_folder(int folder) {
  int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = fsync(fd) != 0 && errno != EINVAL ? errno : 0; /* EINVAL: the file system does not support it */
  close(fd);
  return error;
}

/* ---- from one path to another ---- */

struct move {
  const struct mw_files *files;
  const char *to;
  int from_folder;
  const char *from_name;
  bool publish; /* to its final name: sync the folder */
  bool replace;
};

/* Renames without replacing a file. Where the file system cannot do that, links and unlinks. */
static int rename_to_new(const struct move *move, int folder, const char *name) {
  if (renameat2(move->from_folder, move->from_name, folder, name, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (linkat(move->from_folder, move->from_name, folder, name, 0) != 0) return errno;
  return unlinkat(move->from_folder, move->from_name, 0) == 0 ? 0 : errno;
}

static int move_to(int folder, const char *name, void *arg) {
  const struct move *move = arg;
  int error;
  if (move->replace) {
    error = renameat(move->from_folder, move->from_name, folder, name) == 0 ? 0 : errno;
  } else {
    error = rename_to_new(move, folder, name);
  }
  return error == 0 && move->publish ? sync_folder(folder) : error;
}

static int move_from(int folder, const char *name, void *arg) {
  struct move *move = arg;
  move->from_folder = folder;
  move->from_name = name;
  return mw_fs_at(move->files, move->to, move->publish, move_to, move);
}

int mw_fs_rename(const struct mw_files *files, const char *from, const char *to) {
  struct move move = {.files = files, .to = to, .replace = true};
  return mw_fs_at(files, from, false, move_from, &move);
}

int mw_fs_publish(const struct mw_files *files, int fd, const char *from, const char *to, bool replace) {
  struct move move = {.files = files, .to = to, .publish = true, .replace = replace};
  return fsync(fd) == 0 ? mw_fs_at(files, from, false, move_from, &move) : errno;
}
