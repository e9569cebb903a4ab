#include "engine/http/sharing/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/http/conn/engine.h"
#include "engine/http/conn/reply.h"

/* Thresholds for passing calls on: the time that the calls of this turn have taken so far, and the mean of one call. */
enum { BUSY_NS = 100 * 1000, WORTH_NS = 10 * 1000 };

/* ---- the handler of a call that runs on another worker ---- */

static struct mw_http_parcel *draft_of(struct mw_call *call) {
  struct mw_http_remote *remote = call->state;
  return mw_http_lane_draft(&remote->to_guest, remote->home->conn->engine->seat);
}

/* Runs at most once. The guest reads the status when the owner's call may be over, so `verdict` keeps the text. */
static void send_cancelled(struct mw_call *call, struct mw_status status) {
  struct mw_http_remote *remote = call->state;
  struct mw_http_parcel *draft = draft_of(call);
  snprintf(remote->verdict, sizeof remote->verdict, "%.*s", (int)status.message.len, (const char *)status.message.data);
  draft->cancelled = true;
  draft->status = mw_status(status.code, remote->verdict);
}

/* Reads the first message at once, so that it goes out in one batch with the call. */
static void on_start(struct mw_call *call) {
  struct mw_http_call *home = MW_CONTAINER(call, struct mw_http_call, call);
  call->state = home->remote;
  draft_of(call)->begun = true;
  mw_call_read(call);
}

static void on_message(struct mw_call *call, struct mw_slice bytes) {
  struct mw_http_block *message = mw_http_block_new(bytes.len);
  if (!message) {
    mw_call_on_cancel(call, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a message"));
    return;
  }
  if (bytes.len > 0) memcpy(message->bytes + MW_HTTP_PREFIX, bytes.data, bytes.len);
  struct mw_http_parcel *draft = draft_of(call);
  mw_http_parcel_add(draft, message);
  draft->encoding = call->request_encoding;
}

static void on_end(struct mw_call *call) { draft_of(call)->ended = true; }

/* Reserves room in the backlog for the guest's message, if there is some. */
static void promise_room(struct mw_http_remote *remote) {
  struct mw_http_call *home = remote->home;
  if (remote->room_wanted == 0 || !mw_send_backlog_has_room(&home->backlog_share)) return;
  home->promised = remote->room_wanted;
  remote->room_wanted = 0;
  mw_http_call_count(home);
  draft_of(&home->call)->room = home->promised;
}

static void on_writable(struct mw_call *call) {
  struct mw_http_remote *remote = call->state;
  promise_room(remote);
  uint64_t departed = call->sent - call->unsent;
  draft_of(call)->departed += (uint32_t)(departed - remote->reported);
  remote->reported = departed;
}

static const struct mw_handler handler = {on_start, on_message, on_end, on_writable, send_cancelled};

/* The two kinds of methods that the owner's side distinguishes. */
static const struct mw_method_type single = {.path = "", .client_streaming = false};
static const struct mw_method_type streamed = {.path = "", .client_streaming = true};

/* ---- passing on ---- */

void mw_http_remote_init(struct mw_http_engine *engine) {
  mw_list_init(&engine->guests);
  mw_dispatch_init(&engine->away, engine->dispatch->engine, engine->dispatch->worker);
  engine->away.send_limit = 1; /* so that `writable` runs once all messages have left */
  engine->dispatch->away = &engine->away;
  mw_router_init(&engine->away_router, 0);
  for (int i = 0; i < 2; i++) {
    engine->away_routes[i] = (struct mw_route){
        .method = i == 0 ? &single : &streamed, .handler = &handler, .router = &engine->away_router};
  }
}

static struct mw_http_remote *remote_new(struct mw_http_call *home, struct mw_http_seat *guest) {
  struct mw_http_remote *remote = calloc(1, sizeof *remote);
  if (!remote) return NULL;
  struct mw_http_engine *engine = home->conn->engine;
  atomic_init(&remote->refs, 2);
  mw_http_lane_init(&remote->to_guest, guest, &remote->refs, mw_http_remote_guest_take, mw_http_remote_owner_fail);
  mw_http_lane_init(&remote->to_owner, engine->seat, &remote->refs, mw_http_remote_owner_take,
                    mw_http_remote_guest_fail);
  mw_list_init(&remote->link);
  mw_run_item_init(&remote->item, mw_http_remote_run);
  remote->home = home;
  remote->asked = true; /* on_start() reads the first message */
  memcpy(remote->peer, home->conn->peer, sizeof remote->peer);
  struct mw_call *call = &remote->call;
  mw_list_init(&call->link);
  call->path = home->call.path;
  call->peer = remote->peer;
  call->arrived = home->call.arrived;
  call->deadline = home->call.deadline;
  call->request = home->call.request;
  call->arena = home->call.arena;
  mw_arena_init(&home->call.arena, SIZE_MAX);
  return remote;
}

static bool is_busy(const struct mw_run_queue *queue) {
  return (queue->behind || queue->spent > BUSY_NS) && mw_run_queue_mean(queue) > WORTH_NS;
}

static bool is_expired(const struct mw_http_call *home, const struct mw_run_queue *queue) {
  return mw_run_queue_now(queue) >= home->call.deadline;
}

static bool start(struct mw_http_call *home) {
  struct mw_http_engine *engine = home->conn->engine;
  const struct mw_run_queue *queue = &engine->dispatch->queue;
  if (!is_busy(queue) || engine->draining || is_expired(home, queue)) return false;
  struct mw_http_seat *guest = mw_http_team_choose(engine->team, engine->seat, queue->n + 1);
  if (!guest) {
    mw_http_team_send(engine->seat); /* the guests can work while this call runs here */
    return false;
  }
  const struct mw_route *route = mw_router_find(engine->dispatch->router, home->call.path);
  if (!route) return false;
  home->remote = remote_new(home, guest);
  if (!home->remote) return false;
  atomic_fetch_add_explicit(&guest->guests, 1, memory_order_relaxed);
  const struct mw_route *away = &engine->away_routes[route->method->client_streaming];
  mw_dispatch_start_at(&engine->away, &home->call, away);
  return true;
}

static void end(struct mw_http_remote *remote) {
  struct mw_call *call = &remote->home->call;
  if (!call->finished && !call->cancelled) send_cancelled(call, mw_status_shutting_down());
  remote->home = NULL;
  mw_http_remote_unref(remote);
}

static void send_pending(struct mw_http_engine *engine) { mw_http_team_send(engine->seat); }

static void set_idle(struct mw_http_engine *engine, bool idle) {
  atomic_store_explicit(&engine->seat->waiting, idle, memory_order_relaxed);
}

static const struct mw_http_sharing sharing = {.start = start, .end = end, .send = send_pending, .set_idle = set_idle};

void mw_http_remote_join(struct mw_http_engine *engine, struct mw_engine_team *team) {
  engine->seat = mw_http_team_join(team, engine, engine->loop);
  if (!engine->seat) return;
  engine->team = team;
  engine->sharing = &sharing;
}

void mw_http_remote_leave(struct mw_http_engine *engine) {
  if (!engine->sharing) return;
  mw_http_team_leave(engine->seat);
  engine->sharing = NULL;
}

/* ---- the guest's events ---- */

/* The guest does not change its headers any more. */
static void share_headers(struct mw_call *call, const struct mw_call *guest) {
  call->headers = guest->headers;
  call->reply_encoding = guest->reply_encoding;
}

static void pass_on(struct mw_http_call *home, struct mw_http_block *message) {
  bool plain = message->plain;
  home->promised = 0;
  mw_http_outbox_adopt(&home->outbox, message);
  if (plain) {
    mw_call_send_plain(&home->call);
  } else {
    mw_call_send(&home->call);
  }
}

static void finish(struct mw_http_call *home, struct mw_http_parcel *parcel, struct mw_http_block *last) {
  home->call.trailers = home->remote->call.trailers;
  home->promised = 0;
  mw_http_call_count(home);
  if (last) {
    mw_http_outbox_adopt(&home->outbox, last);
    mw_call_fill_last(&home->call);
  }
  mw_call_finish(&home->call, &parcel->status);
}

static void take(struct mw_http_call *home, struct mw_http_parcel *parcel) {
  struct mw_call *call = &home->call;
  if (parcel->headers && !call->headers_sent) share_headers(call, &home->remote->call);
  if (parcel->headers && !parcel->first && !parcel->finished) mw_call_send_headers(call);
  struct mw_http_block *message;
  while (parcel->first != (parcel->with_last ? parcel->last : NULL)) pass_on(home, mw_http_parcel_shift(parcel));
  message = mw_http_parcel_shift(parcel);
  if (parcel->room > 0) home->remote->room_wanted = parcel->room;
  promise_room(home->remote);
  if (parcel->finished) {
    finish(home, parcel, message);
  } else if (parcel->wanted && !call->reading && !call->ended) {
    mw_call_read(call);
  }
}

void mw_http_remote_owner_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel) {
  struct mw_http_remote *remote = MW_CONTAINER(lane, struct mw_http_remote, to_owner);
  if (remote->home && !remote->home->call.finished) take(remote->home, parcel);
  mw_http_parcel_empty(parcel);
  mw_http_remote_unref(remote);
}

void mw_http_remote_owner_fail(struct mw_http_lane *lane) {
  struct mw_http_remote *remote = MW_CONTAINER(lane, struct mw_http_remote, to_guest);
  if (remote->home && !remote->home->call.finished) {
    struct mw_status status = mw_status_shutting_down();
    mw_call_finish(&remote->home->call, &status);
  }
  mw_http_remote_unref(remote);
}
