/* An HTTP/2 connection as the race's own two tools have it, the generator (load/) and the limit: nghttp2 on libuv, one
 * write for all that a turn of the loop has to say.
 *
 * The owner sets up nghttp2's callbacks for what comes in and calls h2_touch() after it has given the session something
 * to send; the write follows before the loop waits again. Without memory the tools stop. One thread. */
#ifndef BENCH_H2_H
#define BENCH_H2_H

#include <nghttp2/nghttp2.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"

struct h2_loop {
  uv_loop_t uv;
  uv_check_t turn;
  struct mw_list touched; /* h2_conn.link: those with something to send */
};

enum { H2_PIECES = 64 };

/* A stretch of what is to be written: somebody else's bytes, or the next ones of `out`. */
struct h2_piece {
  const uint8_t *borrowed; /* NULL for those of `out` */
  size_t len;
};

struct h2_conn {
  uv_tcp_t tcp;
  struct h2_loop *loop;
  nghttp2_session *session; /* owned */
  struct mw_buf out;        /* being written, while `writing`; so are the pieces */
  struct h2_piece pieces[H2_PIECES];
  size_t count, gathered; /* pieces, and bytes in them */
  uv_write_t write;
  bool writing;
  struct mw_list link;
  void (*on_close)(struct h2_conn *conn); /* the peer has gone, or h2_close(); may free the connection */
};

/* Stops the tool with a line on stderr when `rc` is negative: a code of libuv. */
void h2_check(int rc, const char *what);

void h2_loop_init(struct h2_loop *loop);

/* The callbacks of a session whose user data is its h2_conn, with those for sending set. Returns owned. */
nghttp2_session_callbacks *h2_callbacks(void);

/* Prepares `conn`, which its owner has zeroed, and its socket. */
void h2_init(struct h2_loop *loop, struct h2_conn *conn);

/* Sends the preface's settings (windows large enough not to count) and begins to read, over a socket that is
 * connected. Takes `session`. */
void h2_start(struct h2_conn *conn, nghttp2_session *session);

/* Something is to be sent. */
void h2_touch(struct h2_conn *conn);

/* Writes at once what is to be sent by all connections, rather than at the end of the turn. */
void h2_flush(struct h2_loop *loop);

/* Closes it; on_close follows from the loop. Allowed twice. */
void h2_close(struct h2_conn *conn);

/* Appends bytes to what is being gathered, for nghttp2's send_data_callback alone: a copy of them; or themselves, which
 * must then stay as they are. */
void h2_put(struct h2_conn *conn, const void *data, size_t len);
void h2_put_borrowed(struct h2_conn *conn, const void *data, size_t len);

/* Whether the callback should rather return NGHTTP2_ERR_WOULDBLOCK: a write comes first. */
bool h2_full(const struct h2_conn *conn);

#endif
