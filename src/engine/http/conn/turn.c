#include "engine/http/conn/turn.h"

#include "base/clock.h"
#include "engine/http/conn/call.h"

static struct mw_http_engine *engine_of(struct mw_http_turn *turn) {
  return MW_CONTAINER(turn, struct mw_http_engine, turn);
}

static void recycle_calls(struct mw_http_turn *turn) {
  struct mw_list *node;
  while ((node = mw_list_shift(&turn->recyclable)))
    mw_http_call_recycle(MW_CONTAINER(node, struct mw_http_call, item.link));
}

void mw_http_turn_run_ready(struct mw_http_turn *turn) {
  struct mw_run_queue *queue = &engine_of(turn)->dispatch->queue;
  recycle_calls(turn);
  if (queue->n == 0) return;
  mw_http_engine_set_idle(engine_of(turn), false);
  mw_run_queue_run(queue);
  recycle_calls(turn);
}

void mw_http_turn_run_read(struct mw_http_turn *turn) {
  if (!engine_of(turn)->dispatch->queue.behind) mw_http_turn_run_ready(turn);
}

void mw_http_turn_watch_responses(struct mw_http_turn *turn) {
  struct mw_list *node;
  while ((node = mw_list_shift(&turn->answered))) {
    mw_http_call_watch_response(MW_CONTAINER(node, struct mw_http_call, answered));
  }
}

int64_t mw_http_turn_poll_end(const struct mw_http_turn *turn) {
  return (int64_t)uv_now(turn->check.loop) * MW_NS_PER_MS;
}

/* A poll that has blocked had nothing to report when it began, so later bytes arrived at its end. */
int64_t mw_http_turn_earliest(const struct mw_http_turn *turn) {
  enum { WAITED_NS = 2 * MW_NS_PER_MS };
  int64_t ended = mw_http_turn_poll_end(turn);
  return ended - turn->poll_began > WAITED_NS ? ended : turn->poll_ended;
}
