/* mw.fs: files and folders. Each function waits for the disk on a thread of the pool, so that the worker never
 * blocks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"
#include "bind/files/fs_file.h"
#include "bind/files/fs_path.h"

enum {
  READ_LIMIT = 64 << 20, /* bytes: the default limit of mw.fs.read() */
  STEP = 64 << 10
};

/* The data of most functions: up to two paths, and a result that is true. */
struct task {
  struct mw_work work;
  const struct mw_files *files;
  const char *path, *to;
  struct mw_slice bytes;
  struct stat info;
};

/* Pushes true, or nil and a status that names the path in the script's first argument. */
static int deliver_done(lua_State *L, struct mw_work *work) {
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  lua_pushboolean(L, 1);
  return 1;
}

/* Starts a task on the path at index 1. */
static int start(lua_State *L, const char *what, struct mw_slice bytes, int (*run)(struct mw_work *work),
                 int (*deliver)(lua_State *L, struct mw_work *work)) {
  lua_settop(L, 2);
  const char *path = mw_fs_push_path(L, 1);
  if (!path) return 2;
  struct task *task = mw_work_push(L, sizeof *task, what);
  task->files = mw_fs_files(L);
  task->path = path;
  task->bytes = bytes;
  task->work.run = run;
  task->work.deliver = deliver;
  return mw_work_wait(L, &task->work);
}

/* ---- whole files ---- */

struct reading {
  struct mw_work work;
  const struct mw_files *files;
  const char *path;
  size_t limit;
  struct mw_buf data;
};

/* Makes room for `more` bytes. Returns 0, ENOMEM, or EDQUOT if all reads of the worker together hold too much. */
static int reserve(struct reading *r, size_t more) {
  if (r->data.cap - r->data.len > more) return 0;
  if (!mw_work_reserve(&r->work, more + 1)) return EDQUOT;
  return mw_buf_reserve_exact(&r->data, more) == 0 ? 0 : ENOMEM;
}

/* Reads until the end of the file. Its size is only a guess: the file may change, and files of /proc report 0. */
static int read_all(int fd, struct reading *r) {
  struct stat info;
  if (fstat(fd, &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  size_t expected = info.st_size > 0 ? (size_t)info.st_size : 0;
  if (expected > r->limit) return EFBIG;
  int error = reserve(r, expected + 1);
  for (;;) {
    if (error == 0 && r->data.cap - r->data.len < 2) error = reserve(r, r->data.len > STEP ? r->data.len : STEP);
    if (error) return error;
    ssize_t n = read(fd, r->data.data + r->data.len, r->data.cap - r->data.len - 1);
    if (n < 0 && errno != EINTR) return errno;
    if (n == 0) return 0;
    if (n > 0) r->data.len += (size_t)n;
    if (r->data.len > r->limit) return EFBIG;
  }
}

static int read_name(int folder, const char *name, void *arg) {
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) return errno == ELOOP ? MW_FS_LINK : errno;
  int error = read_all(fd, arg);
  close(fd);
  return error;
}

static int run_read(struct mw_work *work) {
  struct reading *r = (struct reading *)work;
  return mw_fs_at(r->files, r->path, false, read_name, r);
}

static void release_read(struct mw_work *work) {
  struct reading *r = (struct reading *)work;
  mw_buf_fini(&r->data);
  r->data = (struct mw_buf)MW_BUF_INIT;
}

static int deliver_read(lua_State *L, struct mw_work *work) {
  struct reading *r = (struct reading *)work;
  if (work->error == EFBIG && r->limit == work->limit) {
    return mw_bind_fail(L, MW_CODE_RESOURCE_EXHAUSTED,
                        "%s: larger than limits.memory_bytes, %zu bytes; read pieces with mw.fs.open",
                        lua_tostring(L, 1), r->limit);
  }
  if (work->error == EDQUOT) {
    return mw_bind_fail(L, MW_CODE_RESOURCE_EXHAUSTED,
                        "%s: the files that this worker is reading are larger than limits.memory_bytes, %zu bytes; "
                        "read pieces with mw.fs.open",
                        lua_tostring(L, 1), work->limit);
  }
  if (work->error == EFBIG) {
    return mw_bind_fail(L, MW_CODE_RESOURCE_EXHAUSTED,
                        "%s: larger than %zu bytes; give mw.fs.read a higher limit, or read pieces with mw.fs.open",
                        lua_tostring(L, 1), r->limit);
  }
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  lua_pushlstring(L, mw_buf_str(&r->data), r->data.len);
  return 1;
}

/* mw.fs.read(path [, limit]) */
static int l_read(lua_State *L) {
  lua_Integer limit = luaL_optinteger(L, 2, READ_LIMIT);
  luaL_argcheck(L, limit >= 0, 2, "expected the most bytes to read");
  lua_settop(L, 2);
  const char *path = mw_fs_push_path(L, 1);
  if (!path) return 2;
  struct reading *r = mw_work_push(L, sizeof *r, "mw.fs.read");
  r->files = mw_fs_files(L);
  r->path = path;
  r->limit = r->work.limit > 0 && (size_t)limit > r->work.limit ? r->work.limit : (size_t)limit;
  r->work.run = run_read;
  r->work.deliver = deliver_read;
  r->work.release = release_read;
  return mw_work_wait(L, &r->work);
}

static int run_write(struct mw_work *work) {
  struct task *task = (struct task *)work;
  const char *slash = strrchr(task->path, '/');
  char *folder = strndup(task->path, slash ? (size_t)(slash - task->path) : 0), *temp = NULL;
  int fd = -1;
  int error = folder ? mw_fs_make_temp(task->files, folder, &fd, &temp) : ENOMEM;
  free(folder);
  if (error) return error;
  error = mw_fs_write_all(fd, task->bytes);
  if (error == 0) error = mw_fs_publish(task->files, fd, temp, task->path, true);
  if (error) mw_fs_remove(task->files, temp);
  close(fd);
  free(temp);
  return error;
}

/* mw.fs.write(path, bytes): writes all of the file or nothing. */
static int l_write(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  return start(L, "mw.fs.write", mw_slice(bytes, len), run_write, deliver_done);
}

/* ---- names ---- */

static int run_rename(struct mw_work *work) {
  struct task *task = (struct task *)work;
  return mw_fs_rename(task->files, task->path, task->to);
}

static int deliver_rename(lua_State *L, struct mw_work *work) {
  if (work->error) {
    return mw_fs_fail(L, work->error, lua_pushfstring(L, "%s to %s", lua_tostring(L, 1), lua_tostring(L, 2)));
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int l_rename(lua_State *L) {
  lua_settop(L, 2);
  const char *path = mw_fs_push_path(L, 1);
  if (!path) return 2;
  const char *to = mw_fs_push_path(L, 2);
  if (!to) return 2;
  struct task *task = mw_work_push(L, sizeof *task, "mw.fs.rename");
  task->files = mw_fs_files(L);
  task->path = path;
  task->to = to;
  task->work.run = run_rename;
  task->work.deliver = deliver_rename;
  return mw_work_wait(L, &task->work);
}

static int run_remove(struct mw_work *work) {
  struct task *task = (struct task *)work;
  return mw_fs_remove(task->files, task->path);
}

static int l_remove(lua_State *L) { return start(L, "mw.fs.remove", mw_slice(NULL, 0), run_remove, deliver_done); }

static int run_mkdir(struct mw_work *work) {
  struct task *task = (struct task *)work;
  return mw_fs_make_folders(task->files, task->path);
}

static int l_mkdir(lua_State *L) { return start(L, "mw.fs.mkdir", mw_slice(NULL, 0), run_mkdir, deliver_done); }

/* ---- attributes ---- */

static const char *type_name(mode_t mode) { return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "folder" : "other"; }

/* Pushes {type=, size=, modified=}. */
static void push_info(lua_State *L, const struct stat *info) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, type_name(info->st_mode));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, info->st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, (double)info->st_mtim.tv_sec + (double)info->st_mtim.tv_nsec / MW_NS_PER_S);
  lua_setfield(L, -2, "modified");
}

static int stat_name(int folder, const char *name, void *arg) {
  struct stat *info = arg;
  if (fstatat(folder, name, info, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  return S_ISLNK(info->st_mode) ? MW_FS_LINK : 0;
}

static int run_stat(struct mw_work *work) {
  struct task *task = (struct task *)work;
  return mw_fs_at(task->files, task->path, false, stat_name, &task->info);
}

static int deliver_stat(lua_State *L, struct mw_work *work) {
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  push_info(L, &((struct task *)work)->info);
  return 1;
}

static int l_stat(lua_State *L) { return start(L, "mw.fs.stat", mw_slice(NULL, 0), run_stat, deliver_stat); }

static int deliver_exists(lua_State *L, struct mw_work *work) {
  bool absent = work->error == ENOENT || work->error == ENOTDIR;
  if (work->error && !absent) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  lua_pushboolean(L, !absent);
  return 1;
}

static int l_exists(lua_State *L) { return start(L, "mw.fs.exists", mw_slice(NULL, 0), run_stat, deliver_exists); }

/* ---- folders ---- */

struct entry {
  char *name;
  struct stat info;
};

struct listing {
  struct mw_work work;
  const struct mw_files *files;
  const char *path;
  struct entry *entries; /* owned, sorted by name */
  size_t n, cap;
};

static int add_entry(struct listing *l, const char *name, const struct stat *info) {
  size_t size = strlen(name) + 1;
  if (!mw_work_reserve(&l->work, size)) return ENOMEM;
  if (l->n == l->cap) {
    size_t cap = l->cap ? l->cap * 2 : 32;
    if (!mw_work_reserve(&l->work, (cap - l->cap) * sizeof *l->entries)) return ENOMEM;
    struct entry *entries = reallocarray(l->entries, cap, sizeof *entries);
    if (!entries) return ENOMEM;
    l->entries = entries;
    l->cap = cap;
  }
  char *copy = strdup(name);
  if (!copy) return ENOMEM;
  l->entries[l->n++] = (struct entry){copy, *info};
  return 0;
}

static bool is_listed(const char *name) {
  return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
         strncmp(name, MW_FS_OWN_PREFIX, strlen(MW_FS_OWN_PREFIX)) != 0;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Follows a link to its target. A link out of the folder, or to itself, has the type "other". */
static int stat_entry(const struct listing *l, int folder, const char *name, struct stat *info) {
  if (fstatat(folder, name, info, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (!S_ISLNK(info->st_mode)) return 0;
  char *path;
  struct stat target;
  if (asprintf(&path, "%s%s%s", l->path, *l->path ? "/" : "", name) < 0) return ENOMEM;
  int error = mw_fs_at(l->files, path, false, stat_name, &target);
  free(path);
  if (error == 0) *info = target;
  return error == MW_FS_OUTSIDE || error == ELOOP ? 0 : error;
}

static int list_folder(struct listing *l, DIR *folder) {
  struct dirent *found;
  int error = 0;
  for (errno = 0; error == 0 && (found = readdir(folder)); errno = 0) {
    struct stat info;
    if (!is_listed(found->d_name)) continue;
    error = stat_entry(l, dirfd(folder), found->d_name, &info);
    if (error == 0) {
      error = add_entry(l, found->d_name, &info);
    } else if (error == ENOENT) { /* removed meanwhile, or a link without a target */
      error = 0;
    }
  }
  if (error == 0) error = errno;
  if (l->n > 0) qsort(l->entries, l->n, sizeof *l->entries, by_name);
  return error;
}

static int list_name(int folder, const char *name, void *arg) {
  int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    int error = errno;
    return (error == ENOTDIR || error == ELOOP) && mw_fs_is_link_or_folder(folder, name) ? MW_FS_LINK : error;
  }
  DIR *opened = fdopendir(fd);
  if (!opened) {
    close(fd);
    return ENOMEM;
  }
  int error = list_folder(arg, opened);
  closedir(opened);
  return error;
}

static int run_list(struct mw_work *work) {
  struct listing *l = (struct listing *)work;
  return mw_fs_at(l->files, l->path, false, list_name, l);
}

static void release_list(struct mw_work *work) {
  struct listing *l = (struct listing *)work;
  for (size_t i = 0; i < l->n; i++) free(l->entries[i].name);
  free(l->entries);
  l->entries = NULL;
  l->n = l->cap = 0;
}

static int deliver_list(lua_State *L, struct mw_work *work) {
  struct listing *l = (struct listing *)work;
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  unsigned steps = 0;
  lua_newtable(L);
  for (size_t i = 0; i < l->n; i++) {
    mw_budget_tick(L, &steps);
    push_info(L, &l->entries[i].info);
    lua_pushstring(L, l->entries[i].name);
    lua_setfield(L, -2, "name");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* mw.fs.list([path]) */
static int l_list(lua_State *L) {
  luaL_optstring(L, 1, ".");
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_pushliteral(L, ".");
    lua_replace(L, 1);
  }
  const char *path = mw_fs_push_path(L, 1);
  if (!path) return 2;
  struct listing *l = mw_work_push(L, sizeof *l, "mw.fs.list");
  l->files = mw_fs_files(L);
  l->path = path;
  l->work.run = run_list;
  l->work.deliver = deliver_list;
  l->work.release = release_list;
  return mw_work_wait(L, &l->work);
}

void mw_bind_open_fs(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"open", mw_fs_open}, {"temp", mw_fs_temp}, {"read", l_read},
                                       {"write", l_write},   {"rename", l_rename}, {"remove", l_remove},
                                       {"mkdir", l_mkdir},   {"stat", l_stat},     {"exists", l_exists},
                                       {"list", l_list},     {NULL, NULL}};
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "fs");
}
