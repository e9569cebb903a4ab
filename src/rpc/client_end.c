#include <stdlib.h>

#include "rpc/client_rpc_impl.h"

void mw_client_rpc_free(struct mw_client_rpc *rpc) {
  while (rpc->held) {
    struct mw_held_message *next = rpc->held->next;
    free(rpc->held);
    rpc->held = next;
  }
  free(rpc->reserved);
  mw_arena_fini(&rpc->arena);
  free(rpc);
}

void mw_client_rpc_leave(struct mw_client_rpc *rpc) {
  if (--rpc->entered == 0 && rpc->released) mw_client_rpc_free(rpc);
}

static void release_call(struct mw_attempt *attempt) {
  struct mw_client_call *call = attempt->call;
  attempt->call = NULL;
  attempt->empty_headers = false;
  attempt->rpc->active--;
  if (!attempt->rpc->ops->local) attempt->rpc->loop->n_remote--;
  attempt->rpc->ops->release(call);
}

void mw_client_rpc_drop(struct mw_client_rpc *rpc, const struct mw_attempt *but) {
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    struct mw_attempt *attempt = &rpc->attempts[i];
    if (attempt->call && attempt != but) release_call(attempt);
  }
}

void mw_client_rpc_stop_timers(struct mw_client_rpc *rpc) {
  mw_timer_stop(rpc->timer);
  mw_timer_stop(rpc->headers_timer);
  rpc->timer = rpc->headers_timer = NULL;
  if (rpc->ending) mw_loop_unpost(rpc->loop, &rpc->end);
  rpc->ending = false;
}

void mw_client_rpc_finish(struct mw_client_rpc *rpc, const struct mw_status *status,
                          const struct mw_metadata *trailers) {
  if (rpc->done) return;
  mw_client_rpc_enter(rpc);
  mw_client_rpc_stop_timers(rpc);
  mw_client_rpc_drop(rpc, NULL);
  rpc->done = true;
  if (status->code == MW_CODE_OK && rpc->channel) mw_throttle_succeeded(rpc->channel->throttle);
  rpc->events->done(rpc->user, status, trailers);
  mw_client_rpc_leave(rpc);
}
