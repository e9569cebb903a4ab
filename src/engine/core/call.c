#include "engine/core/call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/call_life.h"
#include "engine/core/metadata.h"
#include "engine/core/reply.h"
#include "engine/core/slices.h"
#include "rpc/rules.h"

/* END_CHECK: core drops the messages of a client that has disconnected, and reports the disconnect within this time. */
enum { END_CHECK = 200 * MW_NS_PER_MS };

static void run(struct mw_run_item *item);

/* ---- receiving ---- */

static void queue_message(struct mw_core_call *core) {
  core->ready = true;
  mw_core_call_queue(core);
}

static void queue_end(struct mw_core_call *core) {
  core->ended = true;
  mw_core_call_queue(core);
}

static void receive(struct mw_core_call *core) {
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_message(&batch, &core->incoming);
  mw_core_call_start(core, &batch, &core->received);
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
  if (!core->call.single) {
    core->held = message;
    queue_message(core);
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

/* Rejects a stream whose end is unsure, rather than pass it to the handler as complete. */
static void end_request(struct mw_core_call *core) {
  if (mw_call_is_late(&core->call)) {
    mw_call_on_cancel(&core->call, mw_call_lost_status(&core->call));
  } else if (core->held) {
    deliver_held(core);
  } else if (core->call.single && core->call.received == 0) {
    mw_call_reject(&core->call, mw_status_no_request());
  } else if (core->end_unsure) {
    mw_call_reject(&core->call,
                   mw_status(MW_CODE_INTERNAL, "a streamed request must not end by trailers on engine core"));
  } else {
    mw_call_on_end(&core->call);
  }
}

static void on_end_check(void *arg) {
  struct mw_core_call *core = arg;
  core->end_check = NULL;
  if (mw_core_call_is_wanted(core)) queue_end(core);
  mw_core_call_leave(core);
}

/* Ends the request, unless core reports within END_CHECK that the client has disconnected. */
static void start_end_check(struct mw_core_call *core) {
  core->end_check = mw_timer_start_real(core->engine->loop, END_CHECK, on_end_check, core);
  if (core->end_check) {
    mw_core_call_enter(core);
  } else {
    queue_end(core);
  }
}

static void on_passed(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, passed);
  if (mw_core_call_is_wanted(core)) queue_end(core);
  mw_core_call_leave(core);
}

/* Ends the request after the events that core has queued. If the client has disconnected, the close batch's event is
 * one of them. */
static void end_after_events(struct mw_core_call *core) {
  mw_core_call_watch(core);
  mw_core_call_enter(core);
  mw_core_queue_make_event(&core->engine->queue, &core->passed);
}

/* Handles the end of messages. It has one of three causes: a half-close; trailers, which HTTP/2 permits in a request
 * and gRPC does not; or the end of the call, by the client or the deadline. In the last case core drops unread
 * messages, and the event of the close batch follows, perhaps from another of core's threads. A complete request of one
 * message does not wait for that event. */
static void on_no_message(struct mw_core_call *core) {
  core->end_unsure = grpc_call_failed_before_recv_message(core->grpc) != 0;
  if (core->held && !core->end_unsure) {
    queue_message(core);
  } else if (core->end_unsure) {
    mw_core_call_watch(core);
    start_end_check(core);
  } else {
    end_after_events(core);
  }
}

static void on_received(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, received);
  grpc_byte_buffer *message = core->incoming;
  core->incoming = NULL;
  if (message && mw_core_call_is_wanted(core)) {
    on_message(core, message);
  } else if (message) {
    grpc_byte_buffer_destroy(message);
  } else if (ok && mw_core_call_is_wanted(core)) {
    on_no_message(core);
  }
  bool followed = core->ready || (message && core->held == message); /* followed by its turn, or by another read */
  if (!followed) mw_core_call_watch(core); /* after a failed read, the close batch reports the end */
  mw_core_call_leave(core);
}

static void op_read(struct mw_call *call) {
  struct mw_core_call *core = mw_core_call_of(call);
  if (core->call.single && call->received > 0) {
    queue_end(core); /* the handler must not be called from within its read */
  } else {
    receive(core);
  }
}

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

/* Returns the lane for the calls of a peer, which may be NULL. */
static struct mw_run_lane *lane_of(struct mw_core_server *server, const char *peer) {
  uint64_t hash = server->seed;
  for (const char *at = peer ? peer : ""; *at; at++) hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
  return &server->lanes[(hash ^ hash >> 32) % MW_CORE_LANES];
}

static void on_requested(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, requested);
  if (!ok) { /* the server shuts down */
    core->grpc = NULL;
    mw_core_call_recycle(core);
    return;
  }
  mw_core_call_request(core->engine);
  struct mw_call *call = &core->call;
  call->finished = call->cancelled = false;
  call->path = mw_core_slice_view(&core->details.method);
  call->peer = peer_of(core);
  call->arrived = mw_clock_mono();
  call->deadline = deadline_of(core);
  core->lane = lane_of(&core->engine->server, call->peer);
  mw_core_call_queue(core);
}

static const struct mw_engine_call_ops ops = {
    .read = op_read,
    .has_room = mw_core_reply_has_room,
    .reserve = mw_core_reply_reserve,
    .send = mw_core_reply_send,
    .send_headers = mw_core_reply_send_headers,
    .finish = mw_core_reply_finish,
};

static void begin(struct mw_core_call *core) {
  struct mw_call *call = &core->call;
  core->begun = true;
  call->ops = &ops;
  mw_core_metadata_view(&call->request, &core->metadata, &call->arena);
  mw_dispatch_start(core->engine->dispatch, call);
  if (!call->finished && !core->call.single) mw_core_call_watch(core);
}

/* Runs one step. The next one waits for a turn of its own. */
static void step(struct mw_core_call *core) {
  if (core->ready) {
    core->ready = false;
    deliver_held(core);
    if (mw_core_call_is_wanted(core)) mw_core_call_watch(core);
  } else if (core->ended) {
    core->ended = false;
    end_request(core);
  }
}

static void run(struct mw_run_item *item) {
  struct mw_core_call *core = MW_CONTAINER(item, struct mw_core_call, item);
  uint32_t unreported = core->unreported;
  core->unreported = 0;
  if (!core->begun) begin(core);
  if (unreported > 0 && mw_core_call_is_wanted(core)) mw_call_on_sent(&core->call, unreported);
  mw_send_backlog_report(&core->share, &core->call);
  if (mw_core_call_is_wanted(core)) step(core);
  mw_core_call_leave(core);
}

static struct mw_core_call *call_new(struct mw_core_engine *engine) {
  struct mw_core_call *core = calloc(1, sizeof *core);
  if (!core) return NULL;
  mw_core_call_init(core, engine);
  mw_core_reply_init(core);
  mw_run_item_init(&core->item, run);
  core->requested.done = on_requested;
  core->received.done = on_received;
  core->passed.done = on_passed;
  return core;
}

void mw_core_call_request(struct mw_core_engine *engine) {
  struct mw_core_server *server = &engine->server;
  if (server->draining) return;
  struct mw_list *pooled = mw_list_shift(&server->pool);
  if (pooled) server->n_pool--;
  struct mw_core_call *core = pooled ? MW_CONTAINER(pooled, struct mw_core_call, link) : call_new(engine);
  if (!core) return; /* one pending request less; a call that ends makes a new one */
  grpc_call_details_init(&core->details);
  grpc_metadata_array_init(&core->metadata);
  grpc_call_error error = grpc_server_request_call(server->grpc, &core->grpc, &core->details, &core->metadata,
                                                   engine->queue.cq, engine->queue.cq, &core->requested);
  assert(error == GRPC_CALL_OK);
  (void)error;
  mw_list_push(&server->calls, &core->link);
  server->n_calls++;
}
