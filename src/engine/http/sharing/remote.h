/* A call that arrived on one worker, the origin, and runs on another, the executor. So one connection can use more than
 * one processor.
 *
 * The origin has the stream, as for any call; its handler forwards all events to the executor (remote_origin.c). The
 * executor has a `struct mw_call` whose engine operations forward everything to the origin (remote_executor.c). Two
 * channels (worker_pool.h), one in each direction, keep the order of the events.
 *
 *   struct mw_http_call (origin's) <---to_origin--- struct mw_http_remote ---to_executor---> mw_call, dispatch, handler
 *
 * The request's metadata moves to the executor with its arena. Messages move by pointer. Headers and trailers belong to
 * the executor; the origin reads them after the event that completes them. References: the origin's call holds one
 * until it is over, the executor until its handler has finished, and every batch under way. */
#ifndef MW_ENGINE_HTTP_SHARING_REMOTE_H
#define MW_ENGINE_HTTP_SHARING_REMOTE_H

#include "engine/http/conn/call.h"
#include "engine/http/sharing/worker_pool.h"

struct mw_http_remote {
  atomic_uint refs;
  struct mw_http_channel to_executor, to_origin;

  /* The origin's. */
  struct mw_http_call *origin_call; /* NULL once the call is over */
  uint64_t reported;                /* sent messages that are reported to the executor */
  size_t room_wanted;               /* bytes of the executor's message that waits for room; 0 for none */
  char cancel_text[256];            /* message of the cancel status; the executor reads it after that event */

  /* The executor's. */
  struct mw_call call;
  struct mw_http_engine *engine; /* the engine that runs the call */
  struct mw_list link;           /* in engine->remote_calls */
  struct mw_run_item item;       /* in engine->turn.remote_lane */
  struct mw_http_block *arrived; /* owned; not delivered yet */
  const char *encoding;          /* of `arrived` */
  bool no_more;                  /* the request ends after `arrived` */
  bool asked;                    /* a request for the next message is on its way to the origin */
  bool begun;                    /* passed to the dispatch */
  bool running;                  /* its item runs */
  bool room_asked;               /* a request for room is on its way to the origin */
  size_t room;                   /* bytes that the origin has reserved for the next message */
  struct mw_http_block *reserved;
  char peer[MW_PEER_MAX];
};

/* ---- remote.c ---- */

void mw_http_remote_unref(struct mw_http_remote *remote);

/* ---- remote_origin.c: the origin's side ---- */

/* Turns work sharing on, if the team has a free slot. */
void mw_http_remote_join(struct mw_http_engine *engine, struct mw_engine_team *team);

/* Turns it off; no effect if it is not on. */
void mw_http_remote_leave(struct mw_http_engine *engine);

/* `fail` of to_executor: the executor's engine is closed. */
void mw_http_remote_origin_fail(struct mw_http_channel *channel);

/* `take` of to_origin: handles a batch of the executor. */
void mw_http_remote_origin_take(struct mw_http_channel *channel, struct mw_http_events *events);

/* ---- remote_executor.c: the executor's side ---- */

/* `take` of to_executor: handles a batch of the origin. */
void mw_http_remote_executor_take(struct mw_http_channel *channel, struct mw_http_events *events);

/* `fail` of to_origin: the origin's engine is closed. */
void mw_http_remote_executor_fail(struct mw_http_channel *channel);

/* Begins the call, or delivers messages or the end to its handler. */
void mw_http_remote_run(struct mw_run_item *item);

/* The engine closes: ends the calls of other engines that run here. */
void mw_http_remote_close_all(struct mw_http_engine *engine);

#endif
