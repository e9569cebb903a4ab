#include "engine/http/conn/turn.h"

#include "base/clock.h"
#include "engine/http/conn/call.h"
#include "engine/http/conn/conn.h"
#include "engine/http/sharing/remote.h"

/* Of running and writing in a turn: a client that reads as fast as its calls send must not starve the loop. */
enum { ROUNDS = 4 };

/* Publishes to the other workers whether this one is idle. */
static void show_waiting(struct mw_http_turn *turn, bool waiting) {
  struct mw_http_seat *seat = MW_CONTAINER(turn, struct mw_http_engine, turn)->seat;
  if (seat) atomic_store_explicit(&seat->waiting, waiting, memory_order_relaxed);
}

static struct mw_dispatch *dispatch_of(const struct mw_http_turn *turn) {
  return MW_CONTAINER(turn, const struct mw_http_engine, turn)->dispatch;
}

static void recycle_calls(struct mw_http_turn *turn) {
  struct mw_list *node;
  while ((node = mw_list_shift(&turn->over))) mw_http_call_recycle(MW_CONTAINER(node, struct mw_http_call, item.link));
}

void mw_http_turn_run_ready(struct mw_http_turn *turn) {
  struct mw_run_queue *queue = &dispatch_of(turn)->queue;
  recycle_calls(turn);
  if (queue->n == 0) return;
  show_waiting(turn, false);
  mw_run_queue_run(queue);
  recycle_calls(turn);
}

void mw_http_turn_run_read(struct mw_http_turn *turn) {
  if (!dispatch_of(turn)->queue.behind) mw_http_turn_run_ready(turn);
}

/* Returns the end of the newest poll: libuv updates uv_now() then. */
static int64_t poll_end(const struct mw_http_turn *turn) {
  const struct mw_http_engine *engine = MW_CONTAINER(turn, const struct mw_http_engine, turn);
  return (int64_t)uv_now(&engine->loop->uv) * MW_NS_PER_MS;
}

/* A poll that has blocked had nothing to report when it began, so later bytes arrived at its end. */
int64_t mw_http_turn_earliest(const struct mw_http_turn *turn) {
  enum { WAITED_NS = 2 * MW_NS_PER_MS };
  int64_t ended = poll_end(turn);
  return ended - turn->asleep > WAITED_NS ? ended : turn->polled;
}

/* Flushes each connection once. One with more to write goes back into the list. */
static void flush(struct mw_http_turn *turn) {
  if (mw_list_empty(&turn->dirty)) return;
  struct mw_list list = turn->dirty;
  list.next->prev = list.prev->next = &list;
  mw_list_init(&turn->dirty);
  struct mw_list *node;
  while ((node = mw_list_shift(&list))) mw_http_conn_flush(MW_CONTAINER(node, struct mw_http_conn, dirty));
}

static bool is_left(const struct mw_http_turn *turn) {
  return dispatch_of(turn)->queue.n > 0 || !mw_list_empty(&turn->over) || !mw_list_empty(&turn->dirty);
}

static void on_idle(uv_idle_t *idle) {}

static void work(struct mw_http_turn *turn) {
  bool left = true;
  for (int round = 0; left && round < ROUNDS; round++) {
    mw_http_turn_run_ready(turn);
    flush(turn);
    left = is_left(turn);
    if (dispatch_of(turn)->queue.over && mw_list_empty(&turn->dirty)) break;
  }
  mw_http_team_send(MW_CONTAINER(turn, struct mw_http_engine, turn));
  if (left) {
    uv_idle_start(&turn->idle, on_idle);
  } else {
    uv_idle_stop(&turn->idle);
  }
}

static void on_prepare(uv_prepare_t *prepare) {
  struct mw_http_turn *turn = MW_CONTAINER(prepare, struct mw_http_turn, prepare);
  work(turn);
  show_waiting(turn, !is_left(turn));
  mw_dispatch_end_turn(dispatch_of(turn));
  turn->asleep = mw_clock_mono();
}

static void on_check(uv_check_t *check) {
  struct mw_http_turn *turn = MW_CONTAINER(check, struct mw_http_turn, check);
  turn->polled = poll_end(turn);
  work(turn);
}

static void start(struct mw_http_engine *engine, void *handle) {
  ((uv_handle_t *)handle)->data = engine;
  mw_http_engine_enter(engine);
}

/* None of these three starts can fail. */
void mw_http_turn_init(struct mw_http_engine *engine) {
  struct mw_http_turn *turn = &engine->turn;
  uv_loop_t *loop = &engine->loop->uv;
  mw_list_init(&turn->over);
  mw_list_init(&turn->dirty);
  mw_run_lane_init(&turn->guests, &engine->dispatch->queue);
  turn->polled = turn->asleep = mw_clock_mono();
  uv_prepare_init(loop, &turn->prepare);
  uv_check_init(loop, &turn->check);
  uv_idle_init(loop, &turn->idle);
  start(engine, &turn->prepare);
  start(engine, &turn->check);
  start(engine, &turn->idle);
  uv_prepare_start(&turn->prepare, on_prepare);
  uv_check_start(&turn->check, on_check);
}

static void on_closed(uv_handle_t *handle) { mw_http_engine_leave(handle->data); }

void mw_http_turn_close(struct mw_http_engine *engine) {
  uv_close((uv_handle_t *)&engine->turn.prepare, on_closed);
  uv_close((uv_handle_t *)&engine->turn.check, on_closed);
  uv_close((uv_handle_t *)&engine->turn.idle, on_closed);
}
