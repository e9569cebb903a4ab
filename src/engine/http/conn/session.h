/* HTTP/2 on a connection: frames and streams, by nghttp2. call.h gives streams their meaning.
 *
 * Without TLS the server's SETTINGS wait for the client's preface, so that an HTTP/1 client gets a response that it can
 * read. With TLS, ALPN has negotiated HTTP/2.
 *
 * A stream error ends that stream alone, also where nghttp2 would end the connection (frames.h). For that the session
 * feeds nghttp2 an RST_STREAM as if from the client; nghttp2 closes the stream and ignores its later frames.
 *
 * Callbacks of nghttp2 only record events, in the call or here: they run no handler and free nothing.
 *
 * Flow control: the session returns credit for the connection's window as bytes arrive, and for a stream's window as
 * its call reads. So an unread stream stalls only itself and holds at most its window. A stream's window begins small
 * and grows while its call reads; a message larger than the window needs receive quota (quota.h). So the bytes that all
 * streams of a connection hold are bounded. */
#ifndef MW_ENGINE_HTTP_CONN_SESSION_H
#define MW_ENGINE_HTTP_CONN_SESSION_H

#include "base/slice.h"
#include "engine/http/conn/engine.h"
#include "engine/http/h2/frames.h"
#include "engine/http/limits/quota.h"
#include "rpc/backlog.h"

enum {
  MW_HTTP_STREAM_WINDOW = 64 * 1024, /* of a new stream */
  MW_HTTP_STREAM_WINDOW_MAX = 1024 * 1024,
  MW_HTTP_GROWTH_MAX = 4 * 1024 * 1024, /* total growth of the stream windows of a connection */
  MW_HTTP_CONN_WINDOW = 1024 * 1024,
};

struct mw_http_session {
  nghttp2_session *ng;         /* NULL once the connection is lost */
  struct mw_list calls;        /* struct mw_http_call.link: calls that are not recycled yet */
  struct mw_http_call *latest; /* cache: the call of the newest callback, while it has a stream; NULL for none */
  struct mw_http_frames frames;
  struct mw_http_quota quota;
  struct mw_send_backlog backlog;
  size_t grown;          /* bytes by which stream windows have grown */
  unsigned open;         /* calls that have a stream */
  int32_t reset_on_open; /* stream to reset when it opens; 0 for none */
  bool injecting;        /* nghttp2 reads an RST_STREAM that close_stream() made */
  uint32_t own_resets;   /* RST_STREAMs that reset() has queued and nghttp2 has not sent */
  bool preface_sent;     /* SETTINGS, or the response to HTTP/1, are sent */
  uint8_t first_byte;    /* first byte of the connection */
  bool http1;            /* the client speaks HTTP/1 and gets a response in it */
  bool failed;           /* a GOAWAY with an error is queued; nothing more is received */
  bool logged;           /* the disconnect reason is logged */
  bool draining;         /* the first GOAWAY is queued */
  bool goaway_due;       /* the final GOAWAY is due */
  bool goaway_sent;      /* the final GOAWAY is queued */
};

/* Makes the callbacks and options that all sessions of an engine share. Returns 0 or MW_ENOMEM; in both cases the
 * caller deletes those that are not NULL. */
int mw_http_session_setup(nghttp2_session_callbacks **callbacks, nghttp2_option **option);

/* `session` is embedded in a struct mw_http_conn of `engine`; its `calls` is an empty list. Returns 0 or MW_ENOMEM. */
int mw_http_session_init(struct mw_http_session *session, struct mw_http_engine *engine);

/* Processes bytes from the client. Borrows them until the calls that this makes ready have run, or until
 * mw_http_session_keep_data(). Returns false when the connection must be closed. */
bool mw_http_session_receive(struct mw_http_session *session, struct mw_slice bytes);

/* Copies the received bytes that calls which have not run still borrow. */
void mw_http_session_keep_data(struct mw_http_session *session);

/* Adds pending output to the batch. Sets `more` if the batch was full before all of it was added. Returns false when
 * the connection must be closed. */
bool mw_http_session_pull(struct mw_http_session *session, struct mw_http_batch *batch, bool *more);

/* Returns true once there is nothing more to receive or to send. */
bool mw_http_session_is_done(const struct mw_http_session *session);

/* Sends GOAWAY with the greatest stream id, then a PING; after its answer, the final GOAWAY (RFC 9113, 6.8). */
void mw_http_session_drain(struct mw_http_session *session);

/* Sends the final GOAWAY, with the id of the last stream that was accepted, at the next pull. */
void mw_http_session_goaway(struct mw_http_session *session);

/* Ends the connection for a fault of the client: logs `reason` and queues a GOAWAY with `error`. Nothing more is
 * received. */
void mw_http_session_fail(struct mw_http_session *session, uint32_t error, enum mw_http_reason reason);

/* Logs the disconnect reason, once for the connection; `detail` may be NULL. */
void mw_http_session_log(struct mw_http_session *session, enum mw_http_reason reason, const char *detail);

/* The connection is closed: ends every stream and makes its call ready to be cancelled. */
void mw_http_session_lose(struct mw_http_session *session);

/* The engine closes: ends every stream and drops its call without an event. */
void mw_http_session_abandon(struct mw_http_session *session);

#endif
