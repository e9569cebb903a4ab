/* Cancels a call on request of the operator. */
#ifndef MW_SERVER_KILL_H
#define MW_SERVER_KILL_H

#include "server/survey.h"

/* Cancels call `id` with CANCELLED. `done(arg, killed, text)` runs on the home loop, with a line for people. */
void mw_kill(const struct mw_crew *crew, uint64_t id, void (*done)(void *arg, bool killed, const char *text),
             void *arg);

#endif
