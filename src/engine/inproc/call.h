/* A call of the in-process engine: both of its ends in one. Private to this folder.
 *
 * The ends never run within each other: an operation changes the call and asks for a step, a post of the loop, and the
 * step tells either end what concerns it. The call is freed by the step that finds both ends gone. */
#ifndef MW_ENGINE_INPROC_CALL_H
#define MW_ENGINE_INPROC_CALL_H

#include "engine/inproc/queue.h"
#include "rpc/engine.h"

struct mw_inproc_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch;
  size_t max_receive_bytes;
  struct mw_list calls; /* struct mw_client_call.link of those whose client has not let go */
};

struct mw_channel {
  struct mw_inproc_engine *engine;
  size_t max_receive_bytes;
};

/* How a call ends that neither the handler nor its client has ended. */
struct mw_inproc_end {
  bool due;
  struct mw_status client, server; /* as each is told of it; the texts are the call's */
};

struct mw_client_call {
  struct mw_call call; /* the server's end; its arena is that of both */
  struct mw_dispatch *dispatch;
  struct mw_loop *loop;
  struct mw_channel *channel; /* NULL once that is closed */
  struct mw_list link;        /* in engine->calls */
  struct mw_post step;
  bool stepping;              /* `step` is posted or runs */
  bool again;                 /* another step is due */
  struct mw_timer *timer;     /* of the deadline */
  size_t server_limit, client_limit; /* of a message's bytes */

  struct mw_inproc_queue to_server, to_client;
  bool started;               /* the server has been told of it */
  bool half_closed;           /* by the client */
  struct mw_inproc_end end;
  struct mw_status status;    /* the handler's, once it has finished */

  const struct mw_client_events *events; /* NULL once the client has let go */
  void *user;
  bool reading;               /* the client wants a message */
  bool stalled;               /* it was told to wait */
  bool shown_headers, done;   /* what it has been told */
};

int mw_inproc_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                         const struct mw_client_events *events, void *user, struct mw_client_call **out,
                         struct mw_err *err);

/* What a handler is told of a client that has cancelled its call, or has vanished. */
#define MW_INPROC_CLIENT_GONE mw_status(MW_CODE_CANCELLED, "the client has cancelled the call or gone away")

/* Ends the call early. Nothing happens when the client knows that it is over. */
void mw_inproc_call_end(struct mw_client_call *call, struct mw_status client, struct mw_status server);

/* The client's operations, of rpc/channel.h. */
uint8_t *mw_inproc_call_reserve(struct mw_client_call *call, size_t size);
bool mw_inproc_call_send(struct mw_client_call *call);
bool mw_inproc_call_over(const struct mw_client_call *call);
void mw_inproc_call_half_close(struct mw_client_call *call);
void mw_inproc_call_read(struct mw_client_call *call);
struct mw_client_fate mw_inproc_call_fate(const struct mw_client_call *call);
void mw_inproc_call_cancel(struct mw_client_call *call);
void mw_inproc_call_release(struct mw_client_call *call);

/* ---- the server's end (handler.c) ---- */

/* The operations of rpc/engine.h. */
extern const struct mw_engine_call_ops mw_inproc_call_ops;

/* Tells the server what concerns it. */
void mw_inproc_step_server(struct mw_client_call *call);

/* The status of a call with a message that is longer than `limit`; its words are the call's. */
struct mw_status mw_inproc_too_long(struct mw_client_call *call, size_t limit);

/* Asks for a step. */
void mw_inproc_call_wake(struct mw_client_call *call);

#endif
