#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/lmdb/lmdb_impl.h"

char *mw_lmdb_join(const char *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* ---- locks ----
 * The folder's lock file holds the pid of the server. The data file is locked as well, so that a second server
 * cannot start after the lock file was removed. flock() locks belong to the open file: LMDB closes descriptors of
 * its own for the same files, which would release POSIX locks. */

static int fail_locked(const char *path, int fd, struct mw_err *err) {
  char pid[24] = "";
  ssize_t got = fd >= 0 ? pread(fd, pid, sizeof pid - 1, 0) : 0;
  if (got < 0) got = 0;
  pid[got] = '\0';
  pid[strspn(pid, "0123456789")] = '\0';
  return mw_err_set(err, MW_EBUSY, "%s: in use by process %s: one server at a time can use a data folder", path,
                    pid[0] ? pid : "(unknown)");
}

/* Opens `path`, created if absent, and locks it; `named` is the file that holds the pid of the other process. */
static int take(const char *path, int named, int *out, struct mw_err *err) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return mw_lmdb_fail_errno(err, path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    *out = fd;
    return 0;
  }
  int rc = errno == EWOULDBLOCK ? fail_locked(path, named >= 0 ? named : fd, err) : mw_lmdb_fail_errno(err, path);
  close(fd);
  return rc;
}

/* ---- identities ---- */

static int record_identity(struct mw_lmdb_file_identity *identity, const char *path, int fd, struct mw_err *err) {
  struct stat st;
  if (fd >= 0 ? fstat(fd, &st) : stat(path, &st)) return mw_lmdb_fail_errno(err, path);
  char *copy = strdup(path);
  if (!copy) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", path);
  *identity = (struct mw_lmdb_file_identity){copy, st.st_dev, st.st_ino};
  return 0;
}

/* Only a definite answer counts: a folder that cannot be read for the moment is not lost. */
static bool is_lost(const struct mw_lmdb_file_identity *identity) {
  struct stat st;
  if (!identity->path) return false;
  if (stat(identity->path, &st) != 0) return errno == ENOENT || errno == ENOTDIR;
  return st.st_dev != identity->device || st.st_ino != identity->inode;
}

const char *mw_lmdb_files_lost(const struct mw_lmdb *lm) {
  /* The folder first: if it is lost, so are its files. */
  for (size_t i = sizeof lm->identities / sizeof *lm->identities; i-- > 0;) {
    if (is_lost(&lm->identities[i])) return lm->identities[i].path;
  }
  return NULL;
}

/* ---- opening ---- */

static int open_in(struct mw_lmdb *lm, const char *folder, const char *lock, struct mw_err *err) {
  int rc = take(lock, -1, &lm->lock_fd, err);
  if (rc == 0) rc = take(lm->path, lm->lock_fd, &lm->data_fd, err);
  if (rc != 0) return rc;
  /* The pid is for messages only: a full disk, which cannot hold it, is no error. */
  if (ftruncate(lm->lock_fd, 0) == 0) dprintf(lm->lock_fd, "%ld\n", (long)getpid());
  rc = record_identity(&lm->identities[0], lm->path, lm->data_fd, err);
  if (rc == 0) rc = record_identity(&lm->identities[1], lock, lm->lock_fd, err);
  return rc == 0 ? record_identity(&lm->identities[2], folder, -1, err) : rc;
}

int mw_lmdb_files_open(struct mw_lmdb *lm, const char *folder, struct mw_err *err) {
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) return mw_lmdb_fail_errno(err, folder);
  char *lock = mw_lmdb_join(folder, "lock");
  lm->path = mw_lmdb_join(folder, MW_STORE_FILE);
  int rc = lock && lm->path ? open_in(lm, folder, lock, err) : mw_err_set(err, MW_ENOMEM, "%s: out of memory", folder);
  free(lock);
  return rc;
}

void mw_lmdb_files_close(struct mw_lmdb *lm) {
  if (lm->data_fd >= 0) close(lm->data_fd);
  if (lm->lock_fd >= 0) close(lm->lock_fd);
  for (size_t i = 0; i < sizeof lm->identities / sizeof *lm->identities; i++) free(lm->identities[i].path);
}
