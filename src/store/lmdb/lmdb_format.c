#include <errno.h>

#include "base/buf.h"
#include "observe/log.h"
#include "store/lmdb/lmdb_impl.h"
#include "store/page/record.h"

/* True if the file is empty and was never a store. */
static bool untouched(struct mw_lmdb *lm, MDB_txn *txn) {
  MDB_stat stat;
  return mdb_stat(txn, lm->main, &stat) == 0 && stat.ms_entries == 0;
}

static int set_format(struct mw_lmdb *lm, MDB_txn *txn) {
  uint64_t format = MW_LMDB_FORMAT;
  MDB_val k = {1, "f"}, v = {sizeof format, &format};
  return mdb_put(txn, lm->meta, &k, &v, 0);
}

static int get_counter(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice name, uint64_t *out) {
  uint8_t key[512];
  MDB_val k = mw_lmdb_counter_key(name, key), v;
  int rc = mdb_get(txn, lm->meta, &k, &v);
  *out = 0;
  if (rc == MDB_NOTFOUND) return 0;
  if (rc != 0) return rc;
  return mw_counter_read(name, mw_slice(v.mv_data, v.mv_size), out) == 0 ? 0 : MDB_CORRUPTED;
}

/* ---- upgrade from format 1: counters get a checksum; records up to the present revision stay without ---- */

/* Lists all counters: each the length of its name (2 bytes), its name, and its number (8 bytes). */
static int list_counters(struct mw_lmdb *lm, MDB_txn *txn, struct mw_buf *list) {
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(txn, lm->meta, &cursor);
  if (rc != 0) return rc;
  MDB_val k, v;
  for (rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST); rc == 0; rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
    const uint8_t *key = k.mv_data;
    if (key[0] != 'c') continue;
    uint16_t len = (uint16_t)(k.mv_size - 1);
    if (v.mv_size != 8) {
      rc = MDB_CORRUPTED;
    } else if (mw_buf_append(list, &len, 2) != 0 || mw_buf_append(list, key + 1, len) != 0 ||
               mw_buf_append(list, v.mv_data, 8) != 0) {
      rc = ENOMEM;
    }
    if (rc != 0) break;
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int rewrite_counters(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice list, uint64_t *revision) {
  int rc = 0;
  for (const uint8_t *at = list.data, *end = at + list.len; rc == 0 && at < end;) {
    uint16_t len;
    uint64_t number;
    memcpy(&len, at, 2);
    struct mw_slice name = mw_slice(at + 2, len);
    memcpy(&number, at + 2 + len, 8);
    if (mw_slice_eq(name, MW_REVISION_COUNTER)) *revision = number;
    rc = mw_lmdb_set_counter(lm, txn, name, number);
    at += 2 + len + 8;
  }
  return rc;
}

static int upgrade(struct mw_lmdb *lm, MDB_txn *txn) {
  struct mw_buf list = MW_BUF_INIT;
  uint64_t revision = 0;
  int rc = list_counters(lm, txn, &list);
  if (rc == 0) rc = rewrite_counters(lm, txn, mw_buf_slice(&list), &revision);
  mw_buf_fini(&list);
  if (rc == 0) rc = mw_lmdb_set_counter(lm, txn, MW_UNCHECKSUMMED_COUNTER, revision);
  if (rc == 0) rc = set_format(lm, txn);
  return rc;
}

/* ---- the databases ---- */

int mw_lmdb_format_ok(const char *path, uint64_t format, struct mw_err *err) {
  if (format == 0) return mw_err_set(err, MW_EFORMAT, "%s: not a Moonwire store: it has no format number", path);
  if (format <= MW_LMDB_FORMAT) return 0;
  return mw_err_set(err, MW_EFORMAT,
                    "%s: written by a newer Moonwire (format %llu, this one reads up to %d): update first", path,
                    (unsigned long long)format, MW_LMDB_FORMAT);
}

/* Sets `*old` if the store was of format 1 and has been upgraded. */
static int check_format(struct mw_lmdb *lm, MDB_txn *txn, bool *old, struct mw_err *err) {
  uint64_t format = 0;
  MDB_val k = {1, "f"}, v;
  int rc = mdb_get(txn, lm->meta, &k, &v);
  if (rc != 0 && rc != MDB_NOTFOUND) return mw_lmdb_fail_open(lm, rc, err);
  if (rc == 0 && v.mv_size == sizeof format) memcpy(&format, v.mv_data, sizeof format);
  int code = mw_lmdb_format_ok(lm->path, format, err);
  if (code != 0) return code;
  *old = format < MW_LMDB_FORMAT;
  rc = *old ? upgrade(lm, txn) : 0;
  if (rc == 0) rc = get_counter(lm, txn, MW_UNCHECKSUMMED_COUNTER, &lm->unchecksummed_until);
  return rc == 0 ? 0 : mw_lmdb_fail_open(lm, rc, err);
}

static int open_in(struct mw_lmdb *lm, MDB_txn *txn, bool *old, struct mw_err *err) {
  int rc = mdb_dbi_open(txn, NULL, 0, &lm->main);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  bool fresh = untouched(lm, txn);
  unsigned flags = fresh ? MDB_CREATE : 0;
  rc = mdb_dbi_open(txn, "meta", flags, &lm->meta);
  if (rc == 0) rc = mdb_dbi_open(txn, "data", flags, &lm->data);
  if (rc == 0) rc = mdb_dbi_open(txn, "expiry", flags, &lm->expiry);
  if (rc == 0 && fresh) rc = set_format(lm, txn);
  if (rc == 0) return check_format(lm, txn, old, err);
  if (rc != MDB_NOTFOUND) return mw_lmdb_fail_open(lm, rc, err);
  return mw_err_set(err, MW_EFORMAT, "%s: not a Moonwire store, but another program's LMDB file", lm->path);
}

int mw_lmdb_databases(struct mw_lmdb *lm, struct mw_err *err) {
  MDB_txn *txn;
  bool old = false;
  int rc = mdb_txn_begin(lm->env, NULL, 0, &txn);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  int code = open_in(lm, txn, &old, err);
  if (code != 0) {
    mdb_txn_abort(txn);
    return code;
  }
  rc = mdb_txn_commit(txn);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  if (old) {
    mw_log(MW_LOG_INFO, NULL,
           "%s: upgraded to format %d: records get checksums as they are written; an older Moonwire "
           "can no longer open it",
           lm->path, MW_LMDB_FORMAT);
  }
  return 0;
}
