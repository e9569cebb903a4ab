/* A broadcast: runs a question on the thread of every worker, then continues on the home loop when all have
 * answered. */
#ifndef MW_SERVER_WORKER_BROADCAST_H
#define MW_SERVER_WORKER_BROADCAST_H

#include "server/worker/worker.h"

/* The workers of a server, and the loop of the thread that leads them. */
struct mw_workers {
  struct mw_loop *home;
  struct mw_worker *workers;
  unsigned n_workers;
};

struct mw_broadcast {
  /* Runs on each worker's thread, unless the worker has ended; on several at once. It writes only to its worker's part
   * of `arg`. */
  void (*ask)(void *arg, struct mw_worker *worker);
  void (*done)(void *arg); /* runs on the home loop after all answers */
  /* Runs before `done`, once, if answers are missing after MW_BROADCAST_TIMEOUT_MS. `answered` is indexed by worker.
   * May be NULL. */
  void (*late)(void *arg, const bool *answered);
};

enum { MW_BROADCAST_TIMEOUT_MS = 1000 };

/* Starts a broadcast, from the home loop's thread. Copies `what`. Returns 0, or MW_ENOMEM with no worker asked. */
int mw_broadcast(const struct mw_workers *workers, const struct mw_broadcast *what, void *arg);

/* Repeated broadcasts, one at a time, which need no further memory. On the home loop's thread. */
struct mw_broadcaster;

/* Copies `workers`. Returns NULL without memory. */
struct mw_broadcaster *mw_broadcaster_new(const struct mw_workers *workers);

/* Requires that no broadcast is under way. Accepts NULL. */
void mw_broadcaster_free(struct mw_broadcaster *broadcaster);

/* Starts a broadcast. The previous one is over; its `done` may call this. Copies `what`. */
void mw_broadcaster_start(struct mw_broadcaster *broadcaster, const struct mw_broadcast *what, void *arg);

/* Returns the number of answers that are missing. */
unsigned mw_broadcaster_missing(const struct mw_broadcaster *broadcaster);

#endif
