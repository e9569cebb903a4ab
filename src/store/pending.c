#include "store/pending.h"

#include "base/err.h"

static bool is_write(const struct mw_store_op *op) {
  return op->kind == MW_STORE_OP_PUT || op->kind == MW_STORE_OP_DELETE;
}

/* True if `write` will be applied before a transaction that is queued now. */
static bool is_before(const struct mw_store_op *write, bool overtakes, uint64_t taken) {
  return !overtakes || write->txn->overtakes || write->txn->position <= taken;
}

/* Returns false if `txn` would overtake a queued transaction that it follows. */
static bool may_overtake(const struct mw_store_txn *txn, uint64_t taken) {
  for (size_t i = 0; i < txn->n_ops; i++) {
    const struct mw_store_op *op = &txn->ops[i];
    if (!is_write(op) && op->txn && !is_before(op, true, taken)) return false;
  }
  return true;
}

/* Returns 0, MW_ECONFLICT (the key that `op` follows has a newer write), or MW_ENOTFOUND (by prediction, `op` will
 * conflict). */
static int predict(const struct mw_pending *pending, const struct mw_store_txn *txn, const struct mw_store_op *op,
                   uint64_t taken) {
  const struct mw_store_op *write = mw_pending_find(pending, mw_store_op_key(txn, op));
  if (!write) return 0;
  if (op->follows) return write->txn == op->txn ? 0 : MW_ECONFLICT;
  if (op->number == MW_STORE_ABSENT && write->kind == MW_STORE_OP_DELETE) return 0;
  return is_before(write, txn->overtakes, taken) ? MW_ENOTFOUND : 0;
}

/* Adds the writes of `txn`. Returns false if some are missing. */
static bool add_writes(struct mw_pending *pending, struct mw_store_txn *txn) {
  bool all = true;
  for (size_t i = 0; i < txn->n_ops; i++) {
    struct mw_store_op *op = &txn->ops[i];
    if (!is_write(op)) continue;
    op->txn = txn;
    if (mw_map_set(&pending->map, mw_store_op_key(txn, op), op) == 0) continue;
    mw_map_remove(&pending->map, mw_store_op_key(txn, op));
    all = false;
  }
  return all;
}

int mw_pending_add(struct mw_pending *pending, struct mw_store_txn *txn, uint64_t taken) {
  txn->overtakes = txn->hurried && may_overtake(txn, taken);
  bool loses = txn->n_ops > MW_PENDING_OPS, large = loses;
  for (size_t i = 0; !large && i < txn->n_ops; i++) {
    if (txn->ops[i].kind != MW_STORE_OP_COMPARE) continue;
    int rc = predict(pending, txn, &txn->ops[i], taken);
    if (rc == MW_ECONFLICT) return rc;
    loses = loses || rc != 0;
  }
  if (loses && !large && txn->fail_early) return MW_ECONFLICT;
  txn->omitted = loses || !add_writes(pending, txn);
  pending->omitted += txn->omitted;
  return 0;
}

void mw_pending_remove(struct mw_pending *pending, struct mw_store_txn *txn) {
  pending->omitted -= txn->omitted;
  if (pending->map.len == 0) return;
  for (size_t i = 0; i < txn->n_ops && txn->n_ops <= MW_PENDING_OPS; i++) {
    const struct mw_store_op *op = &txn->ops[i];
    if (is_write(op) && mw_pending_find(pending, mw_store_op_key(txn, op)) == op) {
      mw_map_remove(&pending->map, mw_store_op_key(txn, op));
    }
  }
}
