/* What a worker does with the calls that come in: finds the method, gives it an id, counts it, keeps the list of the
 * live ones, turns new ones away while draining. One per worker, used on its thread only. */
#ifndef MW_RPC_DISPATCH_H
#define MW_RPC_DISPATCH_H

#include "observe/log.h"
#include "observe/metrics.h"
#include "rpc/router.h"
#include "rpc/run_queue.h"
#include "rpc/stats.h"

#define MW_GENERATION_TRAILER "moonwire-generation"

struct mw_dispatch {
  const char *engine;        /* "core", "http" */
  unsigned worker;
  struct mw_router *router;  /* of the current generation; the worker replaces it */
  struct mw_run_queue queue; /* calls before they begin, and what else handlers wait for */
  struct mw_list calls;      /* struct mw_call.link of all that a handler has */
  size_t live;               /* how many */
  struct mw_dispatch *away;  /* of calls that came in here and run on other workers; the engine's, NULL for none */
  uint64_t last_id;          /* of the newest call */
  unsigned ids;              /* how many more follow it */
  uint32_t send_limit;       /* unsent messages at which mw_call_send() says to wait */
  bool draining;             /* new calls are answered with UNAVAILABLE */
  bool show_generation;      /* in the trailers of every call */
  struct mw_metrics *metrics; /* may be NULL */
  struct mw_metric *live_gauge; /* shows `live`; may be NULL */
  struct mw_metric *queued_gauge; /* shows the items of `queue`; may be NULL */
  void (*before)(void *arg); /* runs before a new call is routed, and may replace `router`; may be NULL */
  void *before_arg;
  void (*idle)(void *arg);   /* runs when `live` falls to 0; may be NULL */
  void *idle_arg;
  struct mw_call_stats stats;
  uint64_t unknown;          /* calls of paths that no method has */
  int64_t unknown_logged;    /* when the log last said so, mw_clock_mono() */
  uint64_t expired;          /* calls whose deadline passed before they began */
  int64_t expired_logged;    /* the same */
};

void mw_dispatch_init(struct mw_dispatch *dispatch, const char *engine, unsigned worker);

/* No call may be live. */
void mw_dispatch_fini(struct mw_dispatch *dispatch);

/* The engine's door: a call whose path, peer, arrival, deadline, request metadata, arena and ops are set. Runs the handler's
 * `start`, or finishes the call with UNIMPLEMENTED, UNAVAILABLE or, when the deadline has passed, DEADLINE_EXCEEDED. */
void mw_dispatch_start(struct mw_dispatch *dispatch, struct mw_call *call);

/* The same with a route that is known already, whatever the dispatch is doing. */
void mw_dispatch_start_at(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route);

/* True for the paths of gRPC's own services, whose calls wait in the lane `first`. */
static inline bool mw_dispatch_goes_first(struct mw_slice path) {
  static const char prefix[] = "/grpc.", health[] = "/grpc.health.", reflection[] = "/grpc.reflection.";
  if (path.len < sizeof reflection - 1 || memcmp(path.data, prefix, sizeof prefix - 1) != 0) return false;
  return memcmp(path.data, health, sizeof health - 1) == 0 || memcmp(path.data, reflection, sizeof reflection - 1) == 0;
}

/* Logs that a call's deadline has passed before its handler began; once a second. */
void mw_dispatch_note_expired(struct mw_dispatch *dispatch, const struct mw_call *call);

/* Counts and logs a call that its engine has ended at its deadline while it waited to begin: its path, peer and arrival are set. */
void mw_dispatch_expire_waiting(struct mw_dispatch *dispatch, struct mw_call *call);

/* Ends a turn of the loop (rpc/run_queue.h), and counts what waits. */
void mw_dispatch_end_turn(struct mw_dispatch *dispatch);

/* ---- for rpc/call.c ---- */

/* Adds what the trailers of a call that finishes say besides its own; `router` is the one it was routed by. */
void mw_dispatch_add_trailers(const struct mw_dispatch *dispatch, const struct mw_router *router, struct mw_call *call);

/* Counts a call that finishes. */
void mw_dispatch_count(struct mw_dispatch *dispatch, const struct mw_call *call, enum mw_code code);

/* Logs a call of `path` that ends with `status`, at `debug`, unless it is OK. Before the call's memory goes. */
void mw_dispatch_log_failed(const struct mw_call *call, struct mw_slice path, const struct mw_status *status);

/* A call of `route` has finished and been taken from the list: unpins the route, tells when idle. */
void mw_dispatch_ended(struct mw_dispatch *dispatch, const struct mw_route *route);

/* ---- for the worker ---- */

/* Whether no call is live or waits that came in here, wherever it runs. */
static inline bool mw_dispatch_is_idle(const struct mw_dispatch *dispatch) {
  return dispatch->live == 0 && dispatch->queue.n == 0 && (!dispatch->away || dispatch->away->live == 0);
}

/* Ends every live call with `status` (the handlers' `cancelled` run). */
void mw_dispatch_cancel_all(struct mw_dispatch *dispatch, struct mw_status status);

#endif
