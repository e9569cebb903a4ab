/* An HTTP/2 connection for the race's own two tools, the load generator (load/) and the limit: nghttp2 on libuv, with
 * one gathered write for each turn of the loop.
 *
 * The owner sets nghttp2's callbacks for received frames, and calls h2_touch() after each submit; the write follows
 * before the loop polls again. Without memory the tools exit. One thread. */
#ifndef BENCH_H2_H
#define BENCH_H2_H

#include <nghttp2/nghttp2.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"

struct h2_loop {
  uv_loop_t uv;
  uv_check_t turn;
  struct mw_list touched; /* h2_conn.link: connections with pending output */
};

enum { H2_PIECES = 64 };

/* A part of a write: borrowed bytes, or the next bytes of `out`. */
struct h2_piece {
  const uint8_t *borrowed; /* NULL for bytes of `out` */
  size_t len;
};

struct h2_conn {
  uv_tcp_t tcp;
  struct h2_loop *loop;
  nghttp2_session *session; /* owned */
  struct mw_buf out;        /* copied bytes of the write; in use while `writing`, as are the pieces */
  struct h2_piece pieces[H2_PIECES];
  size_t count, gathered; /* number of pieces, bytes in them */
  uv_write_t write;
  bool writing;
  struct mw_list link;
  void (*on_close)(struct h2_conn *conn); /* after the peer's or h2_close()'s end; may free the connection */
};

/* Exits with a line on stderr if `rc`, a code of libuv, is negative. */
void h2_check(int rc, const char *what);

void h2_loop_init(struct h2_loop *loop);

/* Makes callbacks for a session whose user data is its h2_conn; those for sending are set. Returns owned. */
nghttp2_session_callbacks *h2_callbacks(void);

/* Prepares `conn`, which its owner has zeroed, and its socket. */
void h2_init(struct h2_loop *loop, struct h2_conn *conn);

/* Sends SETTINGS (with windows large enough never to matter) and begins to read. The socket must be connected. Takes
 * `session`. */
void h2_start(struct h2_conn *conn, nghttp2_session *session);

/* Schedules a write of the session's output at the end of the turn. */
void h2_touch(struct h2_conn *conn);

/* Writes the pending output of all connections at once. */
void h2_flush(struct h2_loop *loop);

/* Closes the connection; on_close follows from the loop. Allowed twice. */
void h2_close(struct h2_conn *conn);

/* For nghttp2's send_data_callback alone: adds a copy of the bytes to the write. */
void h2_put(struct h2_conn *conn, const void *data, size_t len);

/* The same without a copy: borrows the bytes until they are written. */
void h2_put_borrowed(struct h2_conn *conn, const void *data, size_t len);

/* Returns true if the callback must return NGHTTP2_ERR_WOULDBLOCK, because a write is due first. */
bool h2_full(const struct h2_conn *conn);

#endif
