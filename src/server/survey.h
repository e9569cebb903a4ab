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

struct mw_survey {
  void (*ask)(void *arg, struct mw_worker *worker); /* runs on each worker's thread, unless that has ended; several at a
                                                     * time, so that it writes nothing but the worker's own part */
  void (*done)(void *arg);    /* runs on the home loop once all have answered */
  void (*late)(void *arg, const bool *answered); /* runs before that, once, when some have not answered within
                                                  * MW_SURVEY_PATIENCE_MS: those of their index. May be NULL */
};

enum { MW_SURVEY_PATIENCE_MS = 1000 };

/* From the home loop's thread. Copies `survey`. Returns 0, or MW_ENOMEM with nothing asked. */
int mw_survey(const struct mw_crew *crew, const struct mw_survey *survey, void *arg);

#endif
