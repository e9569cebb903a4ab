/* Opens and closes the objects that the workers of a server share: data folder, store, topics, metrics. */
#ifndef MW_SERVER_WORKER_WORKER_SHARED_H
#define MW_SERVER_WORKER_WORKER_SHARED_H

#include "server/worker/worker.h"

/* Opens the data folder and the store in it, by the settings of `generation`, of which it takes a reference. Makes the
 * data folder if it does not exist; ":memory:" stands for a temporary one. Returns 0, or an error such as MW_EBUSY,
 * MW_EIO or MW_EFORMAT of the store, with nothing left open. */
int mw_worker_shared_open(struct mw_worker_shared *shared, const char *dir, struct mw_generation *generation,
                          struct mw_err *err);

/* Requires that every worker has ended. */
void mw_worker_shared_close(struct mw_worker_shared *shared);

#endif
