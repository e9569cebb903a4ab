/* Making and unmaking what the workers of a server share: data folder, store, topics, metrics. */
#ifndef MW_SERVER_SHARED_H
#define MW_SERVER_SHARED_H

#include "server/worker.h"

/* Opens the data folder (made when absent; a temporary one for ":memory:") and the store in it, as the settings of
 * `generation` say, of which it takes a reference. Returns 0; MW_EBUSY, MW_EIO, MW_EFORMAT, ... as the store says; with nothing left open on failure. */
int mw_shared_open(struct mw_shared *shared, const char *dir, struct mw_generation *generation, struct mw_err *err);

/* Every worker has ended. */
void mw_shared_close(struct mw_shared *shared);

#endif
