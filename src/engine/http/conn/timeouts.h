/* Timeouts of a connection: for the client's first frame, for the rest of a frame, of a header block or of a message,
 * and for room in the socket.
 *
 * One timer serves them all; the connection runs it while something is awaited (conn_io.c). It checks the progress of
 * each a few times within the shortest limit. So frames that arrive in time cost nothing, and a stall is detected at
 * most one interval late. */
#ifndef MW_ENGINE_HTTP_CONN_TIMEOUTS_H
#define MW_ENGINE_HTTP_CONN_TIMEOUTS_H

#include "engine/http/limits/stall.h"
#include "loop/loop.h"

struct mw_http_conn;

struct mw_http_timeouts { /* all zeros at first */
  uint64_t time;          /* milliseconds in which this thread could read, from 1: without those of a blocked loop */
  uint64_t last;          /* uv_now() of the newest check */
  struct mw_timer *timer; /* NULL when nothing is awaited */
  uint32_t writes;        /* finished asynchronous writes, modulo 2^32 */
  struct mw_http_stall first, frame, block, output, end;
};

/* Returns true while the connection awaits anything. */
bool mw_http_timeouts_needed(const struct mw_http_conn *conn);

/* Starts the timer, which must not be running. `on_timer` runs with the connection. */
void mw_http_timeouts_start(struct mw_http_conn *conn, void (*on_timer)(void *));

/* The timer has fired: acts on the stalls of the session and of its calls. Returns false when the connection must be
 * closed. */
bool mw_http_timeouts_check(struct mw_http_conn *conn);

static inline void mw_http_timeouts_stop(struct mw_http_timeouts *timeouts) {
  mw_timer_stop(timeouts->timer);
  timeouts->timer = NULL;
}

#endif
