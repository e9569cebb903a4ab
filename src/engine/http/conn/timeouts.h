/* Timeouts of a connection: for the client's first frame, for the rest of a frame, of a header block or of a message,
 * and for room in the socket.
 *
 * One timer serves them all. It runs while something is awaited, and checks the progress of each a few times within the
 * shortest limit. So frames that arrive in time cost nothing, and a stall is detected at most one interval late. */
#ifndef MW_ENGINE_HTTP_CONN_TIMEOUTS_H
#define MW_ENGINE_HTTP_CONN_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

struct mw_http_conn;
struct mw_timer;

/* A stall detector: a condition that has held with the same `mark` since `since`. */
struct mw_http_stand {
  uint64_t since; /* in the watch's time; 0: the condition does not hold */
  uint64_t mark;
};

struct mw_http_watch {    /* all zeros at first */
  uint64_t time;          /* milliseconds in which this thread could read, from 1: without those of a blocked loop */
  uint64_t last;          /* uv_now() of the newest check */
  struct mw_timer *timer; /* NULL when nothing is awaited */
  uint32_t writes;        /* finished asynchronous writes, modulo 2^32 */
  struct mw_http_stand first, frame, block, output, end;
};

/* Updates the detector with the condition `there` and its `mark` at time `now`. Returns true once the condition has
 * held, with `mark` unchanged, for `seconds`. */
bool mw_http_stands(struct mw_http_stand *stand, bool there, uint64_t mark, uint64_t now, double seconds);

/* Returns true while the connection awaits anything. */
bool mw_http_watch_needed(const struct mw_http_conn *conn);

/* Starts the timer, which must not be running. */
void mw_http_watch_start(struct mw_http_conn *conn);
void mw_http_watch_stop(struct mw_http_conn *conn);

#endif
