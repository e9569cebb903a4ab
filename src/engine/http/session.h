/* HTTP/2 on a connection: frames and streams, by nghttp2. What a stream means is the call's business (call.h).
 *
 * Without TLS, which has negotiated HTTP/2, SETTINGS wait for the client's preface: a client of HTTP/1 gets an answer that it
 * can read instead.
 *
 * A mistake that concerns one stream ends that stream alone, also where nghttp2 would end the connection (frames.h): then
 * nghttp2 is given an RST_STREAM in the client's name, closes the stream, and ignores what follows for it.
 *
 * Callbacks of nghttp2 only take notes, in the call or here: no handler runs in them, and nothing is freed.
 *
 * Windows: the connection's is given back as bytes are taken off the wire, a stream's as its call reads: so a stream
 * that nobody reads holds up itself alone, and holds no more than its window. That begins small and grows as it is read,
 * and a message larger than it needs a loan (loan.h): so what the streams of a connection hold together is bounded, too. */
#ifndef MW_ENGINE_HTTP_SESSION_H
#define MW_ENGINE_HTTP_SESSION_H

#include "base/slice.h"
#include "engine/http/engine.h"
#include "engine/http/frames.h"
#include "engine/http/loan.h"
#include "rpc/backlog.h"

enum {
  MW_HTTP_STREAM_WINDOW = 64 * 1024,      /* of a new stream; it grows as it is read */
  MW_HTTP_STREAM_WINDOW_MAX = 1024 * 1024,
  MW_HTTP_GROWTH_MAX = 4 * 1024 * 1024,   /* of all streams of a connection together */
  MW_HTTP_CONN_WINDOW = 1024 * 1024,
};

struct mw_http_session {
  nghttp2_session *ng;  /* NULL once the connection is lost */
  struct mw_list calls; /* struct mw_http_call.link: all that have a stream */
  struct mw_http_call *latest; /* that a callback was about, while it has a stream; NULL for none */
  struct mw_http_frames frames;
  struct mw_http_lender lender;
  struct mw_backlog backlog;
  size_t grown;         /* bytes by which windows of streams have grown */
  unsigned open;        /* calls that have a stream */
  int32_t condemned;    /* stream to reset when it opens; 0 for none */
  bool closing;         /* nghttp2 reads an RST_STREAM of our making */
  uint32_t own_resets;  /* by reset(), to be sent */
  bool greeted;         /* SETTINGS are sent, or the answer to HTTP/1 */
  uint8_t first;        /* byte that the client sent */
  bool http1;           /* the client speaks HTTP/1: it gets an answer in that */
  bool failed;          /* by the client's fault: a GOAWAY is queued that says so, nothing more is received */
  bool told;            /* of why, in the log */
  bool draining;        /* the first GOAWAY is queued */
  bool ending;          /* the last one is due */
  bool ended;           /* and is queued */
};

/* What all sessions of an engine share. Returns 0 or MW_ENOMEM; the caller deletes what was made in any case. */
int mw_http_session_setup(nghttp2_session_callbacks **callbacks, nghttp2_option **option);

/* Embedded in a struct mw_http_conn of `engine`; `calls` is empty. Returns 0 or MW_ENOMEM. */
int mw_http_session_init(struct mw_http_session *session, struct mw_http_engine *engine);

/* Takes bytes off the wire; they are borrowed until the calls that this makes ready have run, or keep_data(). Returns false when the
 * connection must be closed. */
bool mw_http_session_receive(struct mw_http_session *session, struct mw_slice bytes);

/* Copies what the calls that have not run borrow. */
void mw_http_session_keep_data(struct mw_http_session *session);

/* Adds to the batch what is to be sent, until it is full: `more` tells. Returns false when the connection must be
 * closed. */
bool mw_http_session_pull(struct mw_http_session *session, struct mw_http_batch *batch, bool *more);

/* Whether there is nothing more to receive or to send. */
bool mw_http_session_is_done(const struct mw_http_session *session);

/* Says that no new streams are taken, and when the client must know it (a PING later), which was the last. */
void mw_http_session_drain(struct mw_http_session *session);

/* Says which stream was the last, with the next bytes that are pulled. */
void mw_http_session_goaway(struct mw_http_session *session);

/* Ends the connection for what the client did: with a GOAWAY, as far as it can still be written. Nothing more is
 * received. */
void mw_http_session_fail(struct mw_http_session *session, uint32_t error, enum mw_http_ending ending);

/* Tells in the log, once, why the connection ends; `detail` may be NULL. */
void mw_http_session_tell(struct mw_http_session *session, enum mw_http_ending ending, const char *detail);

/* The connection is gone: every stream ends, and its call is ready to hear of it. */
void mw_http_session_lose(struct mw_http_session *session);

/* The same, and the calls are dropped. */
void mw_http_session_abandon(struct mw_http_session *session);

#endif
