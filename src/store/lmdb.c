#include "store/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mw_lmdb *lmdb_of(struct mw_backend *backend) { return MW_CONTAINER(backend, struct mw_lmdb, base); }

int mw_lmdb_code(int rc) {
  switch (rc) {
    case 0: return 0;
    case MDB_NOTFOUND: return MW_ENOTFOUND;
    case ENOMEM: return MW_ENOMEM;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return MW_EFULL;
    case MDB_READERS_FULL: return MW_ELIMIT;
    default: return MW_EIO;
  }
}

int mw_lmdb_decode(const MDB_val *key, const MDB_val *value, struct mw_record *out) {
  if (value->mv_size < MW_LMDB_HEADER) return MW_EIO;
  const uint8_t *bytes = value->mv_data;
  memcpy(&out->revision, bytes, 8);
  memcpy(&out->expires, bytes + 8, 8);
  out->key = mw_slice(key->mv_data, key->mv_size);
  out->value = mw_slice(bytes + MW_LMDB_HEADER, value->mv_size - MW_LMDB_HEADER);
  return 0;
}

/* The meta key of a counter, in `bytes` of 512. */
static MDB_val counter_key(struct mw_slice name, uint8_t *bytes) {
  bytes[0] = 'c';
  memcpy(bytes + 1, name.data, name.len);
  return (MDB_val){name.len + 1, bytes};
}

int mw_lmdb_counter(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice name, uint64_t *out) {
  uint8_t bytes[512];
  MDB_val k = counter_key(name, bytes), v;
  int rc = mdb_get(txn, lm->meta, &k, &v);
  *out = 0;
  if (rc == MDB_NOTFOUND) return 0;
  if (rc != 0) return mw_lmdb_code(rc);
  if (v.mv_size != sizeof *out) return MW_EIO;
  memcpy(out, v.mv_data, sizeof *out);
  return 0;
}

/* ---- writing ---- */

static int fail(struct mw_lmdb *lm, int rc, struct mw_err *err) {
  int code = mw_lmdb_code(rc);
  switch (rc) {
    case MDB_MAP_FULL:
      return mw_err_set(err, code, "%s: the store is full (%zu MiB): delete from it, or give it a larger map", lm->path,
                        (lm->limit_pages * lm->page_size) >> 20);
    case MDB_TXN_FULL:
      return mw_err_set(err, code, "%s: the transaction is too large: split it", lm->path);
    case MDB_PANIC:
      return mw_err_set(err, code, "%s: an earlier write failed half-way: restart to recover", lm->path);
    default: return mw_err_set(err, code, "%s: %s", lm->path, mdb_strerror(rc));
  }
}

static int lmdb_begin(struct mw_backend *backend, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  int rc = mdb_txn_begin(lm->env, NULL, 0, &lm->write);
  return rc == 0 ? 0 : fail(lm, rc, err);
}

static void lmdb_abort(struct mw_backend *backend) {
  struct mw_lmdb *lm = lmdb_of(backend);
  if (lm->write) mdb_txn_abort(lm->write);
  lm->write = NULL;
}

/* Whether the file cannot grow: LMDB reports a write that was cut short as EIO, whatever the cause. */
static bool cannot_grow(struct mw_lmdb *lm) {
  int fd;
  struct stat st;
  if (mdb_env_get_fd(lm->env, &fd) != 0 || fstat(fd, &st) != 0) return false;
  int rc = posix_fallocate(fd, st.st_size, (off_t)lm->page_size);
  return rc != 0 && mw_lmdb_code(rc) == MW_EFULL;
}

static int lmdb_commit(struct mw_backend *backend, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  int rc = mdb_txn_commit(lm->write);
  lm->write = NULL;
  if (rc == EIO && cannot_grow(lm)) rc = ENOSPC;
  return rc == 0 ? 0 : fail(lm, rc, err);
}

static int lmdb_get(struct mw_backend *backend, struct mw_slice key, struct mw_record *out, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  MDB_val k = mw_lmdb_val(key), v;
  int rc = mdb_get(lm->write, lm->data, &k, &v);
  if (rc == 0) rc = mw_lmdb_decode(&k, &v, out) == 0 ? 0 : MDB_CORRUPTED;
  return rc == 0 || rc == MDB_NOTFOUND ? mw_lmdb_code(rc) : fail(lm, rc, err);
}

/* The expiry database's key, in `bytes` of 512: sorted by time, then by key. */
static MDB_val expiry_key(int64_t expires, struct mw_slice key, uint8_t *bytes) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)expires >> (56 - 8 * i));
  memcpy(bytes + 8, key.data, key.len);
  return (MDB_val){key.len + 8, bytes};
}

/* Forgets when the record that `key` has now, if any, would expire. */
static int drop_expiry(struct mw_lmdb *lm, struct mw_slice key) {
  MDB_val k = mw_lmdb_val(key), v;
  struct mw_record old;
  int rc = mdb_get(lm->write, lm->data, &k, &v);
  if (rc == MDB_NOTFOUND) return 0;
  if (rc != 0) return rc;
  if (mw_lmdb_decode(&k, &v, &old) != 0) return MDB_CORRUPTED;
  if (old.expires == 0) return 0;
  uint8_t bytes[512];
  k = expiry_key(old.expires, key, bytes);
  rc = mdb_del(lm->write, lm->expiry, &k, NULL);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static size_t pages_of(MDB_txn *txn, MDB_dbi dbi) {
  MDB_stat stat;
  if (mdb_stat(txn, dbi, &stat) != 0) return 0;
  return stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
}

/* Whether the records leave room for `bytes` more. */
static bool fits(struct mw_lmdb *lm, size_t bytes) {
  size_t used = pages_of(lm->write, lm->data) + pages_of(lm->write, lm->expiry);
  return used + bytes / lm->page_size < lm->limit_pages;
}

static int lmdb_put(struct mw_backend *backend, const struct mw_record *record, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  if (!fits(lm, record->value.len)) return fail(lm, MDB_MAP_FULL, err);
  int rc = drop_expiry(lm, record->key);
  MDB_val k = mw_lmdb_val(record->key), v = {record->value.len + MW_LMDB_HEADER, NULL};
  if (rc == 0) rc = mdb_put(lm->write, lm->data, &k, &v, MDB_RESERVE);
  if (rc != 0) return fail(lm, rc, err);
  uint8_t *bytes = v.mv_data;
  memcpy(bytes, &record->revision, 8);
  memcpy(bytes + 8, &record->expires, 8);
  if (record->value.len > 0) memcpy(bytes + MW_LMDB_HEADER, record->value.data, record->value.len);
  if (record->expires == 0) return 0;
  uint8_t expiry[512];
  k = expiry_key(record->expires, record->key, expiry);
  v = (MDB_val){0, NULL};
  rc = mdb_put(lm->write, lm->expiry, &k, &v, 0);
  return rc == 0 ? 0 : fail(lm, rc, err);
}

static int lmdb_erase(struct mw_backend *backend, struct mw_slice key, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  int rc = drop_expiry(lm, key);
  MDB_val k = mw_lmdb_val(key);
  if (rc == 0) rc = mdb_del(lm->write, lm->data, &k, NULL);
  return rc == 0 || rc == MDB_NOTFOUND ? mw_lmdb_code(rc) : fail(lm, rc, err);
}

static int lmdb_set_counter(struct mw_backend *backend, struct mw_slice name, uint64_t value, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  uint8_t bytes[512];
  MDB_val k = counter_key(name, bytes), v = {sizeof value, &value};
  int rc = mdb_put(lm->write, lm->meta, &k, &v, 0);
  return rc == 0 ? 0 : fail(lm, rc, err);
}

static int lmdb_first_expiry(struct mw_backend *backend, struct mw_slice *key, int64_t *expires, struct mw_err *err) {
  struct mw_lmdb *lm = lmdb_of(backend);
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(lm->write, lm->expiry, &cursor);
  if (rc != 0) return fail(lm, rc, err);
  MDB_val k, v;
  rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
  mdb_cursor_close(cursor);
  if (rc == MDB_NOTFOUND) return MW_ENOTFOUND;
  if (rc == 0 && k.mv_size < 9) rc = MDB_CORRUPTED;
  if (rc != 0) return fail(lm, rc, err);
  const uint8_t *bytes = k.mv_data;
  uint64_t when = 0;
  for (int i = 0; i < 8; i++) when = when << 8 | bytes[i];
  *expires = (int64_t)when;
  *key = mw_slice(bytes + 8, k.mv_size - 8);
  return 0;
}

static void lmdb_close(struct mw_backend *backend) {
  struct mw_lmdb *lm = lmdb_of(backend);
  mw_lmdb_views_fini(lm);
  if (lm->env) mdb_env_close(lm->env);
  if (lm->lock_fd >= 0) close(lm->lock_fd);
  free(lm->path);
  free(lm);
}

const struct mw_backend_ops mw_lmdb_ops = {
    .close = lmdb_close,
    .in_use = mw_lmdb_views_open,
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
    .commit = lmdb_commit,
    .abort = lmdb_abort,
};
