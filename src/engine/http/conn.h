/* A connection: bytes from the socket to the session, and back in one gathered write a turn.
 *
 * Life: accepted; then at some time closed, by whatever ends it first (the client, an error, a session that is done).
 * Closing it ends its streams at once and frees the session; the rest stays until libuv has closed the handle and the
 * last call that it had is over. One that the server ends lingers: a socket that is closed with bytes unread is reset,
 * and that can take the last words from the client before it has read them. So what comes is dropped, until the client
 * closes its side or a second is over.
 *
 * Nothing is taken from the session while the socket does not take what was written before: so what a client does not
 * read stays with the calls, where it is bounded. */
#ifndef MW_ENGINE_HTTP_CONN_H
#define MW_ENGINE_HTTP_CONN_H

#include "engine/http/engine.h"
#include "engine/http/keepalive.h"
#include "engine/http/session.h"
#include "engine/http/tls.h"
#include "engine/http/watch.h"
#include "rpc/peer.h"

struct mw_http_conn {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  struct mw_http_engine *engine;
  int fd;               /* libuv's */
  struct mw_list link;  /* in engine->conns */
  struct mw_list dirty; /* in engine->turn.dirty */
  struct mw_run_lane lane; /* of its calls */
  int64_t arrived;      /* mw_clock_mono() when the bytes of this read came, as near as can be known */
  struct mw_http_session session;
  struct mw_http_tls *tls; /* between socket and session; NULL for plain text */
  uv_write_t write;
  uint8_t *unsent;      /* what the write under way has; owned; NULL for none */
  uv_shutdown_t shutdown;
  struct mw_timer *linger; /* until the client has closed its side, too; NULL when that is not waited for */
  struct mw_http_watch watch;
  struct mw_http_keepalive keepalive;
  bool closed;
  bool counted;         /* in *engine->open_conns */
  unsigned refs;        /* the open handle, and each call */
  char peer[MW_PEER_MAX];
};

/* A connection that has neither a socket nor a session yet. Returns NULL without memory. */
struct mw_http_conn *mw_http_conn_new(struct mw_http_engine *engine);

/* Takes the accepted socket. Returns false, with nothing done, without memory. */
bool mw_http_conn_accept(struct mw_http_engine *engine, int fd, const struct sockaddr_storage *peer, socklen_t size);

/* Has what the session wants to say written at the end of the turn. */
static inline void mw_http_conn_mark(struct mw_http_conn *conn) {
  if (!conn->closed) mw_http_turn_add(&conn->engine->turn.dirty, &conn->dirty);
}

/* Writes what the session wants to say, as much as the socket takes; closes the connection when all is said. */
void mw_http_conn_flush(struct mw_http_conn *conn);

/* Takes no new streams, in two steps; and in one, as the last thing that is done. */
void mw_http_conn_drain(struct mw_http_conn *conn);
void mw_http_conn_end(struct mw_http_conn *conn);

/* Closes it; calls that are live are told that they are cancelled. */
void mw_http_conn_close(struct mw_http_conn *conn);

/* The same, but what was written still goes, and the client gets the time to read it. */
void mw_http_conn_say_goodbye(struct mw_http_conn *conn);

/* Closes it, and its calls are told nothing: the engine closes. */
void mw_http_conn_abandon(struct mw_http_conn *conn);

/* A call that had a reference is over. */
void mw_http_conn_unref(struct mw_http_conn *conn);

#endif
