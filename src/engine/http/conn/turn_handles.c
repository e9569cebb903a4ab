#include "engine/http/conn/turn_handles.h"

#include "base/clock.h"
#include "engine/http/conn/conn_io.h"

/* Of running and writing in a turn: a client that reads as fast as its calls send must not starve the loop. */
enum { ROUNDS = 4 };

static struct mw_http_engine *engine_of(struct mw_http_turn *turn) {
  return MW_CONTAINER(turn, struct mw_http_engine, turn);
}

/* Flushes each connection once. One with more to write goes back into the list. */
static void flush(struct mw_http_turn *turn) {
  if (mw_list_empty(&turn->to_flush)) return;
  struct mw_list list = turn->to_flush;
  list.next->prev = list.prev->next = &list;
  mw_list_init(&turn->to_flush);
  struct mw_list *node;
  while ((node = mw_list_shift(&list))) mw_http_conn_flush(MW_CONTAINER(node, struct mw_http_conn, dirty));
}

static bool has_work(struct mw_http_turn *turn) {
  return engine_of(turn)->dispatch->queue.n > 0 || !mw_list_empty(&turn->recyclable) || !mw_list_empty(&turn->to_flush);
}

static void on_idle(uv_idle_t *idle) {}

static void work(struct mw_http_turn *turn) {
  bool more = true;
  for (int round = 0; more && round < ROUNDS; round++) {
    mw_http_turn_run_ready(turn);
    flush(turn);
    more = has_work(turn);
    if (engine_of(turn)->dispatch->queue.over && mw_list_empty(&turn->to_flush)) break;
  }
  mw_http_engine_send_shared(engine_of(turn));
  mw_http_turn_watch_responses(turn);
  if (more) {
    uv_idle_start(&turn->idle, on_idle);
  } else {
    uv_idle_stop(&turn->idle);
  }
}

static void on_prepare(uv_prepare_t *prepare) {
  struct mw_http_turn *turn = MW_CONTAINER(prepare, struct mw_http_turn, prepare);
  work(turn);
  mw_http_engine_set_idle(engine_of(turn), !has_work(turn));
  mw_dispatch_end_turn(engine_of(turn)->dispatch);
  turn->poll_began = mw_clock_mono();
}

static void on_check(uv_check_t *check) {
  struct mw_http_turn *turn = MW_CONTAINER(check, struct mw_http_turn, check);
  turn->poll_ended = mw_http_turn_poll_end(turn);
  work(turn);
}

static void start(struct mw_http_engine *engine, void *handle) {
  ((uv_handle_t *)handle)->data = engine;
  mw_http_engine_enter(engine);
}

/* None of these three starts can fail. */
void mw_http_turn_open(struct mw_http_engine *engine) {
  struct mw_http_turn *turn = &engine->turn;
  uv_loop_t *loop = &engine->loop->uv;
  mw_list_init(&turn->recyclable);
  mw_list_init(&turn->answered);
  mw_list_init(&turn->to_flush);
  mw_run_lane_init(&turn->remote_lane, &engine->dispatch->queue);
  turn->poll_ended = turn->poll_began = mw_clock_mono();
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
