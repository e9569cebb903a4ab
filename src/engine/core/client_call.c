#include "engine/core/client_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/batch.h"
#include "engine/core/metadata.h"
#include "engine/core/remedy.h"
#include "engine/core/slices.h"
#include "rpc/rules.h"

enum {
  SEND_LIMIT = 32,           /* unsent messages at which send() returns false; or MW_CALL_UNSENT_BYTES */
  FIRST_MESSAGE = 60 * 1024, /* largest message in bytes that is sent in one batch with the headers */
  HELD_MS = 5000             /* longest wait of a cancel, because flow control may hold up a first message */
};

/* ---- life ---- */

static void stop_timers(struct mw_client_call *call) {
  mw_timer_stop(call->deadline);
  mw_timer_stop(call->held);
  call->deadline = call->held = NULL;
}

/* Core is done with the call: releases all but the struct, which the caller may still have. */
static void settle(struct mw_client_call *call) {
  stop_timers(call);
  if (call->parked) grpc_byte_buffer_destroy(call->parked);
  if (call->has_reserved) grpc_slice_unref(call->reserved);
  mw_core_outbox_fini(&call->outbox);
  grpc_call_unref(call->grpc);
  grpc_slice_unref(call->details);
  grpc_metadata_array_destroy(&call->headers);
  grpc_metadata_array_destroy(&call->trailers);
  mw_arena_fini(&call->arena);
  mw_list_remove(&call->link);
  mw_list_remove(&call->dirty.link);
  call->engine = NULL;
  if (call->released) free(call);
}

static void enter(struct mw_client_call *call) { call->pending++; }

static void leave(struct mw_client_call *call) {
  if (--call->pending == 0 && call->events == NULL) settle(call);
}

static void start(struct mw_client_call *call, struct mw_core_batch *batch, struct mw_core_tag *tag) {
  call->pending++;
  mw_core_batch_start(batch, call->grpc, tag);
}

static void cancel_now(struct mw_client_call *call) {
  mw_timer_stop(call->held);
  call->held = NULL;
  if (!call->has_status) grpc_call_cancel(call->grpc, NULL);
}

static void on_held(void *arg) {
  struct mw_client_call *call = arg;
  call->held = NULL;
  cancel_now(call);
}

/* Returns true while the call may have a stream whose headers are not written. Without a connection it has no
 * stream. */
static bool may_be_idle(const struct mw_client_call *call) {
  if (call->first != MW_CORE_FIRST_STARTED || call->has_headers || call->has_status) return false;
  return !call->channel || grpc_channel_check_connectivity_state(call->channel->grpc, 0) == GRPC_CHANNEL_READY;
}

/* Cancels the call in core, once that cannot end the connection. */
static void cancel(struct mw_client_call *call) {
  if (call->held) return;
  if (may_be_idle(call)) {
    call->held = mw_timer_start_real(call->engine->loop, HELD_MS * (int64_t)MW_NS_PER_MS, on_held, call);
  }
  if (!call->held) cancel_now(call);
}

/* Ends the call by `end` without further events for the caller. */
static void silence(struct mw_client_call *call, void (*end)(struct mw_client_call *call)) {
  enter(call);
  call->events = NULL;
  end(call);
  call->done = true;
  mw_timer_stop(call->deadline);
  call->deadline = NULL;
  leave(call);
}

/* All connections end with the engine, so the cancel need not wait. */
void mw_core_client_call_detach(struct mw_client_call *call) { silence(call, cancel_now); }

void mw_core_client_call_release(struct mw_client_call *call) {
  assert(!call->released);
  call->released = true;
  if (!call->engine) {
    free(call);
  } else if (call->events) {
    silence(call, cancel);
  }
}

/* ---- reporting ---- */

static struct mw_status deadline_exceeded(void) { return mw_status(MW_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded"); }

/* A CANCELLED at the deadline is from the server's timer, which ran before the one here. */
static struct mw_status status_of(const struct mw_client_call *call) {
  if (call->code == GRPC_STATUS_CANCELLED && mw_clock_real() + MW_DEADLINE_SLACK_NS >= call->due) {
    return deadline_exceeded();
  }
  unsigned code = (unsigned)call->code < MW_CODE_COUNT ? (unsigned)call->code : MW_CODE_UNKNOWN;
  return (struct mw_status){(enum mw_code)code, mw_core_slice_view(&call->details),
                            mw_core_metadata_find(&call->trailers, "grpc-status-details-bin")};
}

/* "MESSAGE: REMEDY" in the call's arena; without memory the message alone. */
static struct mw_slice with_remedy(struct mw_client_call *call, struct mw_slice message, const char *remedy) {
  size_t size = message.len + strlen(remedy) + sizeof "; ";
  char *text = mw_arena_alloc(&call->arena, size);
  if (!text) return message;
  int len = snprintf(text, size, "%.*s; %s", (int)message.len, (const char *)message.data, remedy);
  return mw_slice(text, (size_t)len);
}

static void report_done(struct mw_client_call *call, const struct mw_status *status) {
  struct mw_metadata trailers;
  call->done = true;
  mw_timer_stop(call->deadline);
  call->deadline = NULL;
  mw_core_metadata_view(&trailers, &call->trailers, &call->arena);
  struct mw_status shown = *status;
  const char *remedy = status->code == MW_CODE_UNAVAILABLE ? mw_core_remedy(status->message, call->tls) : NULL;
  if (remedy) shown.message = with_remedy(call, status->message, remedy);
  call->events->done(call->user, &shown, &trailers);
}

/* Ends the call for a response that cannot be used. The server's status is ignored. */
static void fail(struct mw_client_call *call, int error, const struct mw_err *err) {
  struct mw_status status = mw_status_bad_message(error, err);
  cancel(call);
  report_done(call, &status);
}

static void on_deadline(void *arg) {
  struct mw_client_call *call = arg;
  struct mw_status status = deadline_exceeded();
  call->deadline = NULL;
  enter(call);
  if (call->first != MW_CORE_FIRST_DUE) cancel(call);
  report_done(call, &status);
  leave(call);
}

static void report_message(struct mw_client_call *call) {
  grpc_byte_buffer *message = call->parked;
  call->parked = NULL;
  call->want_read = false;
  call->encoding_seen = mw_core_message_encoding(message);
  struct mw_slice bytes;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_core_message_read(message, call->max_receive_bytes, &call->engine->scratch, &bytes, &err);
  if (rc == 0) {
    call->events->message(call->user, bytes);
  } else {
    fail(call, rc, &err);
  }
  mw_err_fini(&err);
  grpc_byte_buffer_destroy(message);
}

static void receive(struct mw_client_call *call) {
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_message(&batch, &call->incoming);
  call->receiving = true;
  start(call, &batch, &call->received);
}

/* Reports to the caller all events that are due: messages after the headers, an OK status after the last message, any
 * other status at once. */
static void report(struct mw_client_call *call) {
  if (!call->has_headers || call->done) return;
  if (call->has_status && call->code != GRPC_STATUS_OK) {
    if (call->code == GRPC_STATUS_UNAVAILABLE && call->first == MW_CORE_FIRST_STARTED) return; /* for fate() */
    struct mw_status status = status_of(call);
    report_done(call, &status);
    return;
  }
  if (call->parked && call->want_read) report_message(call);
  if (!call->has_status || call->done || call->parked) return;
  if (call->ended) {
    struct mw_status status = status_of(call);
    report_done(call, &status);
  } else if (!call->receiving) {
    receive(call); /* a message may be left that the caller has not asked for */
  }
}

static void on_headers(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, got_headers);
  call->has_headers = true;
  if (ok && !call->done && !(call->has_status && call->code != GRPC_STATUS_OK && call->headers.count == 0)) {
    struct mw_metadata headers;
    mw_core_metadata_view(&headers, &call->headers, &call->arena);
    call->events->headers(call->user, &headers);
  }
  report(call);
  leave(call);
}

static void on_received(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, received);
  call->receiving = false;
  call->parked = call->incoming;
  call->incoming = NULL;
  if (!call->parked) call->ended = true;
  report(call);
  leave(call);
}

/* Lets the caller send again after send() has returned false. */
static void unstall(struct mw_client_call *call) {
  if (!call->stalled || call->done) return;
  call->stalled = false;
  call->events->writable(call->user);
}

static void on_status(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, got_status);
  call->has_status = true;
  mw_timer_stop(call->deadline); /* the caller may read the messages that are left at any later time */
  call->deadline = NULL;
  report(call);
  unstall(call); /* further messages are dropped */
  leave(call);
}

static void on_parked(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, parked_due);
  report(call);
  leave(call);
}

/* ---- sending ---- */

/* A large first message has a batch of its own: flow control may hold it up, and so hide that the headers are
 * written. */
static bool goes_with_headers(const struct mw_client_call *call) {
  const struct mw_core_outbox *outbox = &call->outbox;
  return outbox->len > 0 && grpc_byte_buffer_length(outbox->ring[outbox->head].message) <= FIRST_MESSAGE;
}

/* Starts all operations that are due and possible. A message with another after it may wait in core for that one, so
 * that they share a write. The first may not: its batch completes when the headers are written, which that would
 * delay. */
static void pump(struct mw_client_call *call) {
  bool first = call->first == MW_CORE_FIRST_DUE;
  if (first && (call->done || call->expired)) return;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  if (first) mw_core_batch_send_headers(&batch, &call->request, call->encoding, call->flags, &call->arena);
  bool waits = call->sending || (first && !goes_with_headers(call));
  grpc_byte_buffer *message = waits ? NULL : mw_core_outbox_shift(&call->outbox).message;
  if (first) call->with_message = message != NULL;
  bool hint = !first && call->outbox.len > 0;
  if (message) mw_core_batch_send_message(&batch, message, hint ? GRPC_WRITE_BUFFER_HINT : 0);
  if (!call->sending && call->half_close == MW_CORE_HALF_CLOSE_DUE && call->outbox.len == 0) {
    call->half_close = MW_CORE_HALF_CLOSED;
    mw_core_batch_send_close(&batch);
  }
  if (batch.n > 0) {
    call->sending = true;
    if (first) call->first = MW_CORE_FIRST_STARTED;
    start(call, &batch, &call->sent);
  }
  if (first) {
    mw_core_batch_init(&batch);
    mw_core_batch_recv_headers(&batch, &call->headers);
    start(call, &batch, &call->got_headers);
    mw_core_batch_init(&batch);
    mw_core_batch_recv_status(&batch, &call->trailers, &call->code, &call->details);
    start(call, &batch, &call->got_status);
  }
  if (call->want_read && !call->receiving && !call->parked && !call->ended) receive(call);
}

static void flush(struct mw_core_dirty *dirty) { pump(MW_CONTAINER(dirty, struct mw_client_call, dirty)); }

static void on_sent(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, sent);
  call->sending = false;
  if (call->first == MW_CORE_FIRST_STARTED) {
    call->first = ok ? MW_CORE_FIRST_SENT : MW_CORE_FIRST_FAILED;
    if (call->held) cancel_now(call);
    report(call);
  }
  bool half = call->outbox.len <= SEND_LIMIT / 2 && call->outbox.bytes <= MW_CALL_UNSENT_BYTES / 2;
  if (ok && half) unstall(call);
  if (ok && !call->done) {
    pump(call);
  } else {
    mw_core_outbox_fini(&call->outbox); /* the call has ended */
  }
  leave(call);
}

uint8_t *mw_core_client_call_reserve(struct mw_client_call *call, size_t size) {
  if (!call->engine) return NULL;
  if (call->has_reserved) grpc_slice_unref(call->reserved);
  call->has_reserved = mw_core_slice_new(size, &call->reserved);
  return call->has_reserved ? GRPC_SLICE_START_PTR(call->reserved) : NULL;
}

bool mw_core_client_call_send(struct mw_client_call *call) {
  if (call->done) return false;
  assert(call->has_reserved && call->half_close == MW_CORE_REQUEST_OPEN);
  if (call->has_status) return true;
  call->has_reserved = false;
  if (!mw_core_outbox_push(&call->outbox, mw_core_message_new(call->reserved), 0)) {
    grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
    return false;
  }
  mw_core_engine_mark(call->engine, &call->dirty);
  bool full = call->outbox.len >= SEND_LIMIT || call->outbox.bytes >= MW_CALL_UNSENT_BYTES;
  call->stalled = full && !call->has_status;
  return !call->stalled;
}

bool mw_core_client_call_over(const struct mw_client_call *call) { return call->done || call->has_status; }

void mw_core_client_call_half_close(struct mw_client_call *call) {
  if (call->done || call->half_close != MW_CORE_REQUEST_OPEN) return;
  call->half_close = MW_CORE_HALF_CLOSE_DUE;
  mw_core_engine_mark(call->engine, &call->dirty);
}

/* ---- reading and ending ---- */

void mw_core_client_call_read(struct mw_client_call *call) {
  if (call->done) return;
  assert(!call->want_read);
  call->want_read = true;
  if (call->parked) {
    enter(call);
    mw_core_queue_make_event(&call->engine->queue, &call->parked_due);
  } else {
    mw_core_engine_mark(call->engine, &call->dirty);
  }
}

/* Core does not report how far a stream got. The text of its status distinguishes some cases; with any other text the
 * call is not retried. */
static enum mw_client_progress reach_of(const struct mw_client_call *call) {
  struct mw_slice words = mw_core_slice_view(&call->details);
  bool is_out = call->first == MW_CORE_FIRST_SENT;
  if (call->code != GRPC_STATUS_UNAVAILABLE || call->headers.count > 0 || call->trailers.count > 0) {
    return MW_REACH_SERVER;
  }
  if (mw_slice_eq_str(words, "Received RST_STREAM with error code 7")) return MW_REACH_REFUSED;
  if (mw_slice_eq_str(words, "GOAWAY received")) return is_out ? MW_REACH_REFUSED : MW_REACH_NONE;
  if (is_out || (call->with_message && !call->single)) return MW_REACH_SERVER;
  static const char *const lost[] = {"Transport closed", "Stream IDs exhausted", "Socket closed",
                                     "Connection reset by peer", "Broken pipe"};
  for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
    if (mw_slice_eq_str(words, lost[i])) return MW_REACH_NONE;
  }
  return MW_REACH_SERVER;
}

struct mw_client_failure mw_core_client_call_fate(const struct mw_client_call *call) {
  struct mw_slice pushback = mw_core_metadata_find(&call->trailers, "grpc-retry-pushback-ms");
  return (struct mw_client_failure){call->has_status ? reach_of(call) : MW_REACH_SERVER, pushback};
}

void mw_core_client_call_cancel(struct mw_client_call *call) {
  if (!call->done) cancel(call);
}

/* ---- starting ---- */

/* Sends the deadline as grpc-timeout, which has eight digits at most, and starts its timer. */
static int start_deadline(struct mw_client_call *call, int64_t deadline) {
  call->due = MW_NEVER;
  if (deadline == MW_NEVER) return 0;
  int64_t left = deadline - mw_clock_mono();
  call->due = mw_time_add(mw_clock_real(), left);
  call->expired = left <= 0;
  int64_t ms = (left > 0 ? left - 1 : 0) / MW_NS_PER_MS + 1;
  char text[24];
  int len = ms < 100000000 ? snprintf(text, sizeof text, "%" PRId64 "m", ms)
                           : snprintf(text, sizeof text, "%" PRId64 "S", ms / 1000);
  if (len <= 9 &&
      mw_metadata_add(&call->request, &call->arena, mw_slice_str("grpc-timeout"), mw_slice(text, (size_t)len)) != 0) {
    return MW_ENOMEM;
  }
  call->deadline = mw_timer_start_real(call->engine->loop, left, on_deadline, call);
  return call->deadline ? 0 : MW_ENOMEM;
}

static int copy_metadata(struct mw_client_call *call, const struct mw_metadata *metadata) {
  for (size_t i = 0; metadata && i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    if (mw_metadata_add(&call->request, &call->arena, entry->key, entry->value) != 0) return MW_ENOMEM;
  }
  return 0;
}

static void init(struct mw_client_call *call) {
  mw_list_init(&call->link);
  mw_list_init(&call->dirty.link);
  call->dirty.flush = flush;
  mw_arena_init(&call->arena, SIZE_MAX);
  grpc_metadata_array_init(&call->headers);
  grpc_metadata_array_init(&call->trailers);
  call->details = grpc_empty_slice();
  call->got_headers.done = on_headers;
  call->received.done = on_received;
  call->got_status.done = on_status;
  call->sent.done = on_sent;
  call->parked_due.done = on_parked;
}

static const char *encoding_of(const char *name) {
  if (!name) return NULL;
  return strcmp(name, "gzip") == 0 ? "gzip" : strcmp(name, "deflate") == 0 ? "deflate" : NULL;
}

int mw_core_client_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                              const struct mw_client_events *events, void *user, struct mw_client_call **out,
                              struct mw_err *err) {
  if (!channel->grpc) return mw_err_set(err, MW_ECLOSED, "the channel is closed");
  struct mw_client_call *call = calloc(1, sizeof *call);
  if (!call) return mw_err_set(err, MW_ENOMEM, "out of memory");
  init(call);
  call->engine = channel->engine;
  if (copy_metadata(call, request->metadata) != 0 || start_deadline(call, request->deadline) != 0) {
    mw_arena_fini(&call->arena);
    free(call);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  call->channel = channel;
  call->tls = channel->tls;
  call->events = events;
  call->user = user;
  call->single = request->single;
  call->max_receive_bytes = channel->max_receive_bytes;
  call->encoding = encoding_of(request->compression);
  if (request->wait_for_ready) {
    call->flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
  }
  grpc_slice path = grpc_slice_from_copied_buffer((const char *)request->path.data, request->path.len);
  call->grpc = grpc_channel_create_call(channel->grpc, NULL, 0, call->engine->queue.cq, path, NULL,
                                        gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
  grpc_slice_unref(path);
  mw_list_push(&call->engine->client_calls, &call->link);
  mw_core_engine_mark(call->engine, &call->dirty);
  *out = call;
  return 0;
}
