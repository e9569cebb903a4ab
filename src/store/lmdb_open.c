#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb.h"

static int fail_errno(struct mw_err *err, const char *path) {
  int code = mw_lmdb_code(errno);
  return mw_err_set(err, code, "%s: %s", path, strerror(errno));
}

/* "FOLDER/NAME" on the heap, or NULL. */
static char *join(const char *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* ---- the folder's lock ---- */

static int fail_locked(int fd, const char *path, struct mw_err *err) {
  char pid[24] = "";
  ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
  if (got < 0) got = 0;
  pid[got] = '\0';
  pid[strspn(pid, "0123456789")] = '\0';
  return mw_err_set(err, MW_EBUSY, "%s: in use by process %s: one server at a time can use a data folder", path,
                    pid[0] ? pid : "(unknown)");
}

/* Holds `path` for as long as the descriptor is open, with this process's number in it. */
static int take_lock(const char *path, int *out, struct mw_err *err) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(err, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int rc = errno == EWOULDBLOCK ? fail_locked(fd, path, err) : fail_errno(err, path);
    close(fd);
    return rc;
  }
  /* The number is for messages only: a disk too full to hold it does no harm. */
  if (ftruncate(fd, 0) == 0) dprintf(fd, "%ld\n", (long)getpid());
  *out = fd;
  return 0;
}

/* ---- the environment ---- */

static int fail_open(struct mw_lmdb *lm, int rc, struct mw_err *err) {
  switch (rc) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
      return mw_err_set(err, MW_EFORMAT, "%s: damaged (%s): restore a backup", lm->path, mdb_strerror(rc));
    case MDB_VERSION_MISMATCH:
      return mw_err_set(err, MW_EFORMAT, "%s: made by another version of LMDB than this one (%s)", lm->path,
                        mdb_version(NULL, NULL, NULL));
    default: return mw_err_set(err, mw_lmdb_code(rc), "%s: %s", lm->path, mdb_strerror(rc));
  }
}

static int open_env(struct mw_lmdb *lm, size_t map_size, unsigned flags, struct mw_err *err) {
  int rc = mdb_env_create(&lm->env);
  if (rc != 0) return fail_open(lm, rc, err);
  lm->page_size = (size_t)sysconf(_SC_PAGESIZE);
  lm->limit_pages = map_size / lm->page_size;
  size_t spare = lm->limit_pages / 16 + 1024;
  rc = mdb_env_set_mapsize(lm->env, (lm->limit_pages + spare) * lm->page_size);
  if (rc == 0) rc = mdb_env_set_maxreaders(lm->env, MW_LMDB_READERS);
  if (rc == 0) rc = mdb_env_set_maxdbs(lm->env, 3);
  if (rc == 0) rc = mdb_env_open(lm->env, lm->path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600);
  return rc == 0 ? 0 : fail_open(lm, rc, err);
}

/* Whether the file has never been a store: nothing is in it at all. */
static bool untouched(MDB_txn *txn) {
  MDB_dbi root;
  MDB_stat stat;
  return mdb_dbi_open(txn, NULL, 0, &root) == 0 && mdb_stat(txn, root, &stat) == 0 && stat.ms_entries == 0;
}

static int check_format(struct mw_lmdb *lm, MDB_txn *txn, struct mw_err *err) {
  uint64_t format = 0;
  MDB_val k = {1, "f"}, v;
  int rc = mdb_get(txn, lm->meta, &k, &v);
  if (rc != 0 && rc != MDB_NOTFOUND) return fail_open(lm, rc, err);
  if (rc == 0 && v.mv_size == sizeof format) memcpy(&format, v.mv_data, sizeof format);
  if (format == MW_LMDB_FORMAT) return 0;
  if (format == 0) return mw_err_set(err, MW_EFORMAT, "%s: not a Moonwire store: it has no format number", lm->path);
  return mw_err_set(err, MW_EFORMAT, "%s: written by a newer Moonwire (format %llu, this one knows %d): update first",
                    lm->path, (unsigned long long)format, MW_LMDB_FORMAT);
}

static int set_format(struct mw_lmdb *lm, MDB_txn *txn) {
  uint64_t format = MW_LMDB_FORMAT;
  MDB_val k = {1, "f"}, v = {sizeof format, &format};
  return mdb_put(txn, lm->meta, &k, &v, 0);
}

static int open_databases(struct mw_lmdb *lm, struct mw_err *err) {
  MDB_txn *txn;
  int rc = mdb_txn_begin(lm->env, NULL, 0, &txn);
  if (rc != 0) return fail_open(lm, rc, err);
  bool fresh = untouched(txn);
  unsigned flags = fresh ? MDB_CREATE : 0;
  rc = mdb_dbi_open(txn, "meta", flags, &lm->meta);
  if (rc == 0) rc = mdb_dbi_open(txn, "data", flags, &lm->data);
  if (rc == 0) rc = mdb_dbi_open(txn, "expiry", flags, &lm->expiry);
  if (rc == 0 && fresh) rc = set_format(lm, txn);
  int code = 0;
  if (rc == MDB_NOTFOUND) {
    code = mw_err_set(err, MW_EFORMAT, "%s: not a Moonwire store, but another program's LMDB file", lm->path);
  } else if (rc != 0) {
    code = fail_open(lm, rc, err);
  } else {
    code = check_format(lm, txn, err);
  }
  if (code != 0) {
    mdb_txn_abort(txn);
    return code;
  }
  rc = mdb_txn_commit(txn);
  return rc == 0 ? 0 : fail_open(lm, rc, err);
}

/* ---- with files ---- */

static int check_file(const char *path, struct mw_err *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : fail_errno(err, path);
  int rc = mw_lmdb_check(fd, path, err);
  close(fd);
  return rc;
}

/* Makes the names of new files durable. */
static int sync_folder(const char *folder, struct mw_err *err) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno(err, folder);
  int rc = fsync(fd) == 0 ? 0 : fail_errno(err, folder);
  close(fd);
  return rc;
}

static int open_in_folder(struct mw_lmdb *lm, const char *folder, size_t map_size, struct mw_err *err) {
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) return fail_errno(err, folder);
  char *lock = join(folder, "lock");
  lm->path = join(folder, "store.mdb");
  int rc = lock && lm->path ? 0 : mw_err_set(err, MW_ENOMEM, "%s: out of memory", folder);
  if (rc == 0) rc = take_lock(lock, &lm->lock_fd, err);
  free(lock);
  if (rc == 0) rc = check_file(lm->path, err);
  if (rc == 0) rc = open_env(lm, map_size, 0, err);
  if (rc == 0) rc = open_databases(lm, err);
  if (rc == 0) rc = sync_folder(folder, err);
  return rc;
}

/* ---- without ---- */

static char *make_hidden_folder(void) {
  const char *tmp = getenv("TMPDIR");
  const char *const places[] = {"/dev/shm", tmp, "/tmp"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char *folder = places[i] && places[i][0] ? join(places[i], "moonwire-XXXXXX") : NULL;
    if (folder && mkdtemp(folder)) return folder;
    free(folder);
  }
  return NULL;
}

static int open_in_memory(struct mw_lmdb *lm, size_t map_size, struct mw_err *err) {
  char *folder = make_hidden_folder();
  if (!folder) return mw_err_set(err, MW_EIO, ":memory:: no temporary folder can be made in /dev/shm, TMPDIR or /tmp");
  lm->path = join(folder, "store.mdb");
  char *lock = join(folder, "store.mdb-lock");
  int rc = lm->path && lock ? 0 : mw_err_set(err, MW_ENOMEM, ":memory:: out of memory");
  if (rc == 0) rc = open_env(lm, map_size, MDB_NOSYNC, err);
  /* Unlinked while open: the kernel frees them when the process ends, however it ends. */
  if (lm->path) unlink(lm->path);
  if (lock) unlink(lock);
  rmdir(folder);
  free(lock);
  free(folder);
  return rc == 0 ? open_databases(lm, err) : rc;
}

int mw_lmdb_open(struct mw_backend **out, const char *path, size_t map_size, struct mw_err *err) {
  struct mw_lmdb *lm = aligned_alloc(_Alignof(struct mw_lmdb), sizeof *lm);
  if (!lm) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", path);
  *lm = (struct mw_lmdb){.base = {&mw_lmdb_ops}, .lock_fd = -1};
  mw_lmdb_views_init(lm);
  bool memory = strcmp(path, ":memory:") == 0;
  int rc = memory ? open_in_memory(lm, map_size, err) : open_in_folder(lm, path, map_size, err);
  if (rc != 0) {
    mw_lmdb_ops.close(&lm->base);
    return rc;
  }
  *out = &lm->base;
  return 0;
}
