/* Sequences: numbers that are never issued twice, leased from a durable counter in batches.
 *
 * The counter is the greatest number that may have been issued. A crash loses the unused numbers of a lease; an
 * orderly close returns them. A lease grows with use; the next one starts when half of it is used. */
#ifndef MW_STORE_SEQUENCE_H
#define MW_STORE_SEQUENCE_H

#include <pthread.h>

#include "base/map.h"
#include "store/store.h"

struct mw_sequences {
  pthread_mutex_t lock; /* guards the map and every sequence */
  struct mw_map map;    /* name -> struct sequence */
};

void mw_sequences_init(struct mw_sequences *sequences);

/* True if a caller waits for a number. */
bool mw_sequences_busy(struct mw_sequences *sequences);

/* Returns unused numbers and frees everything. After the writer has stopped. */
void mw_sequences_fini(struct mw_store *store);

#endif
