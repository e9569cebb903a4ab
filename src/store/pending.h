/* The newest queued write of each key: the state that the next queued transaction will find.
 *
 * Callers who change the same key read it here and follow that write (mw_store_txn_follow()), so that a chain of
 * changes goes into one commit. The table only predicts; the writer compares when it applies. It therefore omits a
 * transaction that will certainly conflict with an earlier one, and one with more than MW_PENDING_OPS operations;
 * `omitted` counts those.
 *
 * All of it is guarded by the writer's lock. */
#ifndef MW_STORE_PENDING_H
#define MW_STORE_PENDING_H

#include "base/map.h"
#include "store/txn.h"

enum { MW_PENDING_OPS = 64 };

struct mw_pending {
  struct mw_map map; /* key -> the struct mw_store_op of the write */
  size_t omitted;    /* transactions whose writes the map omits */
};

/* Sets txn->overtakes, and adds the writes of a transaction that is about to be queued. The writer has taken
 * transactions up to the position `taken`. Returns 0, or MW_ECONFLICT if a key that `txn` follows has a newer write, or
 * if `txn` will certainly conflict and has `fail_early` set. */
int mw_pending_add(struct mw_pending *pending, struct mw_store_txn *txn, uint64_t taken);

/* Removes the writes of a settled transaction. */
void mw_pending_remove(struct mw_pending *pending, struct mw_store_txn *txn);

/* The newest queued write of `key`, or NULL. */
static inline const struct mw_store_op *mw_pending_find(const struct mw_pending *pending, struct mw_slice key) {
  return pending->map.len > 0 ? mw_map_get(&pending->map, key) : NULL;
}

static inline void mw_pending_fini(struct mw_pending *pending) { mw_map_fini(&pending->map); }

#endif
