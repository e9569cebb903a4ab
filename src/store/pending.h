/* The newest write of each key that is queued and not settled: the state that the next transaction in the queue will meet.
 *
 * Callers who change the same key read it here and follow that write (mw_store_txn_follow()), so that a whole chain of
 * changes goes into one commit. The table only predicts: the writer compares when it applies. A transaction that is bound to
 * lose against one before it is therefore left out, and so is one with more than MW_PENDING_OPS operations: `unlisted` counts
 * those.
 *
 * All of it is guarded by the writer's lock. */
#ifndef MW_STORE_PENDING_H
#define MW_STORE_PENDING_H

#include "base/map.h"
#include "store/txn.h"

enum { MW_PENDING_OPS = 64 };

struct mw_pending {
  struct mw_map map; /* key -> the struct mw_op of the write */
  size_t unlisted;   /* transactions whose writes it does not have */
};

/* Decides txn->ahead, and adds the writes of a transaction that is about to be queued. Transactions up to the place
 * `taken` are being applied. Returns 0, or MW_ECONFLICT when a key that `txn` follows has a newer write, or when `txn` is
 * bound to conflict and asked to lose early. */
int mw_pending_add(struct mw_pending *pending, struct mw_store_txn *txn, uint64_t taken);

/* Removes the writes of a transaction that is settled. */
void mw_pending_remove(struct mw_pending *pending, struct mw_store_txn *txn);

/* The newest queued write of `key`, or NULL. */
static inline const struct mw_op *mw_pending_find(const struct mw_pending *pending, struct mw_slice key) {
  return pending->map.len > 0 ? mw_map_get(&pending->map, key) : NULL;
}

static inline void mw_pending_fini(struct mw_pending *pending) { mw_map_fini(&pending->map); }

#endif
