#include "engine/core/queue.h"

#include <assert.h>
#include <stddef.h>

void mw_core_queue_init(struct mw_core_queue *queue) {
  queue->cq = grpc_completion_queue_create_for_next(NULL);
  queue->lame = grpc_lame_client_channel_create("waker", GRPC_STATUS_UNAVAILABLE, "never called");
  queue->waker = grpc_channel_create_call(queue->lame, NULL, 0, queue->cq, grpc_slice_from_static_string("/wake"), NULL,
                                          gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

void mw_core_queue_shutdown(struct mw_core_queue *queue) {
  grpc_call_unref(queue->waker);
  grpc_channel_destroy(queue->lame);
  grpc_completion_queue_shutdown(queue->cq);
}

void mw_core_queue_fini(struct mw_core_queue *queue) { grpc_completion_queue_destroy(queue->cq); }

void mw_core_queue_make_event(struct mw_core_queue *queue, struct mw_core_tag *tag) {
  grpc_call_error error = grpc_call_start_batch(queue->waker, NULL, 0, tag, NULL);
  assert(error == GRPC_CALL_OK);
  (void)error;
}

static gpr_timespec after_ms(int64_t ms) {
  if (ms < 0) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  if (ms == 0) return gpr_inf_past(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

grpc_event mw_core_queue_take(struct mw_core_queue *queue, int64_t timeout_ms) {
  return grpc_completion_queue_next(queue->cq, after_ms(timeout_ms), NULL);
}

bool mw_core_queue_next(struct mw_core_queue *queue, int64_t timeout_ms) {
  grpc_event event = mw_core_queue_take(queue, timeout_ms);
  if (event.type != GRPC_OP_COMPLETE) return false;
  struct mw_core_tag *tag = event.tag;
  tag->done(tag, event.success != 0);
  return true;
}
