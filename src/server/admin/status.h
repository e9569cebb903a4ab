/* Reports the state of a server as text for people: workers, live calls and the places at which they wait, generations
 * and the calls that keep them alive. */
#ifndef MW_SERVER_ADMIN_STATUS_H
#define MW_SERVER_ADMIN_STATUS_H

#include "server/reload/reload.h"
#include "server/worker/broadcast.h"

/* Asks every worker. Reports without those that do not answer within MW_BROADCAST_TIMEOUT_MS. `done(arg, true, text)`
 * runs on the home loop; without memory, `done(arg, false, text)` runs before this returns. `opened` is the
 * mw_clock_mono() time from which the server's age counts. */
void mw_server_status(const struct mw_workers *workers, const struct mw_reload *reload, int64_t opened,
                      void (*done)(void *arg, bool ok, const char *text), void *arg);

#endif
