/* The ready queue: fibers that may go on and jobs that are due, spread over turns of the loop.
 *
 * Hundreds of thousands of waits may end at one moment: sleeps, finished commits, watches, sends, cancelled calls. They run
 * for some milliseconds of a turn; those left over run in following turns, between which connections are served. Fibers
 * of calls have a list of their own and precede jobs. No work is interrupted: after a turn in which a job ran for longer,
 * jobs pause for as long as the turn took. So they get half of the thread at the most. One thread; nothing here allocates. */
#ifndef MW_SCRIPT_READY_H
#define MW_SCRIPT_READY_H

#include "loop/loop.h"

/* A piece of work, embedded in its owner's struct. `link` is initialised by the owner. */
struct mw_ready {
  struct mw_list link;
  void (*run)(struct mw_ready *ready); /* from the loop, not within a fiber */
};

struct mw_ready_queue {
  struct mw_loop *loop; /* borrowed */
  struct mw_list calls, jobs;
  struct mw_post post;  /* the next turn */
  bool posted;
  struct mw_timer *pause; /* of the jobs; NULL for none */
  uint64_t turn;        /* the loop's time in the turn that `until` belongs to */
  int64_t until;        /* mw_clock_real() until which work runs at once in that turn */
  int64_t rested;       /* mw_clock_real() before which none does: the last such work took longer than a turn's time */
};

void mw_ready_init(struct mw_ready_queue *queue, struct mw_loop *loop);

/* Drops what is queued. */
void mw_ready_fini(struct mw_ready_queue *queue);

/* Runs `ready` in a following turn; `of_call`: of a call, not of a job. Borrows it until it has run. */
void mw_ready_put(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call);

/* The same, but runs it now if none is queued before it and the turn has time left. After work that took longer than a
 * turn has, the next one is queued for as long: an engine that takes one event a turn would otherwise run one long piece
 * of work an event, and reach the events of others only after all of them. From the loop. Returns whether it has run. */
bool mw_ready_run(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call);

/* Takes `ready` out of the queue, if it is there. */
static inline void mw_ready_remove(struct mw_ready *ready) { mw_list_remove(&ready->link); }

static inline bool mw_ready_is_queued(const struct mw_ready *ready) { return !mw_list_empty(&ready->link); }

#endif
