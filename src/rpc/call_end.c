#include "rpc/call_end.h"

#include <stdio.h>

#include "base/clock.h"
#include "rpc/engine.h"

enum { SHOWN_PATH = 256, SHOWN_MESSAGE = 1024 };

void mw_dispatch_add_trailers(const struct mw_dispatch *dispatch, const struct mw_router *router,
                              struct mw_call *call) {
  if (!dispatch->show_generation || !router) return;
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)router->generation);
  mw_metadata_add(&call->trailers, &call->arena, mw_slice_str(MW_GENERATION_TRAILER), mw_slice_str(number));
}

void mw_dispatch_log_failed(const struct mw_call *call, struct mw_slice path, const struct mw_status *status) {
  if (status->code == MW_CODE_OK || !mw_log_enabled(MW_LOG_DEBUG)) return;
  char method[SHOWN_PATH + 1], message[SHOWN_MESSAGE + 1], ms[32];
  snprintf(method, sizeof method, "%.*s", (int)path.len, (const char *)path.data);
  snprintf(message, sizeof message, "%.*s", (int)status->message.len, (const char *)status->message.data);
  snprintf(ms, sizeof ms, "%.3f", (double)(mw_clock_mono() - call->arrived) / MW_NS_PER_MS);
  struct mw_log_context *context = mw_log_context(), kept = *context;
  if (context->call != call->id) context->trace_id = NULL;
  context->call = call->id;
  context->method = method;
  if (call->route) context->generation = call->route->router->generation;
  struct mw_log_field fields[] = {
      {"code", mw_code_name(status->code)}, {"ms", ms}, {"peer", call->peer}, {"message", message}, {0}};
  mw_log(MW_LOG_DEBUG, fields, "call failed");
  *context = kept;
}

void mw_dispatch_count(struct mw_dispatch *dispatch, const struct mw_call *call, enum mw_code code) {
  if (!dispatch->metrics) return;
  mw_call_stats_add(&dispatch->stats, dispatch->metrics, call->route->method->path, code,
                    mw_clock_mono() - call->arrived, call->started - call->arrived, call->received, call->sent);
}

/* Unpins the route of a call that has left the list, and runs `idle` after the last one. */
static void unpin(struct mw_dispatch *dispatch, const struct mw_route *route) {
  struct mw_router *router = route->router;
  if (--router->calls == 0 && router->unpinned) router->unpinned(router->unpinned_arg);
  mw_dispatch_set_live(dispatch, dispatch->live - 1);
  if (dispatch->live == 0 && dispatch->idle) dispatch->idle(dispatch->idle_arg);
}

void mw_dispatch_finish(struct mw_call *call, const struct mw_status *status, const struct mw_status *shown) {
  struct mw_dispatch *dispatch = call->dispatch;
  const struct mw_route *route = call->route;
  mw_dispatch_count(dispatch, call, status->code);
  if (status->code != MW_CODE_OK) mw_dispatch_log_failed(call, mw_slice_str(route->method->path), status);
  mw_dispatch_add_trailers(dispatch, route->router, call);
  mw_list_remove(&call->link);
  call->ops->finish(call, shown);
  unpin(dispatch, route);
}
