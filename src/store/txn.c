#include "store/txn.h"

#include <stdlib.h>

struct mw_store_txn *mw_store_txn_new(void) {
  struct mw_store_txn *txn = calloc(1, sizeof *txn);
  if (!txn) return NULL;
  atomic_init(&txn->refs, 1);
  txn->code = MW_EBUSY;
  return txn;
}

void mw_store_txn_unfollow(struct mw_store_txn *txn) {
  for (size_t i = 0; i < txn->n_ops; i++) {
    struct mw_store_op *op = &txn->ops[i];
    if ((op->kind != MW_STORE_OP_COMPARE && op->kind != MW_STORE_OP_AFTER) || !op->txn) continue;
    mw_store_txn_unref(op->txn);
    op->txn = NULL;
  }
}

void mw_store_txn_unref(struct mw_store_txn *txn) {
  if (atomic_fetch_sub(&txn->refs, 1) != 1) return;
  mw_store_txn_unfollow(txn); /* does not recurse: a followed, settled transaction follows none */
  mw_buf_fini(&txn->bytes);
  mw_err_fini(&txn->err);
  free(txn->ops);
  free(txn);
}

void mw_store_txn_free(struct mw_store_txn *txn) {
  if (txn) mw_store_txn_unref(txn);
}

static int grow(struct mw_store_txn *txn) {
  size_t cap = txn->cap_ops ? txn->cap_ops * 2 : 2;
  struct mw_store_op *ops = realloc(txn->ops, cap * sizeof *ops);
  if (!ops) return MW_ENOMEM;
  txn->ops = ops;
  txn->cap_ops = cap;
  return 0;
}

static int add(struct mw_store_txn *txn, struct mw_store_op op, struct mw_slice key, struct mw_slice value) {
  if ((key.len == 0 && op.kind != MW_STORE_OP_AFTER) || key.len > MW_STORE_KEY_MAX || value.len > MW_STORE_VALUE_MAX) {
    return MW_ELIMIT;
  }
  if (txn->n_ops == txn->cap_ops && grow(txn) != 0) return MW_ENOMEM;
  if (mw_buf_reserve(&txn->bytes, key.len + value.len) != 0) return MW_ENOMEM;
  op.key = txn->bytes.len;
  op.key_len = key.len;
  mw_buf_append(&txn->bytes, key.data, key.len);
  op.value = txn->bytes.len;
  op.value_len = value.len;
  mw_buf_append(&txn->bytes, value.data, value.len);
  txn->ops[txn->n_ops++] = op;
  return 0;
}

static const struct mw_slice nothing = {NULL, 0};

int mw_store_txn_compare(struct mw_store_txn *txn, struct mw_slice key, uint64_t revision) {
  return add(txn, (struct mw_store_op){.kind = MW_STORE_OP_COMPARE, .number = revision}, key, nothing);
}

int mw_store_txn_follow(struct mw_store_txn *txn, struct mw_slice key, const struct mw_store_origin *origin) {
  struct mw_store_op op = {
      .kind = MW_STORE_OP_COMPARE, .number = origin->revision, .follows = true, .txn = origin->txn};
  int rc = add(txn, op, key, nothing);
  if (rc == 0 && origin->txn) atomic_fetch_add(&origin->txn->refs, 1);
  return rc;
}

int mw_store_txn_await(struct mw_store_txn *txn, const struct mw_store_origin *origin) {
  if (!origin->txn) return 0;
  int rc = add(txn, (struct mw_store_op){.kind = MW_STORE_OP_AFTER, .txn = origin->txn}, nothing, nothing);
  if (rc == 0) atomic_fetch_add(&origin->txn->refs, 1);
  return rc;
}

void mw_store_txn_prioritise(struct mw_store_txn *txn) { txn->hurried = true; }

void mw_store_txn_lose_early(struct mw_store_txn *txn) { txn->fail_early = true; }

struct mw_store_txn *mw_store_txn_awaiting(const struct mw_store_txn *txn) {
  struct mw_store_txn *awaiting = mw_store_txn_new();
  int rc = 0;
  for (size_t i = 0; awaiting && rc == 0 && i < txn->n_ops; i++) {
    const struct mw_store_op *op = &txn->ops[i];
    if (op->follows && op->txn) rc = mw_store_txn_await(awaiting, &(struct mw_store_origin){.txn = op->txn});
  }
  if (rc == 0) return awaiting;
  mw_store_txn_free(awaiting);
  return NULL;
}

bool mw_store_txn_is_empty(const struct mw_store_txn *txn) { return txn->n_ops == 0; }

void mw_store_origin_clear(struct mw_store_origin *origin) {
  mw_store_txn_free(origin->txn);
  *origin = (struct mw_store_origin){0};
}

int mw_store_txn_put(struct mw_store_txn *txn, struct mw_slice key, struct mw_slice value, int64_t expires_wall_ns) {
  return add(txn, (struct mw_store_op){.kind = MW_STORE_OP_PUT, .expires = expires_wall_ns}, key, value);
}

int mw_store_txn_delete(struct mw_store_txn *txn, struct mw_slice key) {
  return add(txn, (struct mw_store_op){.kind = MW_STORE_OP_DELETE}, key, nothing);
}

int mw_store_txn_counter(struct mw_store_txn *txn, struct mw_slice name, uint64_t value) {
  return add(txn, (struct mw_store_op){.kind = MW_STORE_OP_COUNTER, .number = value}, name, nothing);
}
