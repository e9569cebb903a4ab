/* The end of a call in its dispatch: statistics, the debug log, the trailers of the runtime, and the pin on the call's
 * generation. For this layer, and for engines that refuse requests themselves. */
#ifndef MW_RPC_CALL_END_H
#define MW_RPC_CALL_END_H

#include "rpc/dispatch.h"

/* Ends a call that has a handler and is marked as finished: counts and logs it with `status`, sends `shown` by the
 * engine, unpins the route, and runs `idle` after the last call. The call then belongs to the engine. */
void mw_dispatch_finish(struct mw_call *call, const struct mw_status *status, const struct mw_status *shown);

/* Adds the trailers of the runtime to a finishing call that `router` routed. */
void mw_dispatch_add_trailers(const struct mw_dispatch *dispatch, const struct mw_router *router, struct mw_call *call);

/* Counts a call that finishes. */
void mw_dispatch_count(struct mw_dispatch *dispatch, const struct mw_call *call, enum mw_code code);

/* Logs a call of `path` that ends with `status`, at `debug`, unless it is OK. Before the call's memory is freed. */
void mw_dispatch_log_failed(const struct mw_call *call, struct mw_slice path, const struct mw_status *status);

/* Sets the number of live calls, and its gauge. */
static inline void mw_dispatch_set_live(struct mw_dispatch *dispatch, size_t live) {
  dispatch->live = live;
  if (dispatch->live_gauge) mw_metric_set(dispatch->live_gauge, (double)live);
}

#endif
