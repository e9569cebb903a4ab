/* Forwarding: calls that arrived on this worker and run on others, beside the calls of its dispatch. A handler of the
 * engine receives their events and passes them on. The other worker's dispatch routes, counts and logs them, so here
 * they have no route and no id. */
#ifndef MW_RPC_FORWARD_H
#define MW_RPC_FORWARD_H

#include "rpc/engine.h"

/* Starts a call whose path, peer, arrival, deadline, request metadata, arena and ops are set; `single`: its method
 * takes one request. `writable` of its handler runs once all messages have left. */
void mw_forward_start(struct mw_forwarder *forwarder, struct mw_call *call, const struct mw_handler *handler,
                      bool single);

/* Ends a call that its handler has finished. For rpc/call.c. */
static inline void mw_forward_finish(struct mw_call *call, const struct mw_status *status) {
  call->forwarder->live--;
  mw_list_remove(&call->link);
  call->ops->finish(call, status);
}

/* Ends every call with `status` (the handlers' `cancelled` run). */
void mw_forward_cancel_all(struct mw_forwarder *forwarder, struct mw_status status);

#endif
