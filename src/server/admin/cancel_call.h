/* Cancels a call on request of the operator. */
#ifndef MW_SERVER_ADMIN_CANCEL_CALL_H
#define MW_SERVER_ADMIN_CANCEL_CALL_H

#include "server/worker/broadcast.h"

/* Cancels call `id` with CANCELLED. `done(arg, killed, text)` runs on the home loop, with a line for people. */
void mw_cancel_call(const struct mw_workers *workers, uint64_t id,
                    void (*done)(void *arg, bool killed, const char *text), void *arg);

#endif
