/* A call that the server was asked for, has, or keeps in its pool: the operations behind rpc/call.h.
 *
 * Life: requested (core fills it when a call comes in), live (the handler has it), finished (its final batch is under
 * way), back to the pool once core has answered every batch.
 *
 * Events that make a handler run (a request, a message, the request's end, room to send) are noted, and wait for the
 * call's turn in the dispatch's run queue (rpc/run_queue.h).
 *
 * Batches: one to receive, one at most to send, one that waits for the call's end. The last is started only when a
 * handler waits or streams: a call that is answered from within its only event has it in its final batch, together with
 * headers, message and status, which leave in one write. */
#ifndef MW_ENGINE_CORE_CALL_H
#define MW_ENGINE_CORE_CALL_H

#include "engine/core/engine.h"
#include "engine/core/outbox.h"

struct mw_core_call {
  struct mw_call call;
  struct mw_core_engine *engine;
  struct mw_list link; /* in server.calls or server.pool */
  struct mw_core_dirty dirty;
  struct mw_run_item item; /* while it is queued, it counts in `pending` */
  struct mw_run_lane *lane;

  grpc_call *grpc; /* NULL until a call came in */
  grpc_call_details details;
  grpc_metadata_array metadata;

  struct mw_core_tag requested, received, closed, passed, sent, answered;
  unsigned pending;           /* batches that core works on, and our own frames that still use the call */
  grpc_byte_buffer *incoming; /* where core puts a message */
  grpc_byte_buffer *held;     /* a message that waits for its turn; the only one of a request, until that is certain */
  const char *encoding;       /* how the client compresses; the answer is compressed likewise */
  int cancelled;              /* where core says that the call did not end well */

  struct mw_core_outbox outbox; /* messages to send */
  size_t leaving;               /* bytes of the message in the batch that is under way */
  struct mw_backlog_share share; /* of the connection's backlog, once there was a large message */
  grpc_slice reserved;
  bool has_reserved;
  bool begun;         /* the dispatch has had it */
  bool ready;         /* `held` is for the handler */
  bool ended;         /* the end of the request is, after that */
  uint32_t departed;  /* messages that have left, and the handler waits for that */
  bool want_headers;  /* to be sent before the first message */
  bool sent_headers;  /* given to core */
  bool sending;       /* a batch of send operations is under way */
  bool sent_message;  /* it has a message */
  bool watched;       /* the close batch was started */
  bool finishing;     /* the handler has finished; `status` is to be sent after the outbox */
  bool judged;        /* `status` is the engine's verdict, whatever the handler says */
  bool gone;          /* the client cannot be reached any more */
  bool unsure;        /* the request ended by trailers, or the client has gone */
  struct mw_timer *verdict; /* runs while that is open; counted in `pending` */
  bool detached;      /* the engine closes: no more events to the handler */
  struct mw_status status; /* in the arena */
};

struct mw_core_call *mw_core_call_new(struct mw_core_engine *engine);
void mw_core_call_free(struct mw_core_call *core);

/* It may have to wait longer for its turn: from now on a reset is noticed. */
void mw_core_call_await(struct mw_core_call *core);

/* The engine closes: the handler is told nothing any more, the client is cut off. */
void mw_core_call_detach(struct mw_core_call *core);

#endif
