#include "rpc/dispatch.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "rpc/call_end.h"
#include "rpc/engine.h"
#include "rpc/rules.h"
#include "schema/pool/pool.h"

enum { SEND_LIMIT = 32, SHOWN_PATH = 256, IDS = 1024 };

/* Dispatches reserve IDS ids at a time, so that workers seldom write to this cache line. */
static atomic_uint_fast64_t ids_taken;

void mw_dispatch_init(struct mw_dispatch *dispatch, const char *engine, unsigned worker) {
  *dispatch = (struct mw_dispatch){
      .engine = engine, .worker = worker, .send_limit = SEND_LIMIT, .stats = MW_CALL_STATS_INIT};
  mw_run_queue_init(&dispatch->queue);
  mw_list_init(&dispatch->calls);
  mw_list_init(&dispatch->forwarder.calls);
}

void mw_dispatch_fini(struct mw_dispatch *dispatch) {
  assert(mw_list_empty(&dispatch->calls) && mw_list_empty(&dispatch->forwarder.calls) && dispatch->queue.n == 0);
  mw_call_stats_fini(&dispatch->stats);
}

/* ---- calls that get no handler ---- */

/* Returns the "package.Service" of "/package.Service/Method"; empty for a malformed path. */
static struct mw_slice service_of(struct mw_slice path) {
  if (path.len < 2 || path.data[0] != '/') return mw_slice(NULL, 0);
  const uint8_t *slash = memchr(path.data + 1, '/', path.len - 1);
  return slash ? mw_slice(path.data + 1, (size_t)(slash - path.data) - 1) : mw_slice(NULL, 0);
}

/* True if the schema has a method of this path. */
static bool has_method(const struct mw_service_type *service, struct mw_slice path) {
  for (size_t i = 0; i < service->n_methods; i++) {
    if (mw_slice_eq_str(path, service->methods[i].path)) return true;
  }
  return false;
}

struct candidates {
  const struct mw_router *router;
  size_t cursor;
};

static const char *next_path(const void *ctx, size_t i) {
  struct candidates *candidates = (struct candidates *)(uintptr_t)ctx;
  const struct mw_route *route = mw_map_next(&candidates->router->routes, &candidates->cursor, NULL);
  return route ? route->method->path : NULL;
}

/* Logs at most one line a second, so that a scan does not flood the log. */
static void log_unrouted(struct mw_dispatch *dispatch, const struct mw_call *call, const char *text) {
  dispatch->unknown++;
  if (call->started < dispatch->unknown_logged + MW_NS_PER_S && dispatch->unknown_logged != 0) return;
  dispatch->unknown_logged = call->started;
  char path[SHOWN_PATH + 1], count[24];
  snprintf(path, sizeof path, "%.*s", (int)call->path.len, (const char *)call->path.data);
  snprintf(count, sizeof count, "%llu", (unsigned long long)dispatch->unknown);
  struct candidates candidates = {dispatch->router, 0};
  const char *nearest = mw_nearest(path, dispatch->router->routes.len, next_path, &candidates);
  struct mw_log_field fields[] = {{"path", path}, {"peer", call->peer}, {"nearest", nearest}, {"count", count}, {0}};
  mw_log(MW_LOG_WARN, fields, "%s", text);
}

/* Ends a call that is not in the list. */
static void refuse(struct mw_call *call, struct mw_status status) {
  call->finished = true;
  mw_dispatch_add_trailers(call->dispatch, call->dispatch->router, call);
  mw_dispatch_log_failed(call, call->path, &status);
  call->ops->finish(call, &status);
}

/* Returns a service with handlers, or one that only the schema has; NULL for none, and for a built-in service that
 * is off. */
static const struct mw_service_type *find_service(const struct mw_router *router, struct mw_slice path,
                                                  struct mw_slice name) {
  const struct mw_service_type *service = mw_router_service(router, name);
  char text[SHOWN_PATH];
  if (service || !router->pool || mw_dispatch_is_priority(path) || name.len >= sizeof text) return service;
  snprintf(text, sizeof text, "%.*s", (int)name.len, (const char *)name.data);
  return mw_pool_service(router->pool, text);
}

static void refuse_unrouted(struct mw_dispatch *dispatch, struct mw_call *call) {
  struct mw_slice name = service_of(call->path), shown = call->path;
  const struct mw_service_type *service = find_service(dispatch->router, call->path, name);
  const char *event = "call of an unknown service", *before = "unknown service ", *after = "";
  if (service && has_method(service, call->path)) {
    event = "call of a method without a handler";
    before = "method ";
    after = " has no handler";
  } else if (service) {
    event = "call of an unknown method";
    before = "unknown method ";
  } else if (name.len == 0) {
    before = "malformed method path ";
  } else {
    shown = name;
  }
  log_unrouted(dispatch, call, event);
  char text[SHOWN_PATH + 64];
  int len = (int)(shown.len < SHOWN_PATH ? shown.len : SHOWN_PATH);
  snprintf(text, sizeof text, "%s%.*s%s", before, len, (const char *)shown.data, after);
  refuse(call, mw_status(MW_CODE_UNIMPLEMENTED, text));
}

void mw_dispatch_note_expired(struct mw_dispatch *dispatch, const struct mw_call *call) {
  int64_t now = mw_clock_mono();
  dispatch->expired++;
  if (now < dispatch->expired_logged + MW_NS_PER_S && dispatch->expired_logged != 0) return;
  dispatch->expired_logged = now;
  char count[24];
  snprintf(count, sizeof count, "%llu", (unsigned long long)dispatch->expired);
  struct mw_log_field fields[] = {{"method", call->route->method->path}, {"peer", call->peer}, {"count", count}, {0}};
  mw_log(MW_LOG_WARN, fields, "calls ended before they began: their deadlines have passed");
}

static void count_expired(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route) {
  call->route = route;
  mw_dispatch_count(dispatch, call, MW_CODE_DEADLINE_EXCEEDED);
  mw_dispatch_note_expired(dispatch, call);
  call->route = NULL; /* not pinned */
}

void mw_dispatch_expire_waiting(struct mw_dispatch *dispatch, struct mw_call *call) {
  const struct mw_route *route = mw_router_find(dispatch->router, call->path);
  call->started = mw_clock_mono();
  call->received = call->sent = 0;
  if (route) count_expired(dispatch, call, route);
}

static void refuse_expired(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route) {
  count_expired(dispatch, call, route);
  refuse(call, mw_status_deadline_passed());
}

/* ---- calls with a handler ---- */

/* Returns a number from 1, unique in the process. */
static uint64_t take_id(struct mw_dispatch *dispatch) {
  if (dispatch->ids == 0) {
    dispatch->last_id = atomic_fetch_add_explicit(&ids_taken, IDS, memory_order_relaxed);
    dispatch->ids = IDS;
  }
  dispatch->ids--;
  return ++dispatch->last_id;
}

static void prepare(struct mw_dispatch *dispatch, struct mw_call *call) {
  mw_call_prepare(call);
  call->dispatch = dispatch;
  call->id = take_id(dispatch);
  call->started = mw_run_queue_now(&dispatch->queue);
}

static void enter(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route) {
  call->route = route;
  call->handler = route->handler;
  call->single = !route->method->client_streaming;
  call->send_limit = dispatch->send_limit;
  route->router->calls++;
  mw_dispatch_set_live(dispatch, dispatch->live + 1);
  mw_list_push(&dispatch->calls, &call->link);
  call->awaiting = route->handler->request && call->single;
  if (call->awaiting) {
    mw_call_read(call);
  } else {
    route->handler->start(call);
  }
}

void mw_dispatch_start_at(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route) {
  prepare(dispatch, call);
  enter(dispatch, call, route);
}

void mw_dispatch_start(struct mw_dispatch *dispatch, struct mw_call *call) {
  prepare(dispatch, call);
  if (dispatch->draining) {
    refuse(call, mw_status_shutting_down());
    return;
  }
  if (dispatch->before) dispatch->before(dispatch->before_arg);
  const struct mw_route *route = mw_router_find(dispatch->router, call->path);
  if (route && call->started >= call->deadline) {
    refuse_expired(dispatch, call, route);
  } else if (route) {
    enter(dispatch, call, route);
  } else {
    refuse_unrouted(dispatch, call);
  }
}

void mw_dispatch_end_turn(struct mw_dispatch *dispatch) {
  struct mw_run_queue *queue = &dispatch->queue;
  bool was_behind = queue->behind;
  mw_run_queue_begin_turn(queue);
  if (!dispatch->queued_gauge || !(queue->behind || was_behind)) return;
  mw_metric_set(dispatch->queued_gauge, (double)queue->n);
}

void mw_dispatch_cancel_all(struct mw_dispatch *dispatch, struct mw_status status) {
  mw_call_cancel_list(&dispatch->calls, status);
}
