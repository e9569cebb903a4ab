/* Outbound calls.
 *
 * Core resets a stream that it cancels even when the stream's headers were not written, and the peer then ends the
 * connection: RST_STREAM of an idle stream is an error of the connection (RFC 9113, section 5.1). So a cancel waits until
 * the headers are out, and core is given no deadline: a timer here ends the call.
 *
 * What was asked for within one round of events (headers, a message, the half-close) is started
 * together at its end, and so leaves in one write. */
#ifndef MW_ENGINE_CORE_CLIENT_CALL_H
#define MW_ENGINE_CORE_CLIENT_CALL_H

#include "engine/core/channel.h"
#include "engine/core/outbox.h"

struct mw_client_call {
  struct mw_core_engine *engine; /* NULL once that was closed */
  struct mw_channel *channel;    /* NULL once that was closed */
  struct mw_list link;           /* in engine->client_calls */
  struct mw_core_dirty dirty;
  const struct mw_client_events *events;
  void *user;

  grpc_call *grpc;
  struct mw_arena arena;
  struct mw_core_tag got_headers, received, got_status, sent, parked_due;
  unsigned pending; /* batches that core works on, and our own frames that still use the call */

  struct mw_metadata request;
  const char *encoding;
  uint32_t flags;
  bool single;      /* the request is one message */
  struct mw_timer *deadline; /* NULL for none, and once it has passed */
  int64_t due;               /* mw_clock_real() of the deadline, or MW_NEVER */
  struct mw_timer *held;     /* while a cancel waits for the headers to be out */
  struct mw_core_outbox outbox;
  grpc_slice reserved;
  bool has_reserved;

  grpc_metadata_array headers, trailers;
  grpc_status_code code;
  grpc_slice details;
  grpc_byte_buffer *incoming; /* where core puts a message */
  grpc_byte_buffer *parked;   /* arrived, not asked for yet */
  size_t max_receive_bytes;
  const char *encoding_seen; /* how the newest message was compressed */

  bool started;     /* core has the headers */
  bool out;         /* the first batch has left: the headers, and a first message that went with them */
  bool first_ended; /* it has left, or failed */
  bool with_message; /* it has a message */
  bool sending;     /* a batch of send operations is under way */
  bool stalled;     /* send() has said to wait */
  bool want_close, sent_close;
  bool want_read;   /* the caller waits for a message */
  bool receiving;   /* a batch to receive one is under way */
  bool ended;       /* there are no more messages */
  bool has_headers, has_status;
  bool expired;     /* its deadline had passed when it was made */
  bool done;        /* the caller knows the end */
  bool released;    /* the caller has gone */
};

int mw_core_client_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                              const struct mw_client_events *events, void *user, struct mw_client_call **out,
                              struct mw_err *err);
uint8_t *mw_core_client_call_reserve(struct mw_client_call *call, size_t size);
bool mw_core_client_call_send(struct mw_client_call *call);
bool mw_core_client_call_over(const struct mw_client_call *call);
void mw_core_client_call_half_close(struct mw_client_call *call);
void mw_core_client_call_read(struct mw_client_call *call);
struct mw_client_fate mw_core_client_call_fate(const struct mw_client_call *call);
void mw_core_client_call_cancel(struct mw_client_call *call);
void mw_core_client_call_release(struct mw_client_call *call);

/* The engine closes: tells the caller nothing any more, and ends the call. */
void mw_core_client_call_detach(struct mw_client_call *call);

#endif
