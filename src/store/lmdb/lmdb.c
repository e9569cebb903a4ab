#include "store/lmdb/lmdb_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/page/record.h"

/* A damaged record, as an extra LMDB code. */
enum { DAMAGED_RECORD = MDB_LAST_ERRCODE + 1000 };

/* ---- checks before LMDB follows page numbers ---- */

/* Checks the pages that LMDB follows to read, put or delete `key`. A put usually follows a get of the same key,
 * whose result is reused. Returns LMDB's code. */
static int check_path(struct mw_lmdb *lm, const struct mw_tree *tree, struct mw_slice key, bool deletes) {
  if (lm->fully_checked) return 0;
  bool again = lm->checked_tree == tree && mw_slice_eq(key, mw_slice(lm->checked_key, lm->checked_key_len));
  if (again && !deletes) return 0;
  struct mw_cursor cursor;
  mw_cursor_init(&cursor, &lm->pages, tree);
  if (mw_cursor_check_path(&cursor, key, deletes) != 0) return MDB_CORRUPTED;
  lm->checked_tree = tree;
  lm->checked_key_len = key.len;
  memcpy(lm->checked_key, key.data, key.len);
  return 0;
}

/* Sets `err` for an error of the write transaction. An unreadable page is zeros for LMDB, which then fails in some
 * way. */
static int fail_write(struct mw_lmdb *lm, int rc, struct mw_err *err) {
  return atomic_load(&lm->mapped.faulted) ? mw_lmdb_usable(lm, err) : mw_lmdb_fail(lm, rc, err);
}

/* Like fail_write(), for an operation on `key`. */
static int fail_at(struct mw_lmdb *lm, int rc, struct mw_slice key, struct mw_err *err) {
  char words[MW_STORE_KEY_WORDS];
  if (atomic_load(&lm->mapped.faulted)) return mw_lmdb_usable(lm, err);
  switch (rc) {
    case DAMAGED_RECORD:
      return mw_err_set(err, MW_EDATA, "the record of %s is damaged: delete it or put it anew, or restore a backup",
                        mw_store_key_words(key, words));
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return mw_err_set(err, MW_EDATA, "a page of the store on the way to %s is damaged: restore a backup",
                        mw_store_key_words(key, words));
    default: return mw_lmdb_fail(lm, rc, err);
  }
}

/* ---- writing ---- */

/* Reads the tree records of the databases from the last commit. Returns LMDB's code. */
static int load_trees(struct mw_lmdb *lm) {
  lm->checked_tree = NULL;
  int rc = mw_lmdb_tree(lm, lm->write, "data", &lm->data_tree);
  if (rc == 0) rc = mw_lmdb_tree(lm, lm->write, "expiry", &lm->expiry_tree);
  if (rc != 0) return MDB_CORRUPTED;
  uint64_t used = lm->data_tree.pages + lm->expiry_tree.pages;
  MDB_envinfo info;
  rc = mdb_env_info(lm->env, &info);
  lm->excess_pages = used > info.me_last_pgno ? used - info.me_last_pgno : 0;
  return rc;
}

static void lmdb_abort(struct mw_backend *backend) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  /* After a failed assertion the transaction cannot be aborted safely. */
  if (lm->write && !lm->assert_failed) mdb_txn_abort(lm->write);
  lm->write = NULL;
}

static int lmdb_begin(struct mw_backend *backend, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_usable(lm, err);
  if (rc != 0) return rc;
  rc = mdb_txn_begin(lm->env, NULL, 0, &lm->write);
  if (rc != 0) return mw_lmdb_fail(lm, rc, err);
  rc = load_trees(lm);
  if (rc == 0) return 0;
  lmdb_abort(backend);
  return fail_write(lm, rc, err);
}

/* True if the file cannot grow: LMDB reports every short write as EIO. */
static bool cannot_grow(struct mw_lmdb *lm) {
  int fd;
  struct stat st;
  if (mdb_env_get_fd(lm->env, &fd) != 0 || fstat(fd, &st) != 0) return false;
  int rc = posix_fallocate(fd, st.st_size, (off_t)lm->page_size);
  return rc != 0 && mw_lmdb_code(rc) == MW_EFULL;
}

static int do_commit(struct mw_lmdb *lm, void *arg) { return mdb_txn_commit(lm->write); }

static int lmdb_commit(struct mw_backend *backend, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_usable(lm, err); /* the transaction may have read zeros in place of a page */
  if (rc != 0) {
    lmdb_abort(backend);
    return rc;
  }
  mw_lmdb_save_meta(lm);
  rc = mw_lmdb_trapped(lm, do_commit, NULL);
  lm->write = NULL;
  if (rc == 0) return 0;
  mw_lmdb_commit_failed(lm);
  if (rc == EIO && cannot_grow(lm)) rc = ENOSPC;
  return mw_lmdb_fail(lm, rc, err);
}

/* Returns MDB_NOTFOUND for a key that LMDB did not find, or DAMAGED_RECORD if the last commit has its record with a
 * damaged key. */
static int absent(struct mw_lmdb *lm, struct mw_slice key) {
  struct mw_cursor cursor;
  bool exact;
  if (key.len == 0 || lm->data_tree.root == MW_NO_PAGE) return MDB_NOTFOUND;
  mw_cursor_init(&cursor, &lm->pages, &lm->data_tree);
  int rc = mw_cursor_seek(&cursor, key, &exact);
  if (rc == MW_EDATA) return MDB_CORRUPTED;
  if (rc == 0 && exact) return MDB_NOTFOUND; /* this transaction has deleted it */
  return mw_lmdb_absent(&cursor, key) == MW_EDATA ? DAMAGED_RECORD : MDB_NOTFOUND;
}

struct reading {
  struct mw_slice key;
  struct mw_record *record;
};

static int do_get(struct mw_lmdb *lm, void *arg) {
  struct reading *reading = arg;
  int rc = check_path(lm, &lm->data_tree, reading->key, false);
  if (rc != 0) return rc;
  MDB_val k = mw_lmdb_val(reading->key), v;
  rc = mdb_get(lm->write, lm->data, &k, &v);
  if (rc == MDB_NOTFOUND) return absent(lm, reading->key);
  if (rc != 0) return rc;
  struct mw_slice bytes = mw_slice(v.mv_data, v.mv_size);
  return mw_record_read(reading->key, bytes, lm->unchecksummed_until, reading->record) == 0 ? 0 : DAMAGED_RECORD;
}

static int lmdb_get(struct mw_backend *backend, struct mw_slice key, struct mw_record *out, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_trapped(lm, do_get, &(struct reading){key, out});
  return rc == 0 || rc == MDB_NOTFOUND ? mw_lmdb_code(rc) : fail_at(lm, rc, key, err);
}

/* Builds the expiry database's key in `bytes` of 512: sorted by time, then by key. */
static struct mw_slice expiry_key(int64_t expires, struct mw_slice key, uint8_t *bytes) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)expires >> (56 - 8 * i));
  memcpy(bytes + 8, key.data, key.len);
  return mw_slice(bytes, key.len + 8);
}

/* Deletes `key` from a database. Returns LMDB's code. */
static int delete_from(struct mw_lmdb *lm, MDB_dbi dbi, const struct mw_tree *tree, struct mw_slice key) {
  int rc = check_path(lm, tree, key, true);
  MDB_val k = mw_lmdb_val(key);
  return rc == 0 ? mdb_del(lm->write, dbi, &k, NULL) : rc;
}

/* Removes the expiry entry of the present record of `key`, if any. If the record is damaged, the entry may be
 * missing, or stay until the expiry of records drops it. */
static int drop_expiry(struct mw_lmdb *lm, struct mw_slice key) {
  MDB_val k = mw_lmdb_val(key), v;
  int rc = mdb_get(lm->write, lm->data, &k, &v);
  if (rc != 0) return rc == MDB_NOTFOUND ? 0 : rc;
  int64_t expires = mw_record_expiry(mw_slice(v.mv_data, v.mv_size));
  if (expires == 0) return 0;
  uint8_t bytes[512];
  rc = delete_from(lm, lm->expiry, &lm->expiry_tree, expiry_key(expires, key, bytes));
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static size_t pages_of(MDB_txn *txn, MDB_dbi dbi) {
  MDB_stat stat;
  if (mdb_stat(txn, dbi, &stat) != 0) return 0;
  return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

/* True if the records leave room for `bytes` more. */
static bool fits(struct mw_lmdb *lm, size_t bytes) {
  size_t used = pages_of(lm->write, lm->data) + pages_of(lm->write, lm->expiry);
  return used - lm->excess_pages + bytes / lm->page_size < lm->limit_pages;
}

static int do_put(struct mw_lmdb *lm, void *arg) {
  const struct mw_record *record = arg;
  if (!fits(lm, record->value.len)) return MDB_MAP_FULL;
  int rc = check_path(lm, &lm->data_tree, record->key, false);
  if (rc == 0) rc = drop_expiry(lm, record->key);
  MDB_val k = mw_lmdb_val(record->key), v = {record->value.len + MW_RECORD_HEADER, NULL};
  if (rc == 0) rc = mdb_put(lm->write, lm->data, &k, &v, MDB_RESERVE);
  if (rc != 0) return rc;
  mw_record_write(record, v.mv_data);
  if (record->expires == 0) return 0;
  uint8_t bytes[512];
  struct mw_slice key = expiry_key(record->expires, record->key, bytes);
  rc = check_path(lm, &lm->expiry_tree, key, false);
  k = mw_lmdb_val(key);
  v = (MDB_val){0, NULL};
  return rc == 0 ? mdb_put(lm->write, lm->expiry, &k, &v, 0) : rc;
}

static int lmdb_put(struct mw_backend *backend, const struct mw_record *record, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  struct mw_record copy = *record;
  int rc = mw_lmdb_trapped(lm, do_put, &copy);
  return rc == 0 ? 0 : fail_at(lm, rc, record->key, err);
}

static int do_erase(struct mw_lmdb *lm, void *arg) {
  const struct mw_slice *key = arg;
  int rc = check_path(lm, &lm->data_tree, *key, false);
  if (rc == 0) rc = drop_expiry(lm, *key);
  if (rc == 0) rc = delete_from(lm, lm->data, &lm->data_tree, *key);
  return rc == MDB_NOTFOUND ? absent(lm, *key) : rc;
}

static int lmdb_erase(struct mw_backend *backend, struct mw_slice key, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_trapped(lm, do_erase, &key);
  return rc == 0 || rc == MDB_NOTFOUND ? mw_lmdb_code(rc) : fail_at(lm, rc, key, err);
}

struct counting {
  struct mw_slice name;
  uint64_t value;
};

static int do_set_counter(struct mw_lmdb *lm, void *arg) {
  const struct counting *counting = arg;
  return mw_lmdb_set_counter(lm, lm->write, counting->name, counting->value);
}

static int lmdb_set_counter(struct mw_backend *backend, struct mw_slice name, uint64_t value, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_trapped(lm, do_set_counter, &(struct counting){name, value});
  return rc == 0 ? 0 : fail_write(lm, rc, err);
}

/* ---- expiry ---- */

/* Reads the first key of the expiry database into `arg`. */
static int do_first_expiry(struct mw_lmdb *lm, void *arg) {
  MDB_val *k = arg, v;
  int rc = check_path(lm, &lm->expiry_tree, mw_slice("\0", 1), false);
  MDB_cursor *cursor;
  if (rc == 0) rc = mdb_cursor_open(lm->write, lm->expiry, &cursor);
  if (rc != 0) return rc;
  rc = mdb_cursor_get(cursor, k, &v, MDB_FIRST);
  mdb_cursor_close(cursor);
  return rc == 0 && k->mv_size < 9 ? MDB_CORRUPTED : rc;
}

static int lmdb_first_expiry(struct mw_backend *backend, struct mw_slice *key, int64_t *expires, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  MDB_val k;
  int rc = mw_lmdb_trapped(lm, do_first_expiry, &k);
  if (rc == MDB_NOTFOUND) return MW_ENOTFOUND;
  if (rc != 0) return fail_write(lm, rc, err);
  const uint8_t *bytes = k.mv_data;
  uint64_t at = 0;
  for (int i = 0; i < 8; i++) at = at << 8 | bytes[i];
  *expires = (int64_t)at;
  *key = mw_slice(bytes + 8, k.mv_size - 8);
  return 0;
}

struct expiring {
  struct mw_slice key;
  int64_t expires;
};

/* Deletes the record only if it has this expiry and is readable: a damaged one stays, and is an error for its
 * readers. */
static int do_expire(struct mw_lmdb *lm, void *arg) {
  const struct expiring *expiring = arg;
  struct mw_record record;
  int rc = do_get(lm, &(struct reading){expiring->key, &record});
  bool due = rc == 0 && record.expires == expiring->expires;
  if (rc != 0 && rc != MDB_NOTFOUND && rc != DAMAGED_RECORD) return rc;
  uint8_t bytes[512];
  rc = delete_from(lm, lm->expiry, &lm->expiry_tree, expiry_key(expiring->expires, expiring->key, bytes));
  if (rc == 0 && due) return delete_from(lm, lm->data, &lm->data_tree, expiring->key);
  return rc == 0 ? MDB_NOTFOUND : rc;
}

static int lmdb_expire(struct mw_backend *backend, struct mw_slice key, int64_t expires, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int rc = mw_lmdb_trapped(lm, do_expire, &(struct expiring){key, expires});
  return rc == 0 || rc == MDB_NOTFOUND ? mw_lmdb_code(rc) : fail_at(lm, rc, key, err);
}

/* ---- closing ---- */

static void lmdb_close(struct mw_backend *backend) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  mw_lmdb_views_fini(lm);
  mw_mapped_range_unwatch(&lm->mapped);
  if (lm->env) mdb_env_close(lm->env);
  mw_lmdb_files_close(lm);
  free((void *)lm->pages.checked);
  free(lm->path);
  free(lm);
}

const struct mw_backend_ops mw_lmdb_ops = {
    .close = lmdb_close,
    .in_use = mw_lmdb_views_open,
    .inspect = mw_lmdb_inspect,
    .failure = mw_lmdb_failure,
    .view_open = mw_lmdb_view_open,
    .view_close = mw_lmdb_view_close,
    .view_get = mw_lmdb_view_get,
    .view_next = mw_lmdb_view_next,
    .view_counter = mw_lmdb_view_counter,
    .begin = lmdb_begin,
    .put = lmdb_put,
    .set_counter = lmdb_set_counter,
    .get = lmdb_get,
    .erase = lmdb_erase,
    .first_expiry = lmdb_first_expiry,
    .expire = lmdb_expire,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
};
