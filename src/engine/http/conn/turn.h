/* The order of work within a turn of the loop.
 *
 * Calls with something to do wait in the dispatch's run queue (rpc/run_queue.h), connections with something to write in
 * a list. The turn works off both after the poll, and again before the next poll, when timers and posts have run. If no
 * call of an earlier turn waits, a connection runs its calls and writes their replies right after it has read. Work
 * that is left when the turn's time is used up, or after some rounds, waits for the next turn; its poll does not block
 * then.
 *
 * A call without a stream whose handler has finished, or never began, is recycled without queueing. */
#ifndef MW_ENGINE_HTTP_CONN_TURN_H
#define MW_ENGINE_HTTP_CONN_TURN_H

#include <uv.h>

#include "rpc/run_queue.h"

struct mw_http_turn {
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;                 /* active while work is left over: keeps the poll from blocking */
  struct mw_list recyclable;      /* struct mw_http_call.item.link */
  struct mw_list answered;        /* struct mw_http_call.answered: finished in this turn, with a deadline */
  struct mw_list to_flush;        /* struct mw_http_conn.dirty */
  struct mw_run_lane remote_lane; /* calls of other workers that run here */

  int64_t poll_ended; /* mw_clock_mono() at the end of the last poll, give or take a millisecond */
  int64_t poll_began; /* mw_clock_mono() at the start of the newest poll */
};

/* Adds a call to `recyclable` or `answered`, or a connection to `to_flush`, unless it is in there. */
static inline void mw_http_turn_add(struct mw_list *list, struct mw_list *node) {
  if (mw_list_empty(node)) mw_list_push(list, node);
}

/* Runs the calls in the queue, and those that this makes ready, as long as the turn has time. */
void mw_http_turn_run_ready(struct mw_http_turn *turn);

/* The same after a read. Does nothing while calls of earlier turns wait: those run first, after the poll. */
void mw_http_turn_run_read(struct mw_http_turn *turn);

/* Ends a turn: starts the deadlines' timers of finished calls whose responses have not left. */
void mw_http_turn_watch_responses(struct mw_http_turn *turn);

/* Returns the mw_clock_mono() time of the end of the newest poll: libuv updates uv_now() then. */
int64_t mw_http_turn_poll_end(const struct mw_http_turn *turn);

/* Returns the earliest mw_clock_mono() time at which bytes that the last poll did not report can have arrived. */
int64_t mw_http_turn_earliest(const struct mw_http_turn *turn);

#endif
