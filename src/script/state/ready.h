/* The ready queue: fibers that may go on and jobs that are due, spread over turns of the loop.
 *
 * Hundreds of thousands of waits may end at one moment: sleeps, finished commits, watches, sends, cancelled calls. They
 * run for some milliseconds of a turn. The rest runs in following turns, between which connections are served. Fibers
 * of calls have a list of their own and precede jobs. Work is never interrupted: after a turn in which a job ran for
 * longer, jobs pause for as long as the turn took, so they get at most half of the thread. One thread. No function
 * allocates. */
#ifndef MW_SCRIPT_STATE_READY_H
#define MW_SCRIPT_STATE_READY_H

#include "loop/loop.h"

/* A unit of work, embedded in its owner's struct. The owner initialises `link`. */
struct mw_ready {
  struct mw_list link;
  void (*run)(struct mw_ready *ready); /* runs from the loop, outside of fibers */
};

struct mw_ready_queue {
  struct mw_loop *loop; /* borrowed */
  struct mw_list calls, jobs;
  struct mw_post post; /* posts the next turn */
  bool posted;
  struct mw_timer *pause; /* ends the jobs' pause, or NULL */
  uint64_t turn;          /* the loop's time in the turn of `until` */
  int64_t until;          /* mw_clock_real() until which work runs at once in that turn */
  int64_t rested; /* mw_clock_real() before which no work runs at once, after work that took longer than a turn */
};

void mw_ready_init(struct mw_ready_queue *queue, struct mw_loop *loop);

/* Drops the queued work. */
void mw_ready_fini(struct mw_ready_queue *queue);

/* Runs `ready` in a following turn. `of_call`: it belongs to a call, not to a job. Borrows it until it has run. */
void mw_ready_put(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call);

/* Runs `ready` now if nothing is queued before it and the turn has time left; else queues it. After work that took
 * longer than a turn's time, further work is queued for the same duration: otherwise an engine that handles one event a
 * turn would run one long piece of work an event, and serve other events only after all of them. Call it from the loop.
 * Returns true if it has run. */
bool mw_ready_run(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call);

/* Removes `ready` from the queue, if it is queued. */
static inline void mw_ready_remove(struct mw_ready *ready) { mw_list_remove(&ready->link); }

static inline bool mw_ready_is_queued(const struct mw_ready *ready) { return !mw_list_empty(&ready->link); }

#endif
