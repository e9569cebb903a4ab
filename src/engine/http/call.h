/* A stream that is a gRPC call: the operations behind rpc/call.h.
 *
 * Life: open (its headers are coming in), begun (judged; the handler has it, or it was refused), finished (by the
 * handler) and without a stream (answered, reset, connection lost), in whatever order: then it goes back to the pool.
 *
 * nghttp2's callbacks take notes and make the call ready; its item in the run queue acts on them, and is the only place where
 * a handler hears of messages, of the end and of lost streams. The exception is the deadline's timer, which cancels.
 *
 * call.c has the life and receives, reply.c sends. */
#ifndef MW_ENGINE_HTTP_CALL_H
#define MW_ENGINE_HTTP_CALL_H

#include "engine/http/conn.h"
#include "engine/http/loan.h"
#include "engine/http/message.h"
#include "engine/http/outbox.h"
#include "engine/http/request.h"
#include "engine/http/watch.h"

struct mw_http_call {
  struct mw_call call;
  struct mw_http_conn *conn; /* referenced; its session has no `ng` when the connection is lost */
  struct mw_list link;       /* in session.calls or engine.pool */
  struct mw_run_item item;   /* in the lane of its connection, or turn.over */
  int32_t stream;
  uint64_t opened;           /* uv_now() then */

  struct mw_http_request request;
  struct mw_http_reader reader;
  struct mw_timer *timer; /* the deadline's; NULL when none runs */

  struct mw_http_remote *remote; /* when it runs on another worker; a reference */

  struct mw_http_outbox outbox;
  enum mw_compression compression; /* of what is sent */
  struct mw_status status;         /* of a finishing call, or the engine's verdict; in the arena */
  struct mw_backlog_share share;   /* of the connection's backlog: counts the outbox and `promised` */
  size_t promised;                 /* bytes of a message that the guest is about to send */
  uint32_t departed;               /* messages that have left the outbox, and the handler does not know it */

  struct mw_http_loan loan;      /* for the message that is coming */
  size_t window;                 /* of the stream */
  size_t consumed;               /* since that has grown */
  uint64_t taken;                /* bytes of DATA */
  struct mw_http_stand input, output;
  uint64_t input_messages;       /* that had come when `input` was */

  /* Receiving. */
  bool complete; /* the headers are all in */
  bool begun;
  bool wanted;   /* the handler waits for a message or the end */
  bool surplus;  /* more bytes follow the request's only message, which was taken */
  bool running;  /* within mw_http_call_run() */
  bool lost;     /* there is no stream any more */
  bool judged;   /* `status` is the engine's verdict, whatever the handler says */
  bool compressed; /* a message of the client was, so that answers are */

  /* Sending. */
  bool answered;  /* nghttp2 has the headers */
  bool spoken;    /* and has sent them */
  bool unwanted;  /* all of the answer has gone; the request is stopped when a lot more of it comes */
  bool deferred;  /* nghttp2 waits to be told of more data */
  bool finishing; /* `status` is to be sent after the outbox */
};

/* A stream opens. Returns NULL without memory. */
struct mw_http_call *mw_http_call_open(struct mw_http_conn *conn, int32_t stream);

/* DATA of the stream, borrowed until the call has run. Returns false without memory. */
bool mw_http_call_take_data(struct mw_http_call *call, struct mw_slice bytes);

/* A frame of HEADERS or DATA is complete; `end` says that it was the client's last. */
void mw_http_call_take_frame(struct mw_http_call *call, bool end);

/* There is no stream any more. */
void mw_http_call_lose_stream(struct mw_http_call *call);

/* Copies what was borrowed by mw_http_call_take_data(), of a call that has not run. */
void mw_http_call_keep_data(struct mw_http_call *call);

/* Lets go of a call in turn.over. */
void mw_http_call_recycle(struct mw_http_call *call);

/* Ends the call if the client keeps it waiting for too long (watch.h, whose time `now` is). */
void mw_http_call_look(struct mw_http_call *call, uint64_t now);

/* Drops the call, whose connection is no more; the handler is told nothing. */
void mw_http_call_abandon(struct mw_http_call *call);

/* Frees the pool. */
void mw_http_calls_free(struct mw_http_engine *engine);

/* The outbox has changed, or what is promised. */
static inline void mw_http_call_count(struct mw_http_call *call) {
  mw_backlog_count(&call->share, call->outbox.held + call->promised);
}

/* For reply.c: has the call run soon. */
void mw_http_call_make_ready(struct mw_http_call *call);

#endif
