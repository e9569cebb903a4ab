/* A call of the in-process engine: its client's and its server's end in one struct. Private to this folder.
 *
 * The ends never run within each other. An operation changes the call and schedules a step, which is a post of the
 * loop; the step runs the events of both ends. The step that finds the call released and finished frees it. */
#ifndef MW_ENGINE_INPROC_CALL_H
#define MW_ENGINE_INPROC_CALL_H

#include "engine/inproc/queue.h"
#include "rpc/engine.h"

struct mw_inproc_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch;
  size_t max_receive_bytes;
  struct mw_list calls; /* struct mw_client_call.link: calls that the client has not released */
};

struct mw_channel {
  struct mw_inproc_engine *engine;
  size_t max_receive_bytes;
};

/* An early end: before the handler has finished. */
struct mw_inproc_end {
  bool due;
  struct mw_status client, server; /* the status for each side; static, or in the call's arena */
};

struct mw_client_call {
  struct mw_call call; /* the server's end; both ends use its arena */
  struct mw_dispatch *dispatch;
  struct mw_loop *loop;
  struct mw_channel *channel; /* NULL once it is closed */
  struct mw_list link;        /* in engine->calls */
  struct mw_post step;
  bool stepping;                     /* `step` is posted or runs */
  bool again;                        /* another step is due */
  struct mw_timer *timer;            /* of the deadline; NULL when none runs */
  size_t server_limit, client_limit; /* largest message received there, in bytes */

  struct mw_inproc_queue to_server, to_client;
  bool started;     /* passed to the dispatch */
  bool half_closed; /* by the client */
  struct mw_inproc_end end;
  struct mw_status status; /* the handler's, once it has finished */

  const struct mw_client_events *events; /* NULL once the client has released the call */
  void *user;
  bool reading;             /* the client waits for a message */
  bool stalled;             /* send() has returned false: `writable` is due */
  bool shown_headers, done; /* these events were reported to the client */
};

/* Ends the call early, with a status for each side. Does nothing if `done` was reported or an early end is due. */
void mw_inproc_call_end(struct mw_client_call *call, struct mw_status client, struct mw_status server);

/* Returns the status for a message longer than `limit`; its text is in the call's arena. */
struct mw_status mw_inproc_too_long(struct mw_client_call *call, size_t limit);

/* Frees a call that is finished, and released by its client. */
void mw_inproc_call_free(struct mw_client_call *call);

/* Schedules a step. */
void mw_inproc_call_wake(struct mw_client_call *call);

#endif
