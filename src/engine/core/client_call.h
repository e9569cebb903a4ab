/* Outbound calls.
 *
 * If core cancels a stream whose headers are not written yet, it still sends RST_STREAM, and the peer ends the
 * connection: RST_STREAM of an idle stream is a connection error (RFC 9113, section 5.1). So a cancel waits until the
 * headers are written. For the same reason core gets no deadline; a timer here ends the call.
 *
 * Operations of one round of events (headers, a message, the half-close) start together at its end and leave in one
 * write. */
#ifndef MW_ENGINE_CORE_CLIENT_CALL_H
#define MW_ENGINE_CORE_CLIENT_CALL_H

#include "engine/core/channel.h"
#include "engine/core/outbox.h"

/* The first batch has the headers, and a first message that goes with them. */
enum mw_core_first_batch { MW_CORE_FIRST_DUE, MW_CORE_FIRST_STARTED, MW_CORE_FIRST_SENT, MW_CORE_FIRST_FAILED };

enum mw_core_half_close { MW_CORE_REQUEST_OPEN, MW_CORE_HALF_CLOSE_DUE, MW_CORE_HALF_CLOSED };

struct mw_client_call {
  struct mw_core_engine *engine; /* NULL once the call is settled: core is done with it */
  struct mw_channel *channel;    /* NULL once it is closed */
  bool tls;                      /* the channel's */
  struct mw_list link;           /* in engine->client_calls */
  struct mw_core_dirty dirty;
  const struct mw_client_events *events;
  void *user;

  grpc_call *grpc;
  struct mw_arena arena;
  struct mw_core_tag got_headers, received, got_status, sent, parked_due;
  unsigned pending; /* batches under way, plus functions on the stack that still use the call */

  struct mw_metadata request;
  const char *encoding;
  uint32_t flags;
  bool single;               /* the request is one message */
  struct mw_timer *deadline; /* NULL without one, and once it has passed */
  int64_t due;               /* mw_clock_real() of the deadline, or MW_NEVER */
  struct mw_timer *held;     /* set while a cancel waits for the headers to be written */
  struct mw_core_outbox outbox;
  grpc_slice reserved;
  bool has_reserved;

  grpc_metadata_array headers, trailers;
  grpc_status_code code;
  grpc_slice details;
  grpc_byte_buffer *incoming; /* core's output: a message */
  grpc_byte_buffer *parked;   /* a message that the caller has not read yet */
  size_t max_receive_bytes;
  const char *encoding_seen; /* encoding of the newest message */

  enum mw_core_first_batch first;
  bool with_message; /* the first batch has a message */
  enum mw_core_half_close half_close;
  bool sending;   /* a batch of send operations is under way */
  bool stalled;   /* send() has returned false: `writable` is due */
  bool want_read; /* the caller waits for a message */
  bool receiving; /* a batch to receive a message is under way */
  bool ended;     /* no more messages follow */
  bool has_headers, has_status;
  bool expired;  /* the deadline had passed when the call was made */
  bool done;     /* `done` was reported to the caller */
  bool released; /* the caller has released the call */
};

int mw_core_client_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                              const struct mw_client_events *events, void *user, struct mw_client_call **out,
                              struct mw_err *err);
uint8_t *mw_core_client_call_reserve(struct mw_client_call *call, size_t size);
bool mw_core_client_call_send(struct mw_client_call *call);
bool mw_core_client_call_over(const struct mw_client_call *call);
void mw_core_client_call_half_close(struct mw_client_call *call);
void mw_core_client_call_read(struct mw_client_call *call);
struct mw_client_failure mw_core_client_call_fate(const struct mw_client_call *call);
void mw_core_client_call_cancel(struct mw_client_call *call);
void mw_core_client_call_release(struct mw_client_call *call);

/* The engine closes: cancels the call without an event for the caller. */
void mw_core_client_call_detach(struct mw_client_call *call);

#endif
