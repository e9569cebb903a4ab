/* A connection: passes bytes from the socket to the session, and back in one gathered write a turn.
 *
 * Life: accepted, then closed by the client, by an error, or because the session is done. Closing ends the streams and
 * frees the session at once. The struct stays until libuv has closed the handle and the last of its calls is over.
 *
 * A connection that the server ends lingers: the kernel resets a socket that is closed with unread bytes, and the reset
 * can discard the last frames before the client has read them. So the connection drops its input until the client
 * closes its side, or for one second.
 *
 * The connection pulls nothing from the session while an earlier write is unfinished. So bytes that a client does not
 * read stay with the calls, where they are bounded. */
#ifndef MW_ENGINE_HTTP_CONN_CONN_H
#define MW_ENGINE_HTTP_CONN_CONN_H

#include "engine/http/conn/engine.h"
#include "engine/http/limits/keepalive.h"
#include "engine/http/conn/session.h"
#include "engine/http/conn/tls.h"
#include "engine/http/conn/timeouts.h"
#include "rpc/peer.h"

struct mw_http_conn {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  struct mw_http_engine *engine;
  int fd;                  /* libuv's */
  struct mw_list link;     /* in engine->conns */
  struct mw_list dirty;    /* in engine->turn.to_flush */
  struct mw_run_lane lane; /* of its calls */
  int64_t arrived;         /* mw_clock_mono() arrival time of the newest read, estimated (arrival.h) */
  struct mw_http_session session;
  struct mw_http_tls *tls; /* between socket and session; NULL for plain text */
  uv_write_t write;
  uint8_t *unsent; /* owned; the bytes of the write under way; NULL for none */
  uv_shutdown_t shutdown;
  struct mw_timer *linger; /* limit for the client to close its side; NULL unless lingering */
  struct mw_http_timeouts timeouts;
  struct mw_http_keepalive keepalive;
  bool closed;
  bool counted;  /* in *engine->open_conns */
  unsigned refs; /* one for the open handle, one for each call */
  char peer[MW_PEER_MAX];
};

/* Makes a connection without a socket and a session. Returns NULL without memory. */
struct mw_http_conn *mw_http_conn_new(struct mw_http_engine *engine);

/* Schedules a write of the session's pending output at the end of the turn. */
static inline void mw_http_conn_mark(struct mw_http_conn *conn) {
  if (!conn->closed) mw_http_turn_add(&conn->engine->turn.to_flush, &conn->dirty);
}

/* Releases a call's reference. */
void mw_http_conn_unref(struct mw_http_conn *conn);

#endif
