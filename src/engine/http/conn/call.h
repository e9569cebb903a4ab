/* A stream that is a gRPC call. Implements the operations of rpc/engine.h.
 *
 * Life: see enum mw_http_request_phase. It ends in two steps, in
 * either order: the handler finishes, and the stream is closed (normally, by a reset, or with the connection). Then the
 * call goes back to the pool.
 *
 * nghttp2's callbacks record events in the call and make it ready. Its item in the run queue acts on them: only there
 * do handlers get messages, the end of the request, and the loss of the stream. The deadline's timer is the exception;
 * it cancels at once.
 *
 * call.c holds the life and receives; reply.c sends. */
#ifndef MW_ENGINE_HTTP_CONN_CALL_H
#define MW_ENGINE_HTTP_CONN_CALL_H

#include "engine/http/conn/conn.h"
#include "engine/http/limits/quota.h"
#include "engine/http/h2/reader.h"
#include "engine/http/h2/outbox.h"
#include "engine/http/h2/request.h"
#include "engine/http/limits/stall.h"

enum mw_http_request_phase {
  MW_HTTP_REQUEST_OPEN,     /* its headers arrive */
  MW_HTTP_REQUEST_COMPLETE, /* all headers have arrived; the call waits in the run queue */
  MW_HTTP_REQUEST_BEGUN     /* its handler has it, or it was refused */
};

enum mw_http_headers_phase { MW_HTTP_HEADERS_NONE, MW_HTTP_HEADERS_SUBMITTED /* to nghttp2 */, MW_HTTP_HEADERS_SENT };

struct mw_http_call {
  struct mw_call call;
  struct mw_http_conn *conn; /* referenced; its session has no `ng` when the connection is lost */
  struct mw_list link;       /* in session.calls or engine.pool */
  struct mw_run_item item;   /* in the lane of its connection; its link may be in turn.over */
  struct mw_list answered;   /* in turn.answered */
  int32_t stream;
  uint64_t opened; /* uv_now() when the stream opened */

  struct mw_http_request request;
  struct mw_http_reader reader;
  struct mw_timer *timer; /* the deadline's; NULL when none runs */

  struct mw_http_remote *remote; /* set if the call runs on another worker; a reference */

  struct mw_http_outbox outbox;
  enum mw_compression compression;            /* of what is sent */
  struct mw_status status;                    /* to send; in the arena */
  struct mw_send_backlog_share backlog_share; /* share in the connection's backlog: counts the outbox and `promised` */
  size_t promised;     /* bytes reserved for the next message of the executing worker, see remote.h */
  uint32_t unreported; /* messages that have left the outbox and are not reported to the handler yet */

  struct mw_http_reservation reservation; /* for the message that is arriving */
  size_t window;                          /* of the stream */
  size_t consumed;                        /* bytes of credit since the window last grew */
  uint64_t data_bytes;                    /* bytes of DATA */
  struct mw_http_stall input, output;
  uint64_t input_messages; /* messages received at the last check of `input` */

  /* Receiving. */
  enum mw_http_request_phase phase;
  bool second_message; /* more bytes follow the request's only message, which was taken from the reader */
  bool running;        /* the call's item runs */
  bool lost;           /* the stream is closed */
  bool compressed;     /* a message of the client was compressed; so replies are by default */

  /* Sending. */
  enum mw_http_headers_phase headers;
  bool response_done; /* all of the response is sent; a long rest of the request resets the stream */
  bool deferred;      /* nghttp2 waits for nghttp2_session_resume_data() */
  bool finishing;     /* `status` follows the outbox */
};

/* A stream opens. Returns NULL without memory. */
struct mw_http_call *mw_http_call_open(struct mw_http_conn *conn, int32_t stream);

/* DATA arrives. Borrows the bytes until the call has run. Returns false without memory. */
bool mw_http_call_take_data(struct mw_http_call *call, struct mw_slice bytes);

/* A HEADERS or DATA frame is complete; `end`: with END_STREAM. */
void mw_http_call_take_frame(struct mw_http_call *call, bool end);

/* The stream is closed. */
void mw_http_call_lose_stream(struct mw_http_call *call);

/* Copies the bytes that a call which has not run has borrowed by mw_http_call_take_data(). */
void mw_http_call_keep_data(struct mw_http_call *call);

/* Returns a call that is over to the pool, or frees it. */
void mw_http_call_recycle(struct mw_http_call *call);

/* Ends the call if the client stalls it for too long. `now` is the time of timeouts.h. */
void mw_http_call_check_stall(struct mw_http_call *call, uint64_t now);

/* Starts the deadline's timer of a finished call whose response has not left within the turn. */
void mw_http_call_watch_response(struct mw_http_call *call);

/* Drops the call without an event for its handler, because the engine closes. */
void mw_http_call_abandon(struct mw_http_call *call);

/* Frees the pool. */
void mw_http_calls_free(struct mw_http_engine *engine);

/* Updates the backlog after a change of the outbox or of `promised`. */
static inline void mw_http_call_count(struct mw_http_call *call) {
  mw_send_backlog_count(&call->backlog_share, call->outbox.held + call->promised);
}

/* Returns true once the call can be recycled. */
static inline bool mw_http_call_is_over(const struct mw_http_call *c) {
  return c->lost && (c->phase != MW_HTTP_REQUEST_BEGUN || c->call.finished);
}

#endif
