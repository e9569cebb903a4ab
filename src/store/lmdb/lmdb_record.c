#include "store/lmdb/lmdb_impl.h"
#include "store/page/record.h"

int mw_lmdb_tree(struct mw_lmdb *lm, MDB_txn *txn, const char *name, struct mw_tree *out) {
  MDB_val k = {strlen(name), (void *)(uintptr_t)name}, v;
  if (mdb_get(txn, lm->main, &k, &v) != 0 || v.mv_size != MW_TREE_RECORD) return MW_EDATA;
  return mw_tree_read(v.mv_data, MW_TREE_BYTES, out) ? 0 : MW_EDATA;
}

MDB_val mw_lmdb_counter_key(struct mw_slice name, uint8_t *bytes) {
  bytes[0] = 'c';
  memcpy(bytes + 1, name.data, name.len);
  return (MDB_val){name.len + 1, bytes};
}

int mw_lmdb_set_counter(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice name, uint64_t value) {
  uint8_t key[512], bytes[MW_COUNTER_SIZE];
  mw_counter_write(name, value, bytes);
  MDB_val k = mw_lmdb_counter_key(name, key), v = {sizeof bytes, bytes};
  return mdb_put(txn, lm->meta, &k, &v, 0);
}
