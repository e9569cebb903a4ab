#include "engine/http/conn/call_queue.h"

#include "rpc/rules.h"

static void queue(struct mw_http_call *c) {
  struct mw_run_queue *queue = &c->conn->engine->dispatch->queue;
  bool request = mw_call_is_request(&c->call, c->phase == MW_HTTP_REQUEST_BEGUN);
  bool first = request && mw_dispatch_is_priority(c->request.path);
  c->item.deadline = request ? c->call.deadline : MW_NEVER;
  c->item.arrived = request ? c->call.arrived : c->conn->arrived;
  mw_run_lane_add(first ? &queue->first : &c->conn->lane, &c->item);
}

void mw_http_call_queue(struct mw_http_call *c) {
  if (c->running) return;
  if (mw_http_call_is_over(c)) {
    mw_run_item_remove(&c->item);
    mw_http_turn_add(&c->conn->engine->turn.recyclable, &c->item.link);
  } else if (!c->item.lane && c->phase != MW_HTTP_REQUEST_OPEN) {
    queue(c);
  }
}
