/* What a server is doing, as text for people: workers, live calls and where they wait, generations and what
 * pins them. */
#ifndef MW_SERVER_STATUS_H
#define MW_SERVER_STATUS_H

#include "server/reload.h"
#include "server/survey.h"

/* Asks every worker, and reports without those that do not answer within MW_SURVEY_PATIENCE_MS. `done(arg, true, text)` runs on the home loop; without memory it is told false. `opened` is the
 * mw_clock_mono() time from which the server's age counts. */
void mw_server_status(const struct mw_crew *crew, const struct mw_reload *reload, int64_t opened,
                      void (*done)(void *arg, bool ok, const char *text), void *arg);

#endif
