/* The watch hub: a log of the newest transactions in memory, which every watch reads at its own pace.
 *
 * The log keeps references to the transactions, bounded in events and bytes; the oldest are dropped first. It is
 * kept without watches too, so that a watch can begin at the revision of an older snapshot. */
#ifndef MW_STORE_WATCH_H
#define MW_STORE_WATCH_H

#include <pthread.h>

#include "store/txn.h"

struct mw_watch_hub {
  pthread_mutex_t lock; /* guards all fields below and every watch */
  struct mw_list watches;
  struct mw_store_txn **log; /* a ring of MW_STORE_WATCH_BACKLOG; the index is the position modulo that */
  uint64_t first, end;       /* positions: the log holds those from first to end, exclusive */
  uint64_t complete_after;   /* the log holds every change after this revision */
  size_t events, bytes;
};

/* `revision` is the store's newest. Returns 0 or MW_ENOMEM. */
int mw_watch_hub_init(struct mw_watch_hub *hub, uint64_t revision);
void mw_watch_hub_fini(struct mw_watch_hub *hub);

/* True if a watch is open. Any thread. */
bool mw_watch_hub_in_use(struct mw_watch_hub *hub);

/* Adds a transaction that changed records, in order of revision, and wakes the watches that match. Keeps a
 * reference. On the writer's thread. */
void mw_watch_hub_publish(struct mw_watch_hub *hub, struct mw_store_txn *txn);

#endif
