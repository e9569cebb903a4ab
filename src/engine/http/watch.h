/* What a connection waits for, and for how long: the client's first frame, the rest of a frame, of a header block or of a
 * message, and room in its socket.
 *
 * There is one timer for all of that. It runs while there is something to wait for, and looks a few times in the shortest
 * of the limits what has moved since it last looked: so nothing is done for frames that come in time, and what has
 * stopped is found at most one look late. */
#ifndef MW_ENGINE_HTTP_WATCH_H
#define MW_ENGINE_HTTP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct mw_http_conn;
struct mw_timer;

/* Something that was seen to stand at `mark` since `since`. */
struct mw_http_stand {
  uint64_t since; /* the watch's time; 0: it was not there */
  uint64_t mark;
};

struct mw_http_watch { /* all zeros to begin with */
  uint64_t time;          /* milliseconds in which this thread was there to read; from 1 */
  uint64_t last;          /* uv_now() of the newest look */
  struct mw_timer *timer; /* NULL when nothing is watched */
  uint32_t writes;        /* that were finished later than at once, modulo 2^32 */
  struct mw_http_stand first, frame, block, output, end;
};

/* Whether `stand` is for `seconds` what it is: there, and at the same mark each time this was asked. */
bool mw_http_stands(struct mw_http_stand *stand, bool there, uint64_t mark, uint64_t now, double seconds);

/* Whether there is something to wait for. */
bool mw_http_watch_needed(const struct mw_http_conn *conn);

/* Starts the timer, which does not run. */
void mw_http_watch_start(struct mw_http_conn *conn);
void mw_http_watch_stop(struct mw_http_conn *conn);

#endif
