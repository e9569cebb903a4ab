/* What is done when, within a turn of the loop.
 *
 * A connection that was read from runs its calls and writes its answers at once. Whatever else there is to do stands in
 * lists: calls that have something to do, and connections that have something to write. They are worked off after the
 * poll and again before the next one, when timers and posts have run. What is still left after some rounds waits for the
 * next turn, which then does not block. */
#ifndef MW_ENGINE_HTTP_TURN_H
#define MW_ENGINE_HTTP_TURN_H

#include <uv.h>

#include "base/list.h"

struct mw_http_engine;

struct mw_http_turn {
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;       /* active while something is left over */
  struct mw_list ready; /* struct mw_http_call.ready */
  struct mw_list dirty; /* struct mw_http_conn.dirty */
  struct mw_list remotes; /* struct mw_http_remote.ready */

  unsigned begun;        /* calls, of those that are run one after another now */
  int64_t since, latest; /* when the first of them began, and the last; mw_clock_mono() */
};

/* Both lists are empty, nothing runs yet; the handles count for the engine (mw_http_engine_enter()). */
void mw_http_turn_init(struct mw_http_engine *engine);
void mw_http_turn_close(struct mw_http_engine *engine);

/* Puts a node of the kind above into its list; once, however often it is called. */
static inline void mw_http_turn_add(struct mw_list *list, struct mw_list *node) {
  if (mw_list_empty(node)) mw_list_push(list, node);
}

/* A call has begun. */
static inline void mw_http_turn_count(struct mw_http_turn *turn, int64_t started) {
  if (turn->begun++ == 0) turn->since = started;
  turn->latest = started;
}

/* Runs the calls that have something to do, and those that this makes ready. */
void mw_http_turn_run_ready(struct mw_http_turn *turn);

#endif
