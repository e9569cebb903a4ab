/* What is done when, within a turn of the loop.
 *
 * Calls that have something to do wait in the dispatch's run queue (rpc/run_queue.h), connections that have something to
 * write in a list. Both are worked off after the poll and again before the next one, when timers and posts have run. When no
 * call of an earlier turn waits, a connection that was read from runs its calls and writes its answers at once. What is left
 * when the time of the turn is used up, or after some rounds, waits for the next turn, which then does not block.
 *
 * A call whose stream is lost and whose handler has finished, or never began, is recycled without waiting. */
#ifndef MW_ENGINE_HTTP_TURN_H
#define MW_ENGINE_HTTP_TURN_H

#include <uv.h>

#include "rpc/run_queue.h"

struct mw_http_engine;

struct mw_http_turn {
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;       /* active while something is left over */
  struct mw_list over;  /* struct mw_http_call.item.link */
  struct mw_list dirty; /* struct mw_http_conn.dirty */
  struct mw_run_lane guests; /* calls that other workers have lent */

  int64_t polled;  /* mw_clock_mono() when the last poll ended, give or take a millisecond */
  int64_t asleep;  /* when the newest one began */
};

/* The lists are empty, nothing runs yet; the handles count for the engine (mw_http_engine_enter()). */
void mw_http_turn_init(struct mw_http_engine *engine);
void mw_http_turn_close(struct mw_http_engine *engine);

/* Puts a node of the kind above into its list; once, however often it is called. */
static inline void mw_http_turn_add(struct mw_list *list, struct mw_list *node) {
  if (mw_list_empty(node)) mw_list_push(list, node);
}

/* Runs the calls that have something to do, and those that this makes ready, as long as the turn has time. */
void mw_http_turn_run_ready(struct mw_http_turn *turn);

/* The same after bytes were read; calls of earlier turns go first, after the poll. */
void mw_http_turn_run_read(struct mw_http_turn *turn);

/* The earliest time at which bytes can have come that were not there at the last poll. */
int64_t mw_http_turn_earliest(const struct mw_http_turn *turn);

#endif
