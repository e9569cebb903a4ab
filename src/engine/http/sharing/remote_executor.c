#include "engine/http/sharing/remote.h"

#include <assert.h>

#include "base/clock.h"
#include "engine/http/conn/engine.h"
#include "rpc/rules.h"

enum { SEND_AFTER_NS = 200 * 1000 };

static const struct mw_engine_call_ops ops;

static struct mw_http_remote *remote_of(struct mw_call *call) {
  return MW_CONTAINER(call, struct mw_http_remote, call);
}

static struct mw_http_events *pending_of(struct mw_http_remote *remote) {
  return mw_http_channel_pending(&remote->to_origin, remote->engine->slot);
}

/* ---- receiving ---- */

static void ask(struct mw_http_remote *remote) {
  if (remote->asked || remote->no_more) return;
  remote->asked = true;
  pending_of(remote)->wanted = true;
}

/* Delivers a message. Of a stream, asks for the next one before the handler runs. */
static void deliver(struct mw_http_remote *remote) {
  struct mw_http_block *message = remote->arrived;
  remote->arrived = NULL;
  remote->call.request_encoding = remote->encoding;
  if (!remote->call.single) ask(remote);
  mw_call_on_message(&remote->call, mw_slice(message->bytes + MW_HTTP_PREFIX, message->len - MW_HTTP_PREFIX));
  mw_http_block_free(message);
}

static void serve(struct mw_http_remote *remote) {
  struct mw_call *call = &remote->call;
  while (call->reading && !call->finished && !call->cancelled) {
    if (remote->arrived) {
      deliver(remote);
    } else if (remote->no_more) {
      mw_call_on_end(call);
    } else {
      ask(remote);
      break;
    }
  }
}

static void begin(struct mw_http_remote *remote) {
  remote->begun = true;
  mw_dispatch_start(remote->engine->dispatch, &remote->call);
}

/* Sends pending batches after a long run instead of at the end of the turn. */
void mw_http_remote_run(struct mw_run_item *item) {
  struct mw_http_remote *remote = MW_CONTAINER(item, struct mw_http_remote, item);
  struct mw_http_engine *engine = remote->engine;
  atomic_fetch_add_explicit(&remote->refs, 1, memory_order_relaxed);
  remote->running = true;
  if (!remote->begun) begin(remote);
  serve(remote);
  remote->running = false;
  mw_http_remote_unref(remote);
  int64_t ran = mw_clock_mono() - mw_run_queue_now(&engine->dispatch->queue);
  if (ran > SEND_AFTER_NS) mw_http_worker_pool_send(engine->slot);
}

static void make_ready(struct mw_http_remote *remote) {
  struct mw_call *call = &remote->call;
  if (remote->running || remote->item.lane || call->finished) return;
  bool request = mw_call_is_request(call, remote->begun);
  remote->item.deadline = request ? call->deadline : MW_NEVER;
  remote->item.arrived = request ? call->arrived : mw_clock_mono();
  mw_run_lane_add(&remote->engine->turn.remote_lane, &remote->item);
}

static void op_read(struct mw_call *call) { make_ready(remote_of(call)); }

/* ---- sending ---- */

/* Asks the origin for room for each message: if it published its room, all remote calls of a connection would use the
 * same. */
static bool op_has_room(struct mw_call *call, size_t size) {
  struct mw_http_remote *remote = remote_of(call);
  bool has_room = remote->room >= size;
  remote->room = 0;
  if (has_room || remote->room_asked) return has_room;
  remote->room_asked = true;
  pending_of(remote)->room = size;
  return false;
}

static uint8_t *op_reserve(struct mw_call *call, size_t size) {
  struct mw_http_remote *remote = remote_of(call);
  mw_http_block_free(remote->reserved);
  remote->reserved = mw_http_block_new(size);
  return remote->reserved ? remote->reserved->bytes + MW_HTTP_PREFIX : NULL;
}

static void op_send_headers(struct mw_call *call) { pending_of(remote_of(call))->headers = true; }

static void op_send(struct mw_call *call, unsigned flags) {
  struct mw_http_remote *remote = remote_of(call);
  struct mw_http_events *pending = pending_of(remote);
  remote->reserved->plain = flags & MW_SEND_PLAIN;
  mw_http_events_add(pending, remote->reserved);
  remote->reserved = NULL;
  pending->headers = true;
  pending->with_last = flags & MW_SEND_LAST;
}

/* Sends the end of the call to the origin, and releases the executor's reference. */
static void send_finish(struct mw_http_remote *remote, struct mw_status status) {
  struct mw_http_events *pending = pending_of(remote);
  pending->headers = true;
  pending->finished = true;
  pending->status = status;
  mw_list_remove(&remote->link);
  mw_run_item_remove(&remote->item);
  atomic_fetch_sub_explicit(&remote->engine->slot->remote_calls, 1, memory_order_relaxed);
  mw_http_remote_unref(remote);
}

/* Ends a call whose handler has not started, or was detached. */
static void end(struct mw_http_remote *remote, struct mw_status status) {
  remote->call.finished = true;
  send_finish(remote, status);
}

static void op_finish(struct mw_call *call, const struct mw_status *status) {
  struct mw_http_remote *remote = remote_of(call);
  send_finish(remote, mw_status_copy(&call->arena, status));
}

static const struct mw_engine_call_ops ops = {
    .read = op_read,
    .reserve = op_reserve,
    .send = op_send,
    .send_headers = op_send_headers,
    .finish = op_finish,
    .has_room = op_has_room,
};

/* ---- the origin's events ---- */

/* A new call. Its item in the run queue starts it later. */
static void adopt(struct mw_http_remote *remote, struct mw_http_engine *engine) {
  remote->engine = engine;
  mw_list_push(&engine->remote_calls, &remote->link);
  remote->call.ops = &ops;
  if (engine->closing) end(remote, mw_status_shutting_down());
}

static void cancel(struct mw_http_remote *remote, struct mw_status status) {
  if (remote->begun) {
    mw_call_on_cancel(&remote->call, status);
  } else {
    end(remote, status);
  }
}

static void take(struct mw_http_remote *remote, struct mw_http_events *events) {
  struct mw_call *call = &remote->call;
  if (events->first) {
    assert(!remote->arrived);
    remote->arrived = mw_http_events_shift(events);
    remote->encoding = events->encoding;
    remote->asked = false;
  }
  if (events->ended) remote->no_more = true;
  if (events->sent > 0) mw_call_on_sent(call, events->sent);
  if (events->cancelled && !call->finished) cancel(remote, events->status);
  if (events->room > 0 && !call->finished) {
    remote->room_asked = false;
    remote->room = events->room;
    mw_call_on_room(call);
  }
  make_ready(remote);
}

void mw_http_remote_executor_take(struct mw_http_channel *channel, struct mw_http_events *events) {
  struct mw_http_remote *remote = MW_CONTAINER(channel, struct mw_http_remote, to_executor);
  if (events->begun) adopt(remote, channel->to->engine);
  if (!remote->call.finished) take(remote, events);
  mw_http_events_clear(events);
  mw_http_remote_unref(remote);
}

/* The origin's engine is closed; it has cancelled the call before. */
void mw_http_remote_executor_fail(struct mw_http_channel *channel) {
  mw_http_remote_unref(MW_CONTAINER(channel, struct mw_http_remote, to_origin));
}

void mw_http_remote_close_all(struct mw_http_engine *engine) {
  while (!mw_list_empty(&engine->remote_calls)) {
    struct mw_http_remote *remote = MW_CONTAINER(engine->remote_calls.next, struct mw_http_remote, link);
    mw_list_remove(&remote->call.link);
    end(remote, mw_status_shutting_down());
  }
}
