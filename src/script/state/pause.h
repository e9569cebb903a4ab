/* Pauses of a program's jobs: code that only runs into its limits gets less and less of the worker.
 *
 * Counts the runs of jobs that were cut (script/state/budget.h) minus those that ended well. At MW_PAUSE_CUTS the
 * program's jobs pause: due jobs are held. After the pause the oldest one runs alone. If it is not cut before it waits
 * or ends, the others follow; else the next pause is twice as long, up to a minute. Errors of jobs do not count,
 * because a job that fails for lack of a peer works again when the peer returns. */
#ifndef MW_SCRIPT_STATE_PAUSE_H
#define MW_SCRIPT_STATE_PAUSE_H

#include "script/state/ready.h"

enum { MW_PAUSE_CUTS = 10 };

struct mw_pause {
  struct mw_ready_queue *queue; /* borrowed */
  struct mw_list held;          /* due jobs */
  unsigned excess;              /* runs that were cut, minus those that ended well */
  bool on;
  bool trying;                  /* `trial` is running */
  const struct mw_ready *trial; /* the job that runs alone, or NULL. Compared only */
  struct mw_timer *timer;       /* ends the pause; NULL outside and during the trial */
  int64_t length, until;        /* nanoseconds of the last pause, 0 for none; mw_clock_real() of its end */
  char place[96];               /* "FILE:LINE" of the last cut */
};

void mw_pause_init(struct mw_pause *pause, struct mw_ready_queue *queue);

/* Ends the pause. Held jobs are not started: the owner has dropped them. */
void mw_pause_stop(struct mw_pause *pause);

/* Call it before `job` runs. If the job must wait for the end of the pause, holds it and returns true. */
bool mw_pause_hold(struct mw_pause *pause, struct mw_ready *job);

/* Call it after `job` has run until it waits or ends. `job` may be freed. */
void mw_pause_end_trial(struct mw_pause *pause, const struct mw_ready *job);

/* Call it after a job has ended. `place` is where it was cut, or NULL if it was not. */
void mw_pause_count(struct mw_pause *pause, const char *place);

/* Forgets `job`, which is about to be freed. If it was chosen for the trial and has not run, another trial is
 * possible. */
void mw_pause_forget(struct mw_pause *pause, struct mw_ready *job);

#endif
