#include <errno.h>

#include "store/lmdb/lmdb_impl.h"

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
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: return MW_EDATA;
    default: return MW_EIO;
  }
}

int mw_lmdb_fail(struct mw_lmdb *lm, int rc, struct mw_err *err) {
  int code = mw_lmdb_code(rc);
  switch (rc) {
    case MDB_MAP_FULL:
      return mw_err_set(err, code, "%s: the store is full (%zu MiB): delete from it, or raise store.map_bytes",
                        lm->path, (lm->limit_pages * lm->page_size) >> 20);
    case MDB_TXN_FULL: return mw_err_set(err, code, "%s: the transaction is too large: split it", lm->path);
    case MDB_PANIC: return mw_err_set(err, code, "%s: an earlier write failed half-way: restart to recover", lm->path);
    case MDB_CORRUPTED:
      return mw_err_set(err, code, "a page of the store is damaged: run `moonwire store check`, restore a backup");
    default: return mw_err_set(err, code, "%s: %s", lm->path, mdb_strerror(rc));
  }
}

int mw_lmdb_fail_open(struct mw_lmdb *lm, int rc, struct mw_err *err) {
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

int mw_lmdb_fail_errno(struct mw_err *err, const char *path) {
  int code = mw_lmdb_code(errno);
  return mw_err_set(err, code, "%s: %s", path, strerror(errno));
}
