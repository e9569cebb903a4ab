#include "store/lmdb/store_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/lmdb/lmdb_impl.h"
#include "store/page/record.h"
#include "store/page/walk.h"

struct checking {
  struct mw_store_check *check;
  struct mw_walk walk;
  struct mw_pages pages;
  const char *path;
  size_t size; /* of the file */
  uint64_t format, unchecksummed_until;
};

static struct checking *checking_of(struct mw_walk *walk) { return MW_CONTAINER(walk, struct checking, walk); }

static void on_found(struct mw_walk *walk, const char *words) {
  struct mw_store_check *check = checking_of(walk)->check;
  check->is_sound = false;
  check->found(check->arg, words);
}

/* ---- entries ---- */

static bool check_record(struct mw_walk *walk, struct mw_slice key, struct mw_slice value) {
  struct checking *c = checking_of(walk);
  struct mw_record record;
  c->check->records++;
  if (mw_record_read(key, value, c->unchecksummed_until, &record) == 0) {
    if (record.value.data - value.data < MW_RECORD_HEADER) c->check->without_checksum++;
    return true;
  }
  c->check->damaged++;
  char words[MW_STORE_KEY_WORDS];
  mw_store_key_words(key, words);
  return mw_walk_report(walk, "the record of %s is damaged: its checksum does not match", words);
}

static bool check_counter(struct mw_walk *walk, struct mw_slice key, struct mw_slice value) {
  struct checking *c = checking_of(walk);
  if (key.data[0] != 'c') return true;
  struct mw_slice name = mw_slice(key.data + 1, key.len - 1);
  uint64_t number;
  if (c->format == 1 ? value.len == 8 : mw_counter_read(name, value, &number) == 0) return true;
  if (name.len < 2) return mw_walk_report(walk, "the store's revision is damaged");
  return mw_walk_report(walk, "the ids of collection %.*s are damaged: their counter's checksum does not match",
                        (int)name.len - 1, (const char *)name.data + 1);
}

/* ---- the walk ---- */

static void walk_entries(struct mw_walk *walk, const struct mw_tree *tree,
                         bool (*entry)(struct mw_walk *, struct mw_slice, struct mw_slice)) {
  walk->entry = entry;
  mw_walk_tree(walk, tree);
  walk->entry = NULL;
}

/* Finds `key` in the meta database; data NULL if it is absent. */
static struct mw_slice look_up(struct checking *c, const struct mw_tree *meta, const char *key) {
  struct mw_cursor cursor;
  struct mw_slice found, value;
  bool exact;
  mw_cursor_init(&cursor, &c->pages, meta);
  if (mw_cursor_seek(&cursor, mw_slice_str(key), &exact) != 0 || !exact) return mw_slice(NULL, 0);
  return mw_cursor_read(&cursor, &found, &value) == 0 ? value : mw_slice(NULL, 0);
}

static int read_format(struct checking *c, const struct mw_tree *meta, struct mw_err *err) {
  struct mw_slice format = look_up(c, meta, "f"), until = look_up(c, meta, "cu");
  c->format = format.len == 8 ? mw_read64(format.data) : 0;
  int rc = mw_lmdb_format_ok(c->path, c->format, err);
  if (rc != 0) return rc;
  if (c->format == 1) c->unchecksummed_until = UINT64_MAX >> 1;
  else if (until.data) mw_counter_read(MW_UNCHECKSUMMED_COUNTER, until, &c->unchecksummed_until);
  return 0;
}

static int check_all(struct checking *c, struct mw_err *err) {
  struct mw_walk *walk = &c->walk;
  walk->budget = UINT64_MAX;
  walk->until = MW_NEVER;
  walk->found = on_found;
  c->check->pages = walk->last + 1;
  struct mw_tree data, expiry, meta;
  mw_walk_free(walk);
  if (mw_walk_truncated(walk)) {
    mw_walk_report(walk, "the file is truncated: %zu bytes are left of %zu", c->size,
                   (size_t)c->check->pages * walk->pages->page_size);
  }
  if (!mw_walk_main(walk, &data, &expiry, &meta)) return 0;
  int rc = read_format(c, &meta, err);
  if (rc != 0) return rc;
  walk_entries(walk, &meta, check_counter);
  walk_entries(walk, &data, check_record);
  walk_entries(walk, &expiry, NULL);
  return 0;
}

/* Maps the file at its present size and walks it: the newest state, or that of the transaction `txn` if it is not 0. */
static int check_map(struct checking *c, int fd, uint64_t txn, struct mw_err *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return mw_lmdb_fail_errno(err, c->path);
  if (!S_ISREG(st.st_mode)) return mw_err_set(err, MW_EIO, "%s: not a regular file", c->path);
  size_t size = (size_t)st.st_size;
  if (size == 0) return mw_err_set(err, MW_EFORMAT, "%s: empty", c->path);
  uint8_t *base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return mw_lmdb_fail_errno(err, c->path);
  struct mw_mapped_range range;
  mw_mapped_range_watch(&range, base, size);
  c->size = size;
  c->walk = (struct mw_walk){.pages = &c->pages};
  c->pages = (struct mw_pages){.base = NULL};
  int rc = txn == 0 ? mw_walk_open(&c->walk, base, size, c->path, err)
                    : mw_walk_open_at(&c->walk, base, size, txn, c->path, err);
  if (rc == 0) rc = check_all(c, err);
  mw_walk_close(&c->walk);
  mw_mapped_range_unwatch(&range);
  munmap(base, size);
  if (rc == 0 && atomic_load(&range.faulted)) on_found(&c->walk, "some pages cannot be read: the disk fails");
  return rc;
}

/* For a running server: LMDB's reader table pins the pages of one state. */
static int check_running(struct checking *c, int fd, struct mw_err *err) {
  MDB_env *env;
  MDB_txn *txn = NULL;
  int rc = mdb_env_create(&env);
  if (rc != 0) return mw_err_set(err, mw_lmdb_code(rc), "%s: %s", c->path, mdb_strerror(rc));
  rc = mdb_env_open(env, c->path, MDB_RDONLY | MDB_NOSUBDIR | MDB_NOTLS, 0600);
  int code = MW_EBUSY;
  while (rc == 0 && code == MW_EBUSY) { /* retry if two commits overwrite the meta page in between */
    mw_err_fini(err);
    rc = txn ? mdb_txn_renew(txn) : mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) break;
    code = check_map(c, fd, mdb_txn_id(txn), err);
    mdb_txn_reset(txn);
  }
  if (rc != 0) code = mw_err_set(err, mw_lmdb_code(rc), "%s: %s", c->path, mdb_strerror(rc));
  if (txn) mdb_txn_abort(txn);
  mdb_env_close(env);
  return code;
}

/* True if a server has the folder locked. If not, no server can start before these descriptors are closed. */
static bool is_running(int fd, int lock_fd) {
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) return true;
  return lock_fd >= 0 && flock(lock_fd, LOCK_SH | LOCK_NB) != 0;
}

static int check_paths(const char *path, const char *lock, struct mw_store_check *check, struct mw_err *err) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* the path may be a FIFO */
  if (fd < 0 && errno == ENOENT) return mw_err_set(err, MW_ENOTFOUND, "%s: there is no store", path);
  if (fd < 0) return mw_lmdb_fail_errno(err, path);
  int lock_fd = open(lock, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct checking c = {.check = check, .path = path};
  check->is_sound = true;
  check->running = is_running(fd, lock_fd);
  int rc = check->running ? check_running(&c, fd, err) : check_map(&c, fd, 0, err);
  if (lock_fd >= 0) close(lock_fd);
  close(fd);
  return rc;
}

int mw_store_check(const char *folder, struct mw_store_check *check, struct mw_err *err) {
  char *path = mw_lmdb_join(folder, MW_STORE_FILE), *lock = mw_lmdb_join(folder, "lock");
  int rc = path && lock ? check_paths(path, lock, check, err) : mw_err_set(err, MW_ENOMEM, "%s: out of memory", folder);
  free(path);
  free(lock);
  return rc;
}
