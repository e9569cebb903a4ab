/* Sequences: numbers that are never given out twice, leased from a durable counter in batches.
 *
 * The counter says up to where numbers may have been given out; those up to it which were not are lost in a crash and
 * given back by an orderly close. A lease grows with use, and the next one is taken when half of it is gone. */
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

/* Whether somebody waits for a number. */
bool mw_sequences_busy(struct mw_sequences *sequences);

/* After the writer has stopped: gives unused numbers back and frees everything. */
void mw_sequences_fini(struct mw_store *store);

#endif
