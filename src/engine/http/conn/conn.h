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
  struct mw_list dirty;    /* in engine->turn.dirty */
  struct mw_run_lane lane; /* of its calls */
  int64_t arrived;         /* mw_clock_mono() arrival time of the newest read, estimated (arrival.h) */
  struct mw_http_session session;
  struct mw_http_tls *tls; /* between socket and session; NULL for plain text */
  uv_write_t write;
  uint8_t *unsent; /* owned; the bytes of the write under way; NULL for none */
  uv_shutdown_t shutdown;
  struct mw_timer *linger; /* limit for the client to close its side; NULL unless lingering */
  struct mw_http_watch watch;
  struct mw_http_keepalive keepalive;
  bool closed;
  bool counted;  /* in *engine->open_conns */
  unsigned refs; /* one for the open handle, one for each call */
  char peer[MW_PEER_MAX];
};

/* Makes a connection without a socket and a session. Returns NULL without memory. */
struct mw_http_conn *mw_http_conn_new(struct mw_http_engine *engine);

/* Makes a connection for an accepted socket, which it takes. Returns false without memory, and then leaves the socket
 * to the caller. */
bool mw_http_conn_accept(struct mw_http_engine *engine, int fd, const struct sockaddr_storage *peer, socklen_t size);

/* Schedules a write of the session's pending output at the end of the turn. */
static inline void mw_http_conn_mark(struct mw_http_conn *conn) {
  if (!conn->closed) mw_http_turn_add(&conn->engine->turn.dirty, &conn->dirty);
}

/* Writes the session's pending output, as much as the socket takes. Closes the connection once the session is done. */
void mw_http_conn_flush(struct mw_http_conn *conn);

/* Starts a graceful shutdown: two GOAWAYs, see mw_http_session_drain(). */
void mw_http_conn_drain(struct mw_http_conn *conn);

/* Sends the final GOAWAY; live streams go on, new ones are ignored. */
void mw_http_conn_end(struct mw_http_conn *conn);

/* Closes the connection at once and cancels its live calls. */
void mw_http_conn_close(struct mw_http_conn *conn);

/* Closes the connection and cancels its live calls. Written bytes still go out, and the connection lingers. */
void mw_http_conn_say_goodbye(struct mw_http_conn *conn);

/* Closes the connection and drops its calls without an event, because the engine closes. */
void mw_http_conn_abandon(struct mw_http_conn *conn);

/* Releases a call's reference. */
void mw_http_conn_unref(struct mw_http_conn *conn);

#endif
