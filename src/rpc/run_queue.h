/* The run queue of a worker: work for handlers waits here between the event that brings it and the handler, so that
 * no connection and no burst of calls delays the others much.
 *
 *   engine's event --> item in the lane of its connection --> mw_run_queue_run() --> mw_dispatch_start(), handlers
 *
 * Order. Lanes take turns, one item each: a connection with 250 calls delays the others by one call at a time.
 * Health and reflection use the lane `first`, which runs before all others, for at most half of a turn. Within a
 * lane, items run in order of arrival. Exception: once the oldest request has waited more than half of the time from
 * its arrival to its deadline, the newest one runs next. Otherwise, with more calls than a worker can serve, each
 * call would begin just before its deadline and end after it; with this rule the calls that begin end in time, and
 * the others expire in the queue without running. The rule needs no estimate of a handler's time and keeps calls
 * with long deadlines in order. Items without a deadline (requests without one, messages of streams, cancellations)
 * always keep their order; while the newest request goes first they get every second turn of their lane, so that
 * none starves.
 *
 * Time. A turn of the loop runs items for MW_RUN_TURN_NS, and the rest in its next turns. In between the engine
 * reads and writes its sockets, and the loop runs its timers and posts. A running item is not interrupted. Engines
 * begin a turn with mw_run_queue_begin_turn(), and do not block while items are left.
 *
 * Life. A waiting call belongs to its engine: it has no handler, no route and no generation, and gets the current
 * generation when it begins. (Engine core begins a call in order to read its message, which then waits for another
 * turn.) A reset removes it. When its deadline passes, the queue runs it out of order: the engine begins it, and the
 * dispatch ends it with DEADLINE_EXCEEDED without a handler. Expired items get as much time as the others, at most
 * half a turn at once; they take microseconds, so that many end beside each handler. A draining server serves the
 * waiting calls, and refuses the rest after the grace period. Flow control bounds the queue: for each connection,
 * `limits.streams` calls and their windows.
 *
 * Work sharing (engine/http/sharing/remote.h): a call is forwarded when its turn comes, and waits in a lane for remote
 * calls at the worker that executes it.
 *
 * One per worker, in its dispatch; used on its thread only. */
#ifndef MW_RPC_RUN_QUEUE_H
#define MW_RPC_RUN_QUEUE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"

enum { MW_RUN_TURN_NS = 4 * MW_NS_PER_MS };

struct mw_run_queue;

/* Embedded in the object that represents the work. */
struct mw_run_item {
  struct mw_list link;                   /* in a list of its lane while queued; otherwise free for the owner */
  struct mw_run_lane *lane;              /* NULL while not queued */
  int64_t arrived;                       /* mw_clock_mono() time */
  int64_t deadline;                      /* of a request that has not begun; MW_NEVER for other items */
  void (*run)(struct mw_run_item *item); /* runs after the removal; may add the item again, or free it */
};

/* The items of a connection. */
struct mw_run_lane {
  struct mw_run_queue *queue;
  struct mw_list link;    /* in queue->lanes while it has items */
  struct mw_list ordered; /* struct mw_run_item.link: items without a deadline */
  struct mw_list timed;   /* the same: items with one */
  bool alternate;
};

struct mw_run_queue {
  struct mw_list lanes; /* struct mw_run_lane.link: those with items, in order of their turns */
  struct mw_run_lane first, expired;
  size_t n;                    /* items */
  int64_t now;                 /* mw_clock_mono() before the running item; 0 while none runs */
  int64_t began;               /* the same before the first item of this turn; 0 before it */
  int64_t sweeps;              /* mw_clock_mono() time of the next search for expired items */
  bool over;                   /* the time of this turn is used up */
  bool behind;                 /* the last turn left items over */
  unsigned ran, ran_before;    /* number of items in this turn, and in the last turn that ran any */
  int64_t spent, spent_before; /* nanoseconds that they took */
  int64_t spent_first;         /* part of `spent`: the lane `first` in this turn */
  int64_t credit;              /* nanoseconds that expired items may still take before the next item of the lanes */
};

void mw_run_queue_init(struct mw_run_queue *queue);

void mw_run_lane_init(struct mw_run_lane *lane, struct mw_run_queue *queue);

static inline void mw_run_item_init(struct mw_run_item *item, void (*run)(struct mw_run_item *item)) {
  mw_list_init(&item->link);
  item->lane = NULL;
  item->run = run;
}

/* Queues an item that is not queued. `arrived` and `deadline` are set. */
void mw_run_lane_add(struct mw_run_lane *lane, struct mw_run_item *item);

/* Removes an item. No effect if it is not queued. */
void mw_run_item_remove(struct mw_run_item *item);

/* Runs items until none is left or the turn's time is used up. */
void mw_run_queue_run(struct mw_run_queue *queue);

/* Ends a turn of the loop and begins the next one. */
void mw_run_queue_begin_turn(struct mw_run_queue *queue);

/* Returns mw_clock_mono() as of the start of the running item. */
static inline int64_t mw_run_queue_now(const struct mw_run_queue *queue) {
  return queue->now != 0 ? queue->now : mw_clock_mono();
}

/* Returns the mean nanoseconds of an item in this turn and the last one. */
int64_t mw_run_queue_mean(const struct mw_run_queue *queue);

#endif
