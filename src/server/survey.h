/* Asks every worker something, each on its own thread, and goes on at home when all have answered. */
#ifndef MW_SERVER_SURVEY_H
#define MW_SERVER_SURVEY_H

#include "server/worker.h"

/* The workers of a server, and the loop of the thread that leads them. */
struct mw_crew {
  struct mw_loop *home;
  struct mw_worker *workers;
  unsigned n_workers;
};

/* `ask(arg, worker)` runs on each worker's thread, unless that has ended; several at a time, so that it writes nothing
 * but what is the worker's own part. `done(arg)` then runs on the home loop. From the home loop's thread. Returns 0, or
 * MW_ENOMEM with nothing asked. */
int mw_survey(const struct mw_crew *crew, void (*ask)(void *arg, struct mw_worker *worker), void (*done)(void *arg),
              void *arg);

#endif
