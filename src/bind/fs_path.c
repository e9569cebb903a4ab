#include "bind/fs_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- in the fiber ---- */

/* Whether one of the path's parts is "..". */
static bool climbs(const char *path) {
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += strspn(part, "/");
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return true;
  }
  return false;
}

static const char *refuse(lua_State *L, const char *words) {
  mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "%s", words);
  return NULL;
}

/* Pushes the path at `index` as seen from the first `folder_len` bytes of `folder`. */
static const char *push_below(lua_State *L, int index, const char *folder, size_t folder_len) {
  size_t len;
  const char *path = luaL_checklstring(L, index, &len);
  if (len == 0) return refuse(L, "the path is empty");
  if (strlen(path) != len) return refuse(L, "the path contains a zero byte");
  if (path[0] == '/') return lua_pushstring(L, path);
  if (climbs(path)) return refuse(L, "a relative path must stay in its folder: \"..\" is not allowed");
  lua_pushlstring(L, folder, folder_len);
  lua_pushfstring(L, "%s/%s", lua_tostring(L, -1), path);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

const char *mw_fs_push_path(lua_State *L, int index) {
  const char *folder = mw_fiber_program(L)->host->data_dir;
  return push_below(L, index, folder, strlen(folder));
}

const char *mw_fs_push_sibling(lua_State *L, int index, const char *of) {
  return push_below(L, index, of, (size_t)(strrchr(of, '/') - of));
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
  return mw_bind_fail(L, code_of(error), "%s: %s", name, uv_strerror(uv_translate_sys_error(error)));
}

/* ---- on a pool thread ---- */

static int make_folder(const char *path) {
  if (mkdir(path, 0777) == 0) return 0;
  if (errno != EEXIST) return errno;
  struct stat info;
  if (stat(path, &info) != 0) return errno;
  return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

int mw_fs_make_folders(const char *path) {
  int error = make_folder(path);
  if (error != ENOENT) return error;
  error = mw_fs_make_parents(path);
  return error ? error : make_folder(path);
}

char *mw_fs_parent(const char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') len--;
  while (len > 0 && path[len - 1] != '/') len--;
  while (len > 1 && path[len - 1] == '/') len--;
  return len > 0 ? strndup(path, len) : strdup(".");
}

int mw_fs_make_parents(const char *path) {
  char *parent = mw_fs_parent(path);
  if (!parent) return ENOMEM;
  int error = strcmp(parent, path) == 0 ? ENOENT : mw_fs_make_folders(parent);
  free(parent);
  return error;
}

static int open_temp(const char *folder, int *fd, char **path) {
  for (int tries = 0; tries < 100; tries++) {
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return errno;
    char *name;
    if (asprintf(&name, "%s/" MW_FS_TEMP_PREFIX "%016llx", folder, (unsigned long long)number) < 0) return ENOMEM;
    int opened = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (opened >= 0) {
      *fd = opened;
      *path = name;
      return 0;
    }
    free(name);
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

int mw_fs_make_temp(const char *folder, int *fd, char **path) {
  int error = open_temp(folder, fd, path);
  if (error != ENOENT) return error;
  error = mw_fs_make_folders(folder);
  return error ? error : open_temp(folder, fd, path);
}

int mw_fs_write_all(int fd, struct mw_slice bytes) {
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.data, bytes.len);
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) bytes = mw_slice(bytes.data + n, bytes.len - (size_t)n);
  }
  return 0;
}

/* So that a new name survives a loss of power. */
static int sync_parent(const char *path) {
  char *parent = mw_fs_parent(path);
  if (!parent) return ENOMEM;
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  free(parent);
  if (fd < 0) return error;
  if (fsync(fd) != 0 && errno != EINVAL) error = errno; /* EINVAL: a file system that cannot */
  close(fd);
  return error;
}

/* Not every file system can rename without replacing; a link can, in two steps. */
static int rename_to_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(from, to) != 0) return errno;
  return unlink(from) == 0 ? 0 : errno;
}

int mw_fs_publish(int fd, const char *from, const char *to, bool replace) {
  if (fsync(fd) != 0) return errno;
  int error = mw_fs_make_parents(to);
  if (error == 0) error = replace ? (rename(from, to) == 0 ? 0 : errno) : rename_to_new(from, to);
  return error ? error : sync_parent(to);
}
