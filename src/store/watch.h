/* The watch hub: a log of the newest transactions in memory, from which every watch reads at its own pace.
 *
 * The log keeps references to the transactions themselves, bounded in events and bytes; the oldest go first. It is kept
 * without watchers too, so that one can begin at the revision of a snapshot that is no longer the newest. */
#ifndef MW_STORE_WATCH_H
#define MW_STORE_WATCH_H

#include <pthread.h>

#include "store/txn.h"

struct mw_hub {
  pthread_mutex_t lock;       /* guards all below and every watch */
  struct mw_list watches;
  struct mw_store_txn **log;  /* a ring of MW_STORE_WATCH_BACKLOG, indexed by a transaction's place modulo that */
  uint64_t first, end;        /* places: the log has those from first up to end, exclusive */
  uint64_t floor;             /* the log has every change after this revision */
  size_t events, bytes;
};

/* `revision`: the store's newest. Returns 0 or MW_ENOMEM. */
int mw_hub_init(struct mw_hub *hub, uint64_t revision);
void mw_hub_fini(struct mw_hub *hub);

/* Whether a watch is open. Any thread. */
bool mw_hub_in_use(struct mw_hub *hub);

/* Adds a transaction that changed something, in the order of revisions, and wakes the watches it concerns. On the
 * writer's thread; keeps a reference. */
void mw_hub_publish(struct mw_hub *hub, struct mw_store_txn *txn);

#endif
