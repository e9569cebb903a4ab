#include "engine/http/turn.h"

#include "engine/http/call.h"
#include "engine/http/conn.h"
#include "engine/http/remote.h"

/* A client that takes everything as fast as it is made must not keep the loop from all else. */
enum { ROUNDS = 4 };

/* Tells the team whether there is something to do here. */
static void show_waiting(struct mw_http_turn *turn, bool waiting) {
  struct mw_http_seat *seat = MW_CONTAINER(turn, struct mw_http_engine, turn)->seat;
  if (seat) atomic_store_explicit(&seat->waiting, waiting, memory_order_relaxed);
}

void mw_http_turn_run_ready(struct mw_http_turn *turn) {
  struct mw_list *node;
  if (!mw_list_empty(&turn->ready)) show_waiting(turn, false);
  turn->begun = 0;
  while ((node = mw_list_shift(&turn->remotes))) mw_http_remote_run(MW_CONTAINER(node, struct mw_http_remote, ready));
  while ((node = mw_list_shift(&turn->ready))) mw_http_call_run(MW_CONTAINER(node, struct mw_http_call, ready));
}

/* Each once: one that has more to write comes into the list again. */
static void flush(struct mw_http_turn *turn) {
  if (mw_list_empty(&turn->dirty)) return;
  struct mw_list list = turn->dirty;
  list.next->prev = list.prev->next = &list;
  mw_list_init(&turn->dirty);
  struct mw_list *node;
  while ((node = mw_list_shift(&list))) mw_http_conn_flush(MW_CONTAINER(node, struct mw_http_conn, dirty));
}

static bool is_left(const struct mw_http_turn *turn) {
  return !mw_list_empty(&turn->ready) || !mw_list_empty(&turn->remotes) || !mw_list_empty(&turn->dirty);
}

static void on_idle(uv_idle_t *idle) {}

static void work(struct mw_http_turn *turn) {
  bool left = true;
  for (int round = 0; left && round < ROUNDS; round++) {
    mw_http_turn_run_ready(turn);
    flush(turn);
    left = is_left(turn);
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
}

static void on_check(uv_check_t *check) { work(MW_CONTAINER(check, struct mw_http_turn, check)); }

static void start(struct mw_http_engine *engine, void *handle) {
  ((uv_handle_t *)handle)->data = engine;
  mw_http_engine_enter(engine);
}

/* None of these three starts can fail. */
void mw_http_turn_init(struct mw_http_engine *engine) {
  struct mw_http_turn *turn = &engine->turn;
  uv_loop_t *loop = &engine->loop->uv;
  mw_list_init(&turn->ready);
  mw_list_init(&turn->dirty);
  mw_list_init(&turn->remotes);
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
