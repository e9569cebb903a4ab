/* Pauses of a program's jobs: code that does nothing but run into its limits gets less and less of the worker.
 *
 * Counts the runs of jobs that were cut (script/budget.h) less those that ended well. At MW_PAUSE_CUTS the program's jobs pause:
 * those that are due are held. After the pause the oldest one runs alone. If it is not cut before it waits or ends, the
 * others follow; else the next pause is twice as long, up to a minute. Errors of jobs do not count: a job that fails
 * for lack of a peer works again when that is back. */
#ifndef MW_SCRIPT_PAUSE_H
#define MW_SCRIPT_PAUSE_H

#include "script/ready.h"

enum { MW_PAUSE_CUTS = 10 };

struct mw_pause {
  struct mw_ready_queue *queue; /* borrowed */
  struct mw_list held;          /* jobs that are due */
  unsigned excess;              /* runs that were cut, less those that ended well */
  bool on;
  bool trying;                  /* `trial` runs now */
  const struct mw_ready *trial; /* the job that runs alone; NULL for none. Compared only */
  struct mw_timer *timer;       /* that ends the pause; NULL outside and during the trial */
  int64_t length, until;        /* nanoseconds of the last pause, 0 for none; mw_clock_real() of its end */
  char place[96];               /* "FILE:LINE" of the last cut */
};

void mw_pause_init(struct mw_pause *pause, struct mw_ready_queue *queue);

/* Ends the pause. What is held is not started: its owner does not need it any more. */
void mw_pause_stop(struct mw_pause *pause);

/* Before `job` runs: returns true, and holds it, if it must wait for the end of the pause. */
bool mw_pause_hold(struct mw_pause *pause, struct mw_ready *job);

/* After `job` has run until it waits or ends; it may be gone. */
void mw_pause_judge(struct mw_pause *pause, const struct mw_ready *job);

/* A job has ended: `place` is where it was cut, NULL if it was not. */
void mw_pause_count(struct mw_pause *pause, const char *place);

/* `job` goes. One that has not run makes room for another trial. */
void mw_pause_forget(struct mw_pause *pause, struct mw_ready *job);

#endif
