/* Routes the incoming calls of a worker: finds the method, assigns an id, counts the call, lists live calls, refuses
 * new ones while draining. One per worker, used on its thread only. */
#ifndef MW_RPC_DISPATCH_H
#define MW_RPC_DISPATCH_H

#include "observe/log.h"
#include "observe/metrics.h"
#include "rpc/router.h"
#include "rpc/run_queue.h"
#include "rpc/stats.h"

#define MW_GENERATION_TRAILER "moonwire-generation"

struct mw_forwarder {
  struct mw_list calls; /* struct mw_call.link */
  size_t live;          /* number of these calls */
};

struct mw_dispatch {
  const char *engine; /* "core", "http" */
  unsigned worker;
  struct mw_router *router;       /* of the current generation; the worker replaces it */
  struct mw_run_queue queue;      /* calls before they begin, and other work for handlers */
  struct mw_list calls;           /* struct mw_call.link of all calls with a handler */
  size_t live;                    /* number of these calls */
  struct mw_forwarder forwarder;  /* for calls that arrived here and run on other workers, see rpc/forward.h */
  uint64_t last_id;               /* id of the newest call */
  unsigned ids;                   /* number of reserved ids after it */
  uint32_t send_limit;            /* number of unsent messages at which mw_call_send() returns false */
  bool draining;                  /* refuse new calls with UNAVAILABLE */
  bool show_generation;           /* add it to the trailers of every call */
  struct mw_metrics *metrics;     /* may be NULL */
  struct mw_metric *live_gauge;   /* shows `live`; may be NULL */
  struct mw_metric *queued_gauge; /* shows the items of `queue`; may be NULL */
  void (*before)(void *arg);      /* runs before a new call is routed, and may replace `router`; may be NULL */
  void *before_arg;
  void (*idle)(void *arg); /* runs when `live` falls to 0; may be NULL */
  void *idle_arg;
  struct mw_call_stats stats;
  uint64_t unknown;       /* calls of paths without a method */
  int64_t unknown_logged; /* mw_clock_mono() time of the last log line for `unknown` */
  uint64_t expired;       /* calls whose deadline passed before they began */
  int64_t expired_logged; /* the same for `expired` */
};

void mw_dispatch_init(struct mw_dispatch *dispatch, const char *engine, unsigned worker);

/* Requires that no call is live. */
void mw_dispatch_fini(struct mw_dispatch *dispatch);

/* Starts a call of an engine, which has set its path, peer, arrival, deadline, request metadata, arena and ops. Runs
 * the handler's `start`, or finishes the call with UNIMPLEMENTED, UNAVAILABLE or, after the deadline,
 * DEADLINE_EXCEEDED. */
void mw_dispatch_start(struct mw_dispatch *dispatch, struct mw_call *call);

/* Starts a call with a known route, even while draining. */
void mw_dispatch_start_at(struct mw_dispatch *dispatch, struct mw_call *call, const struct mw_route *route);

/* True for paths of gRPC's own services, whose calls wait in the lane `first`. */
static inline bool mw_dispatch_is_priority(struct mw_slice path) {
  static const char prefix[] = "/grpc.", health[] = "/grpc.health.", reflection[] = "/grpc.reflection.";
  if (path.len < sizeof reflection - 1 || memcmp(path.data, prefix, sizeof prefix - 1) != 0) return false;
  return memcmp(path.data, health, sizeof health - 1) == 0 || memcmp(path.data, reflection, sizeof reflection - 1) == 0;
}

/* Logs, at most once a second, that a call's deadline passed before its handler began. */
void mw_dispatch_note_expired(struct mw_dispatch *dispatch, const struct mw_call *call);

/* Counts and logs a waiting call that its engine ended at its deadline; its path, peer and arrival are set. */
void mw_dispatch_expire_waiting(struct mw_dispatch *dispatch, struct mw_call *call);

/* Ends a turn of the loop (rpc/run_queue.h), and sets the gauge of queued items. */
void mw_dispatch_end_turn(struct mw_dispatch *dispatch);

/* ---- for the worker ---- */

/* True if no call that arrived here is live or waits, on any worker. */
static inline bool mw_dispatch_is_idle(const struct mw_dispatch *dispatch) {
  return dispatch->live == 0 && dispatch->queue.n == 0 && dispatch->forwarder.live == 0;
}

/* Ends every live call with `status` (the handlers' `cancelled` run). */
void mw_dispatch_cancel_all(struct mw_dispatch *dispatch, struct mw_status status);

#endif
