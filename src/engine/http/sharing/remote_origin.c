#include "engine/http/sharing/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/http/conn/engine.h"
#include "engine/http/conn/reply.h"
#include "rpc/forward.h"

/* Thresholds for passing calls on: the time that the calls of this turn have taken so far, and the mean of one call. */
enum { BUSY_NS = 100 * 1000, WORTH_NS = 10 * 1000 };

/* ---- the handler of a call that runs on another worker ---- */

static struct mw_http_events *pending_of(struct mw_call *call) {
  struct mw_http_remote *remote = call->state;
  return mw_http_channel_pending(&remote->to_executor, remote->origin_call->conn->engine->slot);
}

/* Runs at most once. The executor reads the status when the origin's call may be over, so `cancel_text` keeps the
 * text. */
static void send_cancelled(struct mw_call *call, struct mw_status status) {
  struct mw_http_remote *remote = call->state;
  struct mw_http_events *pending = pending_of(call);
  snprintf(remote->cancel_text, sizeof remote->cancel_text, "%.*s", (int)status.message.len,
           (const char *)status.message.data);
  pending->cancelled = true;
  pending->status = mw_status(status.code, remote->cancel_text);
}

/* Reads the first message at once, so that it goes out in one batch with the call. */
static void on_start(struct mw_call *call) {
  struct mw_http_call *origin_call = MW_CONTAINER(call, struct mw_http_call, call);
  call->state = origin_call->remote;
  pending_of(call)->begun = true;
  mw_call_read(call);
}

static void on_message(struct mw_call *call, struct mw_slice bytes) {
  struct mw_http_block *message = mw_http_block_new(bytes.len);
  if (!message) {
    mw_call_on_cancel(call, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a message"));
    return;
  }
  if (bytes.len > 0) memcpy(message->bytes + MW_HTTP_PREFIX, bytes.data, bytes.len);
  struct mw_http_events *pending = pending_of(call);
  mw_http_events_add(pending, message);
  pending->encoding = call->request_encoding;
}

static void on_end(struct mw_call *call) { pending_of(call)->ended = true; }

/* Reserves room in the backlog for the executor's message, if there is some. */
static void promise_room(struct mw_http_remote *remote) {
  struct mw_http_call *origin_call = remote->origin_call;
  if (remote->room_wanted == 0 || !mw_send_backlog_has_room(&origin_call->backlog_share)) return;
  origin_call->promised = remote->room_wanted;
  remote->room_wanted = 0;
  mw_http_call_count(origin_call);
  pending_of(&origin_call->call)->room = origin_call->promised;
}

static void on_writable(struct mw_call *call) {
  struct mw_http_remote *remote = call->state;
  promise_room(remote);
  uint64_t sent = call->sent - call->unsent;
  pending_of(call)->sent += (uint32_t)(sent - remote->reported);
  remote->reported = sent;
}

static const struct mw_handler handler = {on_start, on_message, on_end, on_writable, send_cancelled, NULL};

/* ---- passing on ---- */

static struct mw_http_remote *remote_new(struct mw_http_call *origin_call, struct mw_http_slot *executor) {
  struct mw_http_remote *remote = calloc(1, sizeof *remote);
  if (!remote) return NULL;
  struct mw_http_engine *engine = origin_call->conn->engine;
  atomic_init(&remote->refs, 2);
  mw_http_channel_init(&remote->to_executor, executor, &remote->refs, mw_http_remote_executor_take,
                       mw_http_remote_origin_fail);
  mw_http_channel_init(&remote->to_origin, engine->slot, &remote->refs, mw_http_remote_origin_take,
                       mw_http_remote_executor_fail);
  mw_list_init(&remote->link);
  mw_run_item_init(&remote->item, mw_http_remote_run);
  remote->origin_call = origin_call;
  remote->asked = true; /* on_start() reads the first message */
  memcpy(remote->peer, origin_call->conn->peer, sizeof remote->peer);
  struct mw_call *call = &remote->call;
  mw_list_init(&call->link);
  call->path = origin_call->call.path;
  call->peer = remote->peer;
  call->arrived = origin_call->call.arrived;
  call->deadline = origin_call->call.deadline;
  call->request = origin_call->call.request;
  call->arena = origin_call->call.arena;
  mw_arena_init(&origin_call->call.arena, SIZE_MAX);
  return remote;
}

static bool is_busy(const struct mw_run_queue *queue) {
  return (queue->behind || queue->spent > BUSY_NS) && mw_run_queue_mean(queue) > WORTH_NS;
}

static bool is_expired(const struct mw_http_call *origin_call, const struct mw_run_queue *queue) {
  return mw_run_queue_now(queue) >= origin_call->call.deadline;
}

static bool start(struct mw_http_call *origin_call) {
  struct mw_http_engine *engine = origin_call->conn->engine;
  const struct mw_run_queue *queue = &engine->dispatch->queue;
  if (!is_busy(queue) || engine->draining || is_expired(origin_call, queue)) return false;
  struct mw_http_slot *executor = mw_http_worker_pool_choose(engine->worker_pool, engine->slot, queue->n + 1);
  if (!executor) {
    mw_http_worker_pool_send(engine->slot); /* the executors can work while this call runs here */
    return false;
  }
  const struct mw_route *route = mw_router_find(engine->dispatch->router, origin_call->call.path);
  if (!route) return false;
  origin_call->remote = remote_new(origin_call, executor);
  if (!origin_call->remote) return false;
  atomic_fetch_add_explicit(&executor->remote_calls, 1, memory_order_relaxed);
  mw_forward_start(&engine->dispatch->forwarder, &origin_call->call, &handler, !route->method->client_streaming);
  return true;
}

static void end(struct mw_http_remote *remote) {
  struct mw_call *call = &remote->origin_call->call;
  if (!call->finished && !call->cancelled) send_cancelled(call, mw_status_shutting_down());
  remote->origin_call = NULL;
  mw_http_remote_unref(remote);
}

static void send_pending(struct mw_http_engine *engine) { mw_http_worker_pool_send(engine->slot); }

static void set_idle(struct mw_http_engine *engine, bool idle) {
  atomic_store_explicit(&engine->slot->waiting, idle, memory_order_relaxed);
}

static const struct mw_http_sharing sharing = {.start = start, .end = end, .send = send_pending, .set_idle = set_idle};

void mw_http_remote_join(struct mw_http_engine *engine, struct mw_engine_team *team) {
  engine->slot = mw_http_worker_pool_join(team, engine, engine->loop);
  if (!engine->slot) return;
  engine->worker_pool = team;
  engine->sharing = &sharing;
}

void mw_http_remote_leave(struct mw_http_engine *engine) {
  if (!engine->sharing) return;
  mw_http_worker_pool_leave(engine->slot);
  engine->sharing = NULL;
}

/* ---- the executor's events ---- */

/* The executor does not change its headers any more. */
static void share_headers(struct mw_call *call, const struct mw_call *executor) {
  call->headers = executor->headers;
  call->reply_encoding = executor->reply_encoding;
}

static void pass_on(struct mw_http_call *origin_call, struct mw_http_block *message, unsigned flags) {
  if (message->plain) flags |= MW_SEND_PLAIN;
  origin_call->promised = 0;
  mw_http_outbox_adopt(&origin_call->outbox, message);
  mw_call_send(&origin_call->call, flags);
}

static void finish(struct mw_http_call *origin_call, struct mw_http_events *events, struct mw_http_block *last) {
  origin_call->call.trailers = origin_call->remote->call.trailers;
  origin_call->promised = 0;
  mw_http_call_count(origin_call);
  if (last) pass_on(origin_call, last, MW_SEND_LAST);
  mw_call_finish(&origin_call->call, &events->status);
}

static void take(struct mw_http_call *origin_call, struct mw_http_events *events) {
  struct mw_call *call = &origin_call->call;
  if (events->headers && !call->headers_sent) share_headers(call, &origin_call->remote->call);
  if (events->headers && !events->first && !events->finished) mw_call_send_headers(call);
  struct mw_http_block *message;
  while (events->first != (events->with_last ? events->last : NULL)) {
    pass_on(origin_call, mw_http_events_shift(events), 0);
  }
  message = mw_http_events_shift(events);
  if (events->room > 0) origin_call->remote->room_wanted = events->room;
  promise_room(origin_call->remote);
  if (events->finished) {
    finish(origin_call, events, message);
  } else if (events->wanted && !call->reading && !call->ended) {
    mw_call_read(call);
  }
}

void mw_http_remote_origin_take(struct mw_http_channel *channel, struct mw_http_events *events) {
  struct mw_http_remote *remote = MW_CONTAINER(channel, struct mw_http_remote, to_origin);
  if (remote->origin_call && !remote->origin_call->call.finished) take(remote->origin_call, events);
  mw_http_events_clear(events);
  mw_http_remote_unref(remote);
}

void mw_http_remote_origin_fail(struct mw_http_channel *channel) {
  struct mw_http_remote *remote = MW_CONTAINER(channel, struct mw_http_remote, to_executor);
  if (remote->origin_call && !remote->origin_call->call.finished) {
    struct mw_status status = mw_status_shutting_down();
    mw_call_finish(&remote->origin_call->call, &status);
  }
  mw_http_remote_unref(remote);
}
