#include "engine/core/call.h"

#include <assert.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/batch.h"
#include "engine/core/metadata.h"
#include "engine/core/slices.h"
#include "rpc/rules.h"

/* VERDICT: core drops the messages of a client that has disconnected, and reports the disconnect within this time. */
enum { VERDICT = 200 * MW_NS_PER_MS, POOL_MAX = 256 };

static const struct mw_engine_call_ops ops;

static void run(struct mw_run_item *item);

static struct mw_core_call *core_of(struct mw_call *call) { return MW_CONTAINER(call, struct mw_core_call, call); }

/* ---- lifetime ---- */

static void reset(struct mw_core_call *core) {
  core->grpc = NULL;
  core->incoming = core->held = NULL;
  core->encoding = NULL;
  core->verdict = NULL;
  core->cancelled = 0;
  core->departed = 0;
  core->begun = core->ready = core->ended = false;
  core->leaving = 0;
  core->has_reserved = core->want_headers = core->sent_headers = core->sending = core->watched = false;
  core->finishing = core->gone = core->detached = core->unsure = false;
}

/* Releases everything that belongs to one call. */
static void clear(struct mw_core_call *core) {
  if (core->held) grpc_byte_buffer_destroy(core->held);
  if (core->has_reserved) grpc_slice_unref(core->reserved);
  mw_core_outbox_clear(&core->outbox);
  mw_core_backlog_leave(&core->engine->server.backlogs, &core->share);
  if (core->grpc) {
    gpr_free((void *)(uintptr_t)core->call.peer);
    grpc_call_unref(core->grpc);
  }
  grpc_call_details_destroy(&core->details);
  grpc_metadata_array_destroy(&core->metadata);
  mw_arena_reset(&core->call.arena);
  mw_list_remove(&core->dirty.link);
  reset(core);
}

void mw_core_call_free(struct mw_core_call *core) {
  mw_list_remove(&core->link);
  mw_core_outbox_fini(&core->outbox);
  mw_arena_fini(&core->call.arena);
  free(core);
}

static void recycle(struct mw_core_call *core) {
  struct mw_core_server *server = &core->engine->server;
  clear(core);
  server->n_calls--;
  mw_list_remove(&core->link);
  if (server->n_pool < POOL_MAX) {
    mw_list_push(&server->pool, &core->link);
    server->n_pool++;
  } else {
    mw_core_call_free(core);
  }
}

/* Keeps the call until the matching leave(), so that it is not recycled in between. */
static void enter(struct mw_core_call *core) { core->pending++; }

static void leave(struct mw_core_call *core) {
  if (--core->pending == 0 && (core->call.finished || core->detached)) recycle(core);
}

static void start(struct mw_core_call *core, struct mw_core_batch *batch, struct mw_core_tag *tag) {
  core->pending++;
  mw_core_batch_start(batch, core->grpc, tag);
}

static void stop_verdict(struct mw_core_call *core) {
  if (!core->verdict) return;
  mw_timer_stop(core->verdict);
  core->verdict = NULL;
  leave(core);
}

/* Removes the call from the run queue. */
static void unqueue(struct mw_core_call *core) {
  if (!core->item.lane) return;
  mw_run_item_remove(&core->item);
  leave(core);
}

void mw_core_call_detach(struct mw_core_call *core) {
  core->detached = true;
  mw_list_remove(&core->call.link);
  if (!core->grpc) return; /* not requested yet: core completes the request when the server shuts down */
  enter(core);
  stop_verdict(core);
  unqueue(core);
  grpc_call_cancel(core->grpc, NULL);
  leave(core);
}

/* ---- waiting for a turn ---- */

static void watch(struct mw_core_call *core);

/* Starts no close batch for a call that runs soon: its final batch includes one. */
static void queue(struct mw_core_call *core) {
  struct mw_run_queue *queue = &core->engine->dispatch->queue;
  if (core->item.lane) return;
  bool request = mw_call_is_request(&core->call, core->begun),
       first = request && mw_dispatch_is_priority(core->call.path);
  core->item.deadline = request ? core->call.deadline : MW_NEVER;
  core->item.arrived = request ? core->call.arrived : mw_clock_mono();
  enter(core);
  mw_run_lane_add(first ? &queue->first : core->lane, &core->item);
  if (core->engine->left >= MW_CORE_FEW) watch(core);
}

void mw_core_call_await(struct mw_core_call *core) {
  if (core->item.lane) watch(core);
}

static void make_ready(struct mw_core_call *core) {
  core->ready = true;
  queue(core);
}

static void make_end_ready(struct mw_core_call *core) {
  core->ended = true;
  queue(core);
}

/* ---- ending ---- */

/* Starts a close batch, which completes when the client disconnects or the call ends. The final batch has the operation
 * too. */
static void watch(struct mw_core_call *core) {
  if (core->watched || core->call.finished || core->detached) return;
  core->watched = true;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_close(&batch, &core->cancelled);
  start(core, &batch, &core->closed);
}

/* Counts a call whose message has waited for its turn until the deadline. */
static void note_expired(const struct mw_core_call *core) {
  bool waits = core->item.lane && core->item.deadline != MW_NEVER;
  if (waits && mw_call_is_late(&core->call)) mw_dispatch_note_expired(core->engine->dispatch, &core->call);
}

static void on_closed(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, closed);
  core->gone = core->cancelled != 0;
  stop_verdict(core);
  if (core->gone && !core->begun) {
    if (mw_call_is_late(&core->call)) mw_dispatch_expire_waiting(core->engine->dispatch, &core->call);
    core->call.finished = true;
    unqueue(core);
  } else if (core->gone && !core->detached) {
    note_expired(core);
    unqueue(core);
    mw_call_on_cancel(&core->call, mw_call_lost_status(&core->call));
  }
  leave(core);
}

/* ---- receiving ---- */

static void receive(struct mw_core_call *core) {
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_message(&batch, &core->incoming);
  start(core, &batch, &core->received);
}

/* Takes the message and passes it to the handler. */
static void deliver(struct mw_core_call *core, grpc_byte_buffer *message) {
  struct mw_slice bytes;
  struct mw_err err = MW_ERR_INIT;
  const char *encoding = mw_core_message_encoding(message);
  if (encoding) core->encoding = encoding;
  core->call.request_encoding = encoding;
  int rc = mw_core_message_read(message, core->engine->max_receive_bytes, &core->engine->scratch, &bytes, &err);
  if (rc == 0) {
    mw_call_on_message(&core->call, bytes);
  } else {
    mw_call_reject(&core->call, mw_status_bad_message(rc, &err));
  }
  mw_err_fini(&err);
  grpc_byte_buffer_destroy(message);
}

static void on_message(struct mw_core_call *core, grpc_byte_buffer *message) {
  if (!mw_call_is_single(&core->call)) {
    core->held = message;
    make_ready(core);
  } else if (!core->held) {
    core->held = message;
    receive(core); /* a second message is an error; the read completes at once if the client has half-closed */
  } else {
    grpc_byte_buffer_destroy(message);
    mw_call_reject(&core->call, mw_status_second_request());
  }
}

static void deliver_held(struct mw_core_call *core) {
  grpc_byte_buffer *message = core->held;
  core->held = NULL;
  if (mw_clock_mono() < core->call.deadline) {
    deliver(core, message);
  } else {
    grpc_byte_buffer_destroy(message);
    mw_dispatch_note_expired(core->engine->dispatch, &core->call);
    mw_call_on_cancel(&core->call, mw_call_lost_status(&core->call));
  }
}

static bool is_wanted(const struct mw_core_call *core) {
  return !core->call.finished && !core->call.cancelled && !core->detached;
}

/* Rejects a stream whose end is unsure, rather than pass it to the handler as complete. */
static void end_request(struct mw_core_call *core) {
  if (mw_call_is_late(&core->call)) {
    mw_call_on_cancel(&core->call, mw_call_lost_status(&core->call));
  } else if (core->held) {
    deliver_held(core);
  } else if (mw_call_is_single(&core->call) && core->call.received == 0) {
    mw_call_reject(&core->call, mw_status_no_request());
  } else if (core->unsure) {
    mw_call_reject(&core->call,
                   mw_status(MW_CODE_INTERNAL, "a streamed request must not end by trailers on engine core"));
  } else {
    mw_call_on_end(&core->call);
  }
}

static void on_verdict(void *arg) {
  struct mw_core_call *core = arg;
  core->verdict = NULL;
  if (is_wanted(core)) make_end_ready(core);
  leave(core);
}

/* Ends the request, unless core reports within VERDICT that the client has disconnected. */
static void await_verdict(struct mw_core_call *core) {
  core->verdict = mw_timer_start_real(core->engine->loop, VERDICT, on_verdict, core);
  if (core->verdict) {
    enter(core);
  } else {
    make_end_ready(core);
  }
}

static void on_passed(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, passed);
  if (is_wanted(core)) make_end_ready(core);
  leave(core);
}

/* Ends the request after the events that core has queued. If the client has disconnected, the close batch's event is
 * one of them. */
static void end_after_events(struct mw_core_call *core) {
  watch(core);
  enter(core);
  mw_core_queue_make_event(&core->engine->queue, &core->passed);
}

/* Handles the end of messages. It has one of three causes: a half-close; trailers, which HTTP/2 permits in a request
 * and gRPC does not; or the end of the call, by the client or the deadline. In the last case core drops unread
 * messages, and the event of the close batch follows, perhaps from another of core's threads. A complete request of one
 * message does not wait for that event. */
static void on_no_message(struct mw_core_call *core) {
  core->unsure = grpc_call_failed_before_recv_message(core->grpc) != 0;
  if (core->held && !core->unsure) {
    make_ready(core);
  } else if (core->unsure) {
    watch(core);
    await_verdict(core);
  } else {
    end_after_events(core);
  }
}

static void on_received(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, received);
  grpc_byte_buffer *message = core->incoming;
  core->incoming = NULL;
  if (message && is_wanted(core)) {
    on_message(core, message);
  } else if (message) {
    grpc_byte_buffer_destroy(message);
  } else if (ok && is_wanted(core)) {
    on_no_message(core);
  }
  bool followed = core->ready || (message && core->held == message); /* followed by its turn, or by another read */
  if (!followed) watch(core); /* after a failed read, the close batch reports the end */
  leave(core);
}

static void op_read(struct mw_call *call) {
  struct mw_core_call *core = core_of(call);
  if (mw_call_is_single(&core->call) && call->received > 0) {
    make_end_ready(core); /* the handler must not be called from within its read */
  } else {
    receive(core);
  }
}

/* ---- sending ---- */

static void count(struct mw_core_call *core) {
  mw_send_backlog_count(&core->share, core->outbox.bytes + core->leaving);
}

static void wake(struct mw_send_backlog_share *share) { queue(MW_CONTAINER(share, struct mw_core_call, share)); }

static bool op_has_room(struct mw_call *call, size_t size) {
  struct mw_core_call *core = core_of(call);
  if (!core->share.backlog) {
    mw_core_backlog_join(&core->engine->server.backlogs, &core->share, call->peer);
    count(core);
  }
  return core->gone || mw_send_backlog_has_room(&core->share);
}

static void add_headers(struct mw_core_call *core, struct mw_core_batch *batch) {
  if (core->sent_headers) return;
  core->sent_headers = true;
  const char *wanted = core->call.reply_encoding;
  mw_core_batch_send_headers(batch, &core->call.headers, wanted ? NULL : core->encoding, 0, &core->call.arena);
  if (wanted) mw_core_batch_compress(batch, wanted);
}

/* Sends everything left in one batch: headers, the last message, the status. */
static void send_final(struct mw_core_call *core, struct mw_core_outgoing last, const struct mw_status *status) {
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  add_headers(core, &batch);
  if (last.message) mw_core_batch_send_message(&batch, last.message, last.flags);
  mw_core_batch_send_status(&batch, status, &core->call.trailers, &core->call.arena);
  if (!core->watched) {
    core->watched = true;
    mw_core_batch_recv_close(&batch, &core->cancelled);
  }
  core->sending = true;
  core->leaving = last.message ? grpc_byte_buffer_length(last.message) : 0;
  count(core);
  start(core, &batch, &core->answered);
}

/* Starts the next batch, if there is something to send and no batch is under way. All queued messages but the last
 * carry the buffer hint, so that core writes several at once. The message sent with the headers does not carry it: its
 * batch would wait until the headers are written. */
static void pump(struct mw_core_call *core) {
  if (core->sending || core->detached || core->gone) return;
  if (core->finishing && core->outbox.len <= 1) {
    send_final(core, mw_core_outbox_shift(&core->outbox), &core->status);
    return;
  }
  struct mw_core_outgoing next = mw_core_outbox_shift(&core->outbox);
  if (!next.message && (core->sent_headers || !core->want_headers)) return;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  if (core->sent_headers && core->outbox.len > 0) next.flags |= GRPC_WRITE_BUFFER_HINT;
  add_headers(core, &batch);
  if (next.message) mw_core_batch_send_message(&batch, next.message, next.flags);
  core->sending = true;
  core->sent_message = next.message != NULL;
  core->leaving = next.message ? grpc_byte_buffer_length(next.message) : 0;
  start(core, &batch, &core->sent);
}

static void flush(struct mw_core_dirty *dirty) { pump(MW_CONTAINER(dirty, struct mw_core_call, dirty)); }

static void on_sent(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, sent);
  core->sending = false;
  core->leaving = 0;
  count(core);
  if (!ok) {
    watch(core); /* the close batch reports the cause */
  } else if (core->sent_message && core->call.stalled && is_wanted(core)) {
    core->departed++;
    queue(core);
  } else if (core->sent_message && !core->detached) {
    mw_call_on_sent(&core->call, 1);
  }
  pump(core);
  leave(core);
}

static void on_answered(struct mw_core_tag *tag, bool ok) { leave(MW_CONTAINER(tag, struct mw_core_call, answered)); }

static uint8_t *op_reserve(struct mw_call *call, size_t size) {
  struct mw_core_call *core = core_of(call);
  if (core->has_reserved) grpc_slice_unref(core->reserved);
  core->has_reserved = mw_core_slice_new(size, &core->reserved);
  return core->has_reserved ? GRPC_SLICE_START_PTR(core->reserved) : NULL;
}

static void op_send(struct mw_call *call, unsigned flags) {
  struct mw_core_call *core = core_of(call);
  assert(core->has_reserved);
  core->has_reserved = false;
  uint32_t write = flags & MW_SEND_PLAIN ? GRPC_WRITE_NO_COMPRESS : 0;
  if (!mw_core_outbox_push(&core->outbox, mw_core_message_new(core->reserved), write)) {
    grpc_call_cancel_with_status(core->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
    return;
  }
  count(core);
  if (!(flags & MW_SEND_LAST)) mw_core_engine_mark(core->engine, &core->dirty);
}

static void op_send_headers(struct mw_call *call) {
  struct mw_core_call *core = core_of(call);
  core->want_headers = true;
  mw_core_engine_mark(core->engine, &core->dirty);
}

static void op_finish(struct mw_call *call, const struct mw_status *status) {
  struct mw_core_call *core = core_of(call);
  enter(core);
  if (core->gone || core->detached) {
    mw_core_outbox_clear(&core->outbox);
    count(core);
  } else if (!core->sending && core->outbox.len <= 1) {
    send_final(core, mw_core_outbox_shift(&core->outbox), status);
  } else {
    core->status = mw_status_copy(&call->arena, status);
    core->finishing = true;
    pump(core);
  }
  leave(core);
}

static const struct mw_engine_call_ops ops = {op_read, op_reserve, op_send, op_send_headers, op_finish, op_has_room};

/* ---- starting ---- */

static int64_t deadline_of(const struct mw_core_call *core) {
  gpr_timespec deadline = core->details.deadline;
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return MW_NEVER;
  gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return mw_time_add(mw_clock_mono(), mw_time_add(mw_duration(left.tv_sec, MW_NS_PER_S), left.tv_nsec));
}

/* Returns the peer, without the URI escapes that core writes: "ipv6:%5B::1%5D:50123". Freed by gpr_free(). */
static const char *peer_of(const struct mw_core_call *core) {
  char *peer = grpc_call_get_peer(core->grpc);
  if (!peer) return NULL;
  unsigned byte;
  char *to = peer;
  for (const char *at = peer; *at; at++) {
    bool escaped = *at == '%' && sscanf(at + 1, "%2x", &byte) == 1 && at[2];
    *to++ = escaped ? (char)byte : *at;
    if (escaped) at += 2;
  }
  *to = '\0';
  return peer;
}

static void on_requested(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, requested);
  if (!ok) { /* the server shuts down */
    core->grpc = NULL;
    recycle(core);
    return;
  }
  mw_core_server_request(core->engine);
  struct mw_call *call = &core->call;
  call->finished = call->cancelled = false;
  call->path = mw_core_slice_view(&core->details.method);
  call->peer = peer_of(core);
  call->arrived = mw_clock_mono();
  call->deadline = deadline_of(core);
  core->lane = mw_core_server_lane(core->engine, call->peer);
  queue(core);
}

static void begin(struct mw_core_call *core) {
  struct mw_call *call = &core->call;
  core->begun = true;
  call->ops = &ops;
  mw_core_metadata_view(&call->request, &core->metadata, &call->arena);
  mw_dispatch_start(core->engine->dispatch, call);
  if (!call->finished && !mw_call_is_single(&core->call)) watch(core);
}

/* Runs one step. The next one waits for a turn of its own. */
static void step(struct mw_core_call *core) {
  if (core->ready) {
    core->ready = false;
    deliver_held(core);
    if (is_wanted(core)) watch(core);
  } else if (core->ended) {
    core->ended = false;
    end_request(core);
  }
}

static void run(struct mw_run_item *item) {
  struct mw_core_call *core = MW_CONTAINER(item, struct mw_core_call, item);
  uint32_t departed = core->departed;
  core->departed = 0;
  if (!core->begun) begin(core);
  if (departed > 0 && is_wanted(core)) mw_call_on_sent(&core->call, departed);
  mw_send_backlog_report(&core->share, &core->call);
  if (is_wanted(core)) step(core);
  leave(core);
}

struct mw_core_call *mw_core_call_new(struct mw_core_engine *engine) {
  struct mw_core_call *core = calloc(1, sizeof *core);
  if (!core) return NULL;
  core->engine = engine;
  mw_list_init(&core->link);
  mw_list_init(&core->call.link);
  mw_list_init(&core->dirty.link);
  core->dirty.flush = flush;
  mw_arena_init(&core->call.arena, SIZE_MAX);
  mw_send_backlog_share_init(&core->share, wake);
  core->requested.done = on_requested;
  core->received.done = on_received;
  mw_run_item_init(&core->item, run);
  core->closed.done = on_closed;
  core->passed.done = on_passed;
  core->sent.done = on_sent;
  core->answered.done = on_answered;
  return core;
}
