/* The receive quota of a connection: memory for messages larger than their stream's window.
 *
 * The client can send such a message only if it gets credit before the message is complete. For that the call first
 * reserves the size of the whole message, and releases it once the message is delivered or the call is over. If the
 * quota is exhausted, calls wait in order, with their windows full; other streams go on. A quota of which nothing is
 * reserved always grants one message, however large. */
#ifndef MW_ENGINE_HTTP_LIMITS_QUOTA_H
#define MW_ENGINE_HTTP_LIMITS_QUOTA_H

#include <stddef.h>

#include "base/list.h"

struct mw_http_quota {
  size_t reserved;
  struct mw_list waiting; /* struct mw_http_reservation.link */
};

struct mw_http_reservation {
  size_t bytes;        /* reserved; 0: none */
  struct mw_list link; /* in quota.waiting; the embedding struct initialises it */
};

/* Reserves `bytes` of the quota `limit` for a reservation that holds none. If the quota is exhausted, queues the
 * reservation and returns false. */
bool mw_http_quota_reserve(struct mw_http_quota *quota, struct mw_http_reservation *reservation, size_t bytes,
                           size_t limit);

/* Releases the bytes of the reservation, and takes it out of the queue. */
void mw_http_quota_release(struct mw_http_quota *quota, struct mw_http_reservation *reservation);

/* Returns the reservation to try next; NULL if none waits. */
static inline struct mw_http_reservation *mw_http_quota_first(struct mw_http_quota *quota) {
  return mw_list_empty(&quota->waiting) ? NULL : MW_CONTAINER(quota->waiting.next, struct mw_http_reservation, link);
}

#endif
