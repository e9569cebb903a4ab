/* A call of the server. Implements the operations of rpc/engine.h.
 *
 * Life: requested (core fills it in when a call arrives), live (the handler has it), finished (its final batch is under
 * way), then back to the pool once core has completed all batches.
 *
 * Events that make a handler run (a request, a message, the end of the request, room to send) are recorded and wait for
 * the call's turn in the dispatch's run queue (rpc/run_queue.h).
 *
 * Batches: one to receive, at most one to send, and one that waits for the call's end. That one is started only if the
 * handler waits or streams. A call that is answered within its only event has it in its final batch, together with
 * headers, message and status, which leave in one write.
 *
 * call.c requests and receives, reply.c sends, call_life.c has what both use. */
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

  grpc_call *grpc; /* NULL until a call arrives */
  grpc_call_details details;
  grpc_metadata_array metadata;

  struct mw_core_tag requested, received, closed, passed, sent, answered;
  unsigned pending;           /* batches under way, plus functions on the stack that still use the call */
  grpc_byte_buffer *incoming; /* core's output: a message */
  grpc_byte_buffer *held;     /* undelivered message; if the method takes one, held until no second can follow */
  const char *encoding;       /* encoding of the client's messages, and by default of the replies */
  int cancelled;              /* core's output: not 0 if the call did not end normally */

  struct mw_core_outbox outbox;       /* unsent messages */
  size_t sending_bytes;               /* bytes of the message in the batch under way */
  struct mw_send_backlog_share share; /* share in the connection's backlog, from the first large message on */
  grpc_slice reserved;
  bool has_reserved;
  bool begun;                 /* passed to the dispatch */
  bool ready;                 /* `held` can be delivered */
  bool ended;                 /* the request ends after `held` */
  uint32_t unreported;        /* sent messages that are not reported to the handler yet */
  bool want_headers;          /* send headers before the first message */
  bool sent_headers;          /* headers are passed to core */
  bool sending;               /* a batch of send operations is under way */
  bool sent_message;          /* that batch has a message */
  bool watched;               /* the close batch is started */
  bool finishing;             /* the handler has finished; `status` follows the outbox */
  bool disconnected;          /* the client cannot be reached any more */
  bool end_unsure;            /* the request was ended by trailers, or the client has gone */
  struct mw_timer *end_check; /* runs until `end_unsure` is decided; counts in `pending` */
  bool detached;              /* the engine closes: no more events to the handler */
  struct mw_status status;    /* in the arena */
};

/* Requests one more call from core. */
void mw_core_call_request(struct mw_core_engine *engine);

/* Frees a call of the pool. */
void mw_core_call_free(struct mw_core_call *core);

/* Starts the close batch of a call that waits in the run queue, so that a cancel of the client is detected. */
void mw_core_call_await(struct mw_core_call *core);

/* The engine closes: cancels the call without an event for its handler. */
void mw_core_call_detach(struct mw_core_call *core);

#endif
