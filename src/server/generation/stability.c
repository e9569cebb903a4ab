/* The kernel alone sets the change time of a file. It takes it from a clock that ticks every 1 to 10 ms, hence
 * MW_LOOK_FRESH_MS: once a file is older than that, every further change gives it another time. */
#include "server/generation/stability.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "schema/load/find.h"
#include "server/settings/settings.h"

/* Follows each path and its zero byte in `stamps`. */
struct stamp {
  uint64_t device, inode;
  int64_t size, changed, modified;
};

static int64_t nanoseconds(struct timespec time) { return (int64_t)time.tv_sec * MW_NS_PER_S + time.tv_nsec; }

/* True if a program has the file open for writing: the kernel then refuses a read lease. False if this cannot be
 * determined: the file belongs to another user, or its file system has no leases. Releases the lease at once; a program
 * that opens the file for writing in between waits for the release. */
static bool is_open_for_writing(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  fcntl(fd, F_SETSIG, SIGURG); /* the signal for a waiting program; ignored by default, unlike SIGIO */
  bool refused = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
  if (!refused) fcntl(fd, F_SETLEASE, F_UNLCK);
  close(fd);
  return refused;
}

/* Returns the nanoseconds until the file may be stable; 0 if it is. A change time in the future comes from another
 * clock and is no evidence. An open, empty file has been emptied by its writer and is unstable for any length of
 * time. */
static int64_t unrest(const char *path, int64_t age, bool empty) {
  const int64_t fresh = (int64_t)MW_LOOK_FRESH_MS * MW_NS_PER_MS, open = (int64_t)MW_LOOK_OPEN_MS * MW_NS_PER_MS;
  if (age >= 0 && age < fresh) return fresh - age;
  if (age >= open && !empty) return 0;
  return is_open_for_writing(path) ? (int64_t)MW_LOOK_AGAIN_MS * MW_NS_PER_MS : 0;
}

/* Skips a file that was deleted meanwhile. The next check will not find it either. */
static int add_file(struct mw_stability *look, const char *path, int64_t (*now)(void)) {
  struct stat info;
  if (stat(path, &info) != 0) return 0;
  struct stamp stamp = {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_ctim), nanoseconds(info.st_mtim)};
  int rc = mw_buf_append(&look->stamps, path, strlen(path) + 1);
  if (rc == 0) rc = mw_buf_append(&look->stamps, &stamp, sizeof stamp);
  int64_t wait = unrest(path, now() - stamp.changed, stamp.size == 0);
  if (rc != 0 || wait <= look->wait) return rc;
  look->wait = wait;
  mw_buf_clear(&look->busy);
  return mw_buf_puts(&look->busy, path);
}

static int add_folder(struct mw_stability *look, struct mw_buf *path, const char *suffix, int64_t (*now)(void),
                      struct mw_err *err) {
  struct mw_file_list list;
  size_t folder = path->len;
  int rc = mw_find_files(&list, mw_buf_str(path), suffix, err);
  if (rc != 0) return rc;
  for (size_t i = 0; i < list.n && rc == 0; i++) {
    rc = mw_buf_printf(path, "/%s", list.paths[i]);
    if (rc == 0) rc = add_file(look, mw_buf_str(path), now);
    path->len = folder;
  }
  mw_file_list_fini(&list);
  return rc == 0 ? 0 : mw_err_set(err, rc, "out of memory");
}

static int add_protos(struct mw_stability *look, const char *dir, struct mw_buf *path, int64_t (*now)(void),
                      struct mw_err *err) {
  struct mw_settings settings;
  int rc = mw_settings_find_protos(&settings, dir);
  if (rc != 0) return mw_err_set(err, rc, "out of memory");
  for (size_t i = 0; i < settings.n_protos && rc == 0; i++) {
    for (size_t k = 0; k < (i == 0 ? 2 : 1) && rc == 0; k++) {
      mw_buf_clear(path);
      rc = mw_buf_puts(path, settings.protos[i]);
      rc = rc == 0 ? add_folder(look, path, k == 0 ? ".proto" : ".binpb", now, err)
                   : mw_err_set(err, rc, "out of memory");
    }
  }
  mw_settings_fini(&settings);
  return rc;
}

int mw_stability_take(struct mw_stability *out, const char *dir, int64_t (*now)(void), struct mw_err *err) {
  struct mw_stability look = {.stamps = MW_BUF_INIT, .busy = MW_BUF_INIT};
  struct mw_buf path = MW_BUF_INIT;
  const char *parent = strcmp(dir, ".") == 0 ? "" : dir, *slash = *parent ? "/" : "";
  int rc = add_protos(&look, dir, &path, now, err);
  if (rc == 0) {
    mw_buf_clear(&path);
    rc = mw_buf_printf(&path, "%s%slua", parent, slash);
    rc = rc == 0 ? add_folder(&look, &path, ".lua", now, err) : mw_err_set(err, rc, "out of memory");
  }
  if (rc == 0) {
    mw_buf_clear(&path);
    rc = mw_buf_printf(&path, "%s%smoonwire.lua", parent, slash);
    if (rc == 0) rc = add_file(&look, mw_buf_str(&path), now);
    if (rc != 0) mw_err_set(err, rc, "out of memory");
  }
  mw_buf_fini(&path);
  if (rc == 0) {
    *out = look;
  } else {
    mw_stability_fini(&look);
  }
  return rc;
}

void mw_stability_fini(struct mw_stability *look) {
  mw_buf_fini(&look->stamps);
  mw_buf_fini(&look->busy);
}

const char *mw_stability_difference(const struct mw_stability *a, const struct mw_stability *b) {
  const char *p = mw_buf_str(&a->stamps), *q = mw_buf_str(&b->stamps);
  const char *p_end = p + a->stamps.len, *q_end = q + b->stamps.len;
  while (p < p_end && q < q_end) {
    size_t size = strlen(p) + 1 + sizeof(struct stamp);
    if (strcmp(p, q) != 0 || memcmp(p, q, size) != 0) return p;
    p += size;
    q += size;
  }
  return p < p_end ? p : q < q_end ? q : NULL;
}
