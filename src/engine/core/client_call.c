#include "engine/core/client_call.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/batch.h"
#include "engine/core/metadata.h"
#include "engine/core/slices.h"

/* Unsent messages at which send() says to wait. */
enum { SEND_LIMIT = 32 };

/* ---- life ---- */

/* Core is done with the call. */
static void settle(struct mw_client_call *call) {
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

/* No more events from here on. */
static void silence(struct mw_client_call *call) {
  enter(call);
  call->events = NULL;
  if (!call->done) grpc_call_cancel(call->grpc, NULL);
  call->done = true;
  leave(call);
}

void mw_core_client_call_detach(struct mw_client_call *call) { silence(call); }

void mw_core_client_call_release(struct mw_client_call *call) {
  assert(!call->released);
  call->released = true;
  if (!call->engine) {
    free(call);
  } else if (call->events) {
    silence(call);
  }
}

/* ---- reporting ---- */

static struct mw_status status_of(const struct mw_client_call *call) {
  unsigned code = (unsigned)call->code < MW_CODE_COUNT ? (unsigned)call->code : MW_CODE_UNKNOWN;
  return (struct mw_status){(enum mw_code)code, mw_core_slice_view(&call->details),
                            mw_core_metadata_find(&call->trailers, "grpc-status-details-bin")};
}

static void report_done(struct mw_client_call *call, const struct mw_status *status) {
  struct mw_metadata trailers;
  call->done = true;
  mw_core_metadata_view(&trailers, &call->trailers, &call->arena);
  call->events->done(call->user, status, &trailers);
}

/* The answer cannot be used: the call ends here, whatever the server says of it. */
static void fail(struct mw_client_call *call, int error, const struct mw_err *err) {
  struct mw_status status =
      mw_status(error == MW_EFORMAT ? MW_CODE_INTERNAL : MW_CODE_RESOURCE_EXHAUSTED, mw_err_text(err));
  grpc_call_cancel(call->grpc, NULL);
  report_done(call, &status);
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

/* Tells the caller what it may know by now: messages behind the headers, an OK behind the last message. */
static void report(struct mw_client_call *call) {
  if (!call->has_headers || call->done) return;
  if (call->has_status && call->code != GRPC_STATUS_OK) {
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
    receive(call); /* to see whether a message is left that the caller has not asked for */
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

/* Lets the caller send again, after a send that said to wait. */
static void unstall(struct mw_client_call *call) {
  if (!call->stalled || call->done) return;
  call->stalled = false;
  call->events->writable(call->user);
}

static void on_status(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, got_status);
  call->has_status = true;
  report(call);
  unstall(call); /* nothing will leave any more */
  leave(call);
}

static void on_parked(struct mw_core_tag *tag, bool ok) {
  struct mw_client_call *call = MW_CONTAINER(tag, struct mw_client_call, parked_due);
  report(call);
  leave(call);
}

/* ---- sending ---- */

/* Starts what was asked for and can be started. Messages may wait in core for the next, so that they share a write; not
 * the first, whose batch would wait for its headers to be written. */
static void pump(struct mw_client_call *call) {
  if (call->done && !call->started) return;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  bool first = !call->started;
  if (first) mw_core_batch_send_headers(&batch, &call->request, call->encoding, call->flags, &call->arena);
  grpc_byte_buffer *message = call->sending ? NULL : mw_core_outbox_shift(&call->outbox).message;
  bool hint = !first && call->outbox.len > 0;
  if (message) mw_core_batch_send_message(&batch, message, hint ? GRPC_WRITE_BUFFER_HINT : 0);
  if (!call->sending && call->want_close && !call->sent_close && call->outbox.len == 0) {
    call->sent_close = true;
    mw_core_batch_send_close(&batch);
  }
  if (batch.n > 0) {
    call->started = call->sending = true;
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
  if (ok && call->outbox.len <= SEND_LIMIT / 2) unstall(call);
  if (ok && !call->done) {
    pump(call);
  } else {
    mw_core_outbox_fini(&call->outbox); /* the status says why */
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
  assert(call->has_reserved && !call->want_close);
  if (call->has_status) return true;
  call->has_reserved = false;
  if (!mw_core_outbox_push(&call->outbox, mw_core_message_new(call->reserved), 0)) {
    grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
    return false;
  }
  mw_core_engine_mark(call->engine, &call->dirty);
  call->stalled = call->outbox.len >= SEND_LIMIT && !call->has_status;
  return !call->stalled;
}

bool mw_core_client_call_over(const struct mw_client_call *call) { return call->done || call->has_status; }

void mw_core_client_call_half_close(struct mw_client_call *call) {
  if (call->done || call->want_close) return;
  call->want_close = true;
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

void mw_core_client_call_cancel(struct mw_client_call *call) {
  if (!call->done) grpc_call_cancel(call->grpc, NULL);
}

/* ---- starting ---- */

static gpr_timespec deadline_of(int64_t deadline) {
  if (deadline == MW_NEVER) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  int64_t left = deadline - mw_clock_mono();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left > 0 ? left : 0, GPR_TIMESPAN));
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
  if (copy_metadata(call, request->metadata) != 0) {
    mw_arena_fini(&call->arena);
    free(call);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  call->engine = channel->engine;
  call->channel = channel;
  call->events = events;
  call->user = user;
  call->max_receive_bytes = channel->max_receive_bytes;
  call->encoding = encoding_of(request->compression);
  if (request->wait_for_ready) {
    call->flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
  }
  grpc_slice path = grpc_slice_from_copied_buffer((const char *)request->path.data, request->path.len);
  call->grpc = grpc_channel_create_call(channel->grpc, NULL, 0, call->engine->queue.cq, path, NULL,
                                        deadline_of(request->deadline), NULL);
  grpc_slice_unref(path);
  mw_list_push(&call->engine->client_calls, &call->link);
  mw_core_engine_mark(call->engine, &call->dirty);
  *out = call;
  return 0;
}
