/* Internals of a transaction: a list of operations over one buffer of bytes, and its state in the writer.
 *
 * The caller fills it; from mw_store_commit() on it belongs to the writer. Once settled it is immutable and shared
 * by the delivery of its result and by the watch log, each with a reference. */
#ifndef MW_STORE_TXN_H
#define MW_STORE_TXN_H

#include <stdatomic.h>

#include "store/store.h"

enum mw_store_op_kind {
  MW_STORE_OP_COMPARE,
  MW_STORE_OP_AFTER,
  MW_STORE_OP_PUT,
  MW_STORE_OP_DELETE,
  MW_STORE_OP_COUNTER
};

struct mw_store_op {
  enum mw_store_op_kind kind;
  bool changed;        /* the write changed a record: report it to watches */
  size_t key, key_len; /* in txn->bytes */
  size_t value, value_len;
  uint64_t number; /* COMPARE: the revision; COUNTER: the value */
  int64_t expires;
  bool follows; /* COMPARE: made by mw_store_txn_follow() */
  /* COMPARE: the transaction whose write of the key it follows, a reference until this one is settled; `number` is
   * then MW_STORE_ABSENT if that write leaves no record. NULL for a committed record, whose revision is `number`.
   * AFTER: the transaction that must succeed, a reference. PUT, DELETE: the own transaction, once it is pending
   * (pending.h). */
  struct mw_store_txn *txn;
};

struct mw_store_txn {
  atomic_uint refs;
  struct mw_buf bytes;
  struct mw_store_op *ops;
  size_t n_ops, cap_ops;
  size_t n_changed;
  bool hurried, fail_early;  /* mw_store_txn_prioritise(), mw_store_txn_lose_early() */
  uint64_t current_at_round; /* round of the writer when mw_store_txn_is_current() last read the followed keys */

  /* Set by mw_store_commit(). */
  struct mw_store_txn *next; /* in the writer's queue, then in the batch, then among those with the same loop */
  uint64_t position;         /* position in the order of queueing, from 1 */
  bool overtakes;            /* it was put before earlier transactions of the queue */
  bool omitted;              /* struct mw_pending omits some of its writes */
  struct mw_loop *loop;
  void (*done)(void *arg, const struct mw_store_result *result);
  void *arg;
  /* Runs in place of `done`, on the writer's thread: for the store's own transactions. NULL otherwise. */
  void (*on_settled)(struct mw_store_txn *txn);

  /* Set by the writer. `code` is MW_EBUSY before the first attempt. */
  int code;
  uint64_t revision;
  struct mw_err err;
  struct mw_post post;            /* of the first transaction of each loop: delivers all of them */
  struct mw_store_txn *last;      /* the last one with the same loop */
  struct mw_store_txn *next_loop; /* the first one of another loop */
};

/* Sets the counter `name`. Returns like mw_store_txn_put(). */
int mw_store_txn_counter(struct mw_store_txn *txn, struct mw_slice name, uint64_t value);

/* Drops the references to the transactions that it follows. */
void mw_store_txn_unfollow(struct mw_store_txn *txn);

/* Drops a reference. */
void mw_store_txn_unref(struct mw_store_txn *txn);

static inline struct mw_slice mw_store_op_key(const struct mw_store_txn *txn, const struct mw_store_op *op) {
  return mw_slice(txn->bytes.data + op->key, op->key_len);
}

static inline struct mw_slice mw_store_op_value(const struct mw_store_txn *txn, const struct mw_store_op *op) {
  return mw_slice(txn->bytes.data + op->value, op->value_len);
}

static inline size_t mw_store_txn_size(const struct mw_store_txn *txn) {
  return sizeof *txn + txn->bytes.cap + txn->cap_ops * sizeof *txn->ops;
}

#endif
