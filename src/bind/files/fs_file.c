/* A file: "moonwire.File". It does one operation at a time: while a fiber waits for one, the file is busy, and another
 * operation raises. A temporary file has `temp` set: unless it is committed, closing it removes it, and the collector
 * closes it.
 *
 * The user value is the file's name, for messages. */
#include "bind/files/fs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/base/options.h"
#include "bind/files/fs_path.h"
#include "script/state/collect.h"

#define FILE_TYPE "moonwire.File"

enum { READ_DEFAULT = 65536, READ_MAX = 1 << 30 };

struct file {
  int fd; /* -1 if closed */
  bool busy;
  char *temp;                   /* path of a temporary file, owned; NULL for other files */
  const struct mw_files *files; /* the folders in which `temp` lies */
};

/* ---- the object ---- */

/* Frees all resources. Blocks until close() and unlink() return. Returns 0 or an errno. */
static int dispose(const struct mw_files *files, int fd, char *temp) {
  int error = fd >= 0 && close(fd) != 0 ? errno : 0;
  if (temp) mw_fs_remove(files, temp);
  free(temp);
  return error;
}

/* Takes the descriptor out of the file, which is then closed. Returns -1 if it was closed. */
static int take_descriptor(lua_State *L, struct file *file) {
  int fd = file->fd;
  file->fd = -1;
  if (fd >= 0) mw_collect_descriptor(mw_vm_of(L), -1);
  return fd;
}

/* Returns the file at index 1, open or closed. Raises if an operation on it is under way. */
static struct file *check_idle(lua_State *L, const char *what) {
  struct file *file = mw_bind_check_self(L, FILE_TYPE);
  if (file->busy) luaL_error(L, "%s: another operation on this file is under way", what);
  return file;
}

static struct file *check_open(lua_State *L, const char *what) {
  struct file *file = check_idle(L, what);
  if (file->fd < 0) luaL_error(L, "%s: the file is closed", what);
  return file;
}

static const char *name_of(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return lua_tostring(L, -1);
}

static void push_file(lua_State *L, int name_index);

/* Moves descriptor and path to a new file object. Nothing raises between its creation and the move. */
static int deliver_file(lua_State *L, int name_index, int *fd, char **temp) {
  push_file(L, name_index);
  struct file *file = lua_touserdata(L, -1);
  file->files = mw_fs_files(L);
  file->fd = *fd;
  *fd = -1;
  mw_collect_descriptor(mw_vm_of(L), 1);
  if (temp) {
    file->temp = *temp;
    *temp = NULL;
  }
  return 1;
}

/* ---- opening ---- */

struct opening {
  struct mw_work work;
  const struct mw_files *files;
  const char *path;
  int flags;
  int fd;
  char *temp;
};

static void release_opening(struct mw_work *work) {
  struct opening *o = (struct opening *)work;
  dispose(o->files, o->fd, o->temp);
  o->fd = -1;
  o->temp = NULL;
}

static struct opening *push_opening(lua_State *L, const char *what) {
  struct opening *o = mw_work_push(L, sizeof *o, what);
  o->files = mw_fs_files(L);
  o->fd = -1;
  o->work.release = release_opening;
  return o;
}

static int open_name(int folder, const char *name, void *arg) {
  struct opening *o = arg;
  o->fd = openat(folder, name, o->flags | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (o->fd < 0) return errno == ELOOP ? MW_FS_LINK : errno;
  struct stat info;
  if (fstat(o->fd, &info) != 0) return errno;
  return S_ISDIR(info.st_mode) ? EISDIR : 0;
}

static int run_open(struct mw_work *work) {
  struct opening *o = (struct opening *)work;
  return mw_fs_at(o->files, o->path, false, open_name, o);
}

static int deliver_open(lua_State *L, struct mw_work *work) {
  struct opening *o = (struct opening *)work;
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  return deliver_file(L, 1, &o->fd, NULL);
}

/* The modes of C's fopen(): r, w or a; + for both ways; x for a file that must be new; b has no effect. */
static int check_mode(lua_State *L, int index) {
  const char *mode = luaL_optstring(L, index, "r"), *rest = mode + (mode[0] != '\0');
  bool both = false, exclusive = false;
  for (; *rest; rest++) {
    if (*rest == '+') both = true;
    else if (*rest == 'x' && mode[0] != 'r') exclusive = true;
    else if (*rest != 'b') break;
  }
  luaL_argcheck(L, mode[0] != '\0' && strchr("rwa", mode[0]) && *rest == '\0', index,
                "expected a mode such as \"r\", \"w\", \"a\", \"r+\" or \"wx\"");
  int flags = both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
  if (mode[0] != 'r') flags |= O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
  return exclusive ? flags | O_EXCL : flags;
}

int mw_fs_open(lua_State *L) {
  int flags = check_mode(L, 2);
  lua_settop(L, 1);
  const char *path = mw_fs_push_path(L, 1);
  if (!path) return 2;
  struct opening *o = push_opening(L, "mw.fs.open");
  o->path = path;
  o->flags = flags | O_NONBLOCK; /* opening a pipe without another end must not block a thread of the pool */
  o->work.run = run_open;
  o->work.deliver = deliver_open;
  return mw_work_wait(L, &o->work);
}

static int run_temp(struct mw_work *work) {
  struct opening *o = (struct opening *)work;
  return mw_fs_make_temp(o->files, o->path, &o->fd, &o->temp);
}

static int deliver_temp(lua_State *L, struct mw_work *work) {
  struct opening *o = (struct opening *)work;
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 1));
  return deliver_file(L, 1, &o->fd, &o->temp);
}

int mw_fs_temp(lua_State *L) {
  luaL_optstring(L, 1, "");
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_pushliteral(L, ".");
    lua_replace(L, 1);
  }
  const char *folder = mw_fs_push_path(L, 1);
  if (!folder) return 2;
  struct opening *o = push_opening(L, "mw.fs.temp");
  o->path = folder;
  o->work.run = run_temp;
  o->work.deliver = deliver_temp;
  return mw_work_wait(L, &o->work);
}

/* ---- reading ---- */

struct reading {
  struct mw_work work;
  int fd;
  size_t wanted, got;
  char data[];
};

static int run_read(struct mw_work *work) {
  struct reading *r = (struct reading *)work;
  while (r->got < r->wanted) {
    ssize_t n = read(r->fd, r->data + r->got, r->wanted - r->got);
    if (n < 0 && errno != EINTR) return errno;
    if (n == 0) break;
    if (n > 0) r->got += (size_t)n;
  }
  return 0;
}

static int deliver_read(lua_State *L, struct mw_work *work) {
  struct reading *r = (struct reading *)work;
  if (work->error) return mw_fs_fail(L, work->error, name_of(L));
  if (r->got == 0) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, r->data, r->got);
  }
  return 1;
}

static int l_read(lua_State *L) {
  struct file *file = check_open(L, "file:read");
  lua_Integer wanted = luaL_optinteger(L, 2, READ_DEFAULT);
  luaL_argcheck(L, wanted >= 1 && wanted <= READ_MAX, 2, "expected how many bytes, from 1 to 2^30");
  lua_settop(L, 2);
  struct reading *r = mw_work_push(L, sizeof *r + (size_t)wanted, "file:read");
  r->fd = file->fd;
  r->wanted = (size_t)wanted;
  r->work.busy = &file->busy;
  r->work.run = run_read;
  r->work.deliver = deliver_read;
  return mw_work_wait(L, &r->work);
}

/* ---- writing, syncing ---- */

struct writing {
  struct mw_work work;
  int fd;
  struct mw_slice bytes;
};

static int run_write(struct mw_work *work) {
  struct writing *w = (struct writing *)work;
  return mw_fs_write_all(w->fd, w->bytes);
}

static int run_sync(struct mw_work *work) {
  struct writing *w = (struct writing *)work;
  return fsync(w->fd) == 0 ? 0 : errno;
}

/* Pushes true, or nil and a status. */
static int deliver_done(lua_State *L, struct mw_work *work) {
  if (work->error) return mw_fs_fail(L, work->error, name_of(L));
  lua_pushboolean(L, 1);
  return 1;
}

static int start_writing(lua_State *L, struct file *file, struct mw_slice bytes, int (*run)(struct mw_work *work),
                         const char *what) {
  lua_settop(L, 2);
  struct writing *w = mw_work_push(L, sizeof *w, what);
  w->fd = file->fd;
  w->bytes = bytes;
  w->work.busy = &file->busy;
  w->work.run = run;
  w->work.deliver = deliver_done;
  return mw_work_wait(L, &w->work);
}

static int l_write(lua_State *L) {
  struct file *file = check_open(L, "file:write");
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  return start_writing(L, file, mw_slice(bytes, len), run_write, "file:write");
}

static int l_sync(lua_State *L) {
  return start_writing(L, check_open(L, "file:sync"), mw_slice(NULL, 0), run_sync, "file:sync");
}

/* Moves the position, which the kernel holds. Does not touch the disk. */
static int l_seek(lua_State *L) {
  static const char *const names[] = {"set", "cur", "end", NULL};
  static const int whence[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  struct file *file = check_open(L, "file:seek");
  int from = luaL_checkoption(L, 2, "cur", names);
  off_t position = lseek(file->fd, (off_t)luaL_optinteger(L, 3, 0), whence[from]);
  if (position < 0) return mw_fs_fail(L, errno, name_of(L));
  lua_pushinteger(L, position);
  return 1;
}

/* ---- committing a temporary file ---- */

struct committing {
  struct mw_work work;
  const struct mw_files *files;
  int fd;
  const char *from, *to;
  bool replace;
};

static int run_commit(struct mw_work *work) {
  struct committing *c = (struct committing *)work;
  return mw_fs_publish(c->files, c->fd, c->from, c->to, c->replace);
}

/* Runs unless the fiber was killed meanwhile. After a kill the file stays open, and its later removal finds no file. */
static int deliver_commit(lua_State *L, struct mw_work *work) {
  if (work->error) return mw_fs_fail(L, work->error, lua_tostring(L, 2));
  struct file *file = lua_touserdata(L, 1);
  free(file->temp);
  file->temp = NULL;
  close(take_descriptor(L, file)); /* all data is on the disk: close() neither loses any nor blocks */
  lua_pushboolean(L, 1);
  return 1;
}

/* file:commit(name [, {replace = true}]). A relative name starts from the folder of the temporary file. */
static int l_commit(lua_State *L) {
  static const char *const allowed[] = {"replace", NULL};
  mw_bind_check_options(L, 3, "file:commit", allowed);
  bool replace = mw_bind_get_option(L, 3, "replace") == LUA_TNIL || lua_toboolean(L, -1);
  lua_settop(L, 3);
  struct file *file = check_open(L, "file:commit");
  if (!file->temp) return luaL_error(L, "file:commit: only a file of mw.fs.temp can be committed");
  const char *to = mw_fs_push_sibling(L, 2, file->temp);
  if (!to) return 2;
  struct committing *c = mw_work_push(L, sizeof *c, "file:commit");
  c->files = file->files;
  c->fd = file->fd;
  c->from = file->temp;
  c->to = to;
  c->replace = replace;
  c->work.busy = &file->busy;
  c->work.run = run_commit;
  c->work.deliver = deliver_commit;
  return mw_work_wait(L, &c->work);
}

/* ---- closing ---- */

/* Takes descriptor and path out of the file first, so that nothing closes them twice. */
struct closing {
  struct mw_work work;
  const struct mw_files *files;
  int fd;
  char *temp;
};

static int run_close(struct mw_work *work) {
  struct closing *c = (struct closing *)work;
  return dispose(c->files, c->fd, c->temp);
}

static int l_close(lua_State *L) {
  struct file *file = check_idle(L, "file:close");
  if (file->fd < 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_settop(L, 1);
  struct closing *c = mw_work_push(L, sizeof *c, "file:close");
  c->files = file->files;
  c->fd = take_descriptor(L, file);
  c->temp = file->temp;
  file->temp = NULL;
  c->work.run = run_close;
  c->work.deliver = deliver_done;
  return mw_work_wait(L, &c->work);
}

static int l_gc(lua_State *L) {
  struct file *file = luaL_checkudata(L, 1, FILE_TYPE);
  dispose(file->files, take_descriptor(L, file), file->temp);
  file->temp = NULL;
  return 0;
}

/* __close of `local file <close>`. Where no wait is possible, closes at once. */
static int l_close_variable(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  struct file *file = check_idle(L, "file:close");
  lua_settop(L, 1);
  if (file->fd < 0) return 0;
  return vm->running && vm->unyieldable == 0 && lua_isyieldable(L) ? l_close(L) : l_gc(L);
}

static int l_tostring(lua_State *L) {
  struct file *file = luaL_checkudata(L, 1, FILE_TYPE);
  lua_pushfstring(L, "file %s%s", name_of(L), file->fd < 0 ? " (closed)" : "");
  return 1;
}

static void push_file_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"read", l_read},   {"write", l_write},   {"sync", l_sync}, {"seek", l_seek},
                                     {"close", l_close}, {"commit", l_commit}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", l_gc}, {"__close", l_close_variable}, {"__tostring", l_tostring}, {NULL, NULL}};
  mw_bind_push_type(L, FILE_TYPE, methods, metamethods);
}

static void push_file(lua_State *L, int name_index) {
  struct file *file = lua_newuserdatauv(L, sizeof *file, 1);
  *file = (struct file){.fd = -1};
  lua_pushvalue(L, name_index);
  lua_setiuservalue(L, -2, 1);
  push_file_type(L);
  lua_setmetatable(L, -2);
}
