/* A call on the server, seen the same from above and below.
 *
 * Below is an engine (rpc/engine.h), which embeds `struct mw_call` in its own call and carries out the operations;
 * above is a handler (struct mw_handler), which the events go to. Everything runs on the worker's thread and nothing
 * waits: an operation that cannot finish at once is answered later by an event.
 *
 *   engine                         handler
 *   mw_dispatch_start()  ------->  start          headers are in
 *                        <-------  mw_call_read   wants one message
 *   mw_call_on_message() ------->  message        here it is; bytes are borrowed for the event
 *   mw_call_on_end()     ------->  end            or: there are no more (half-close)
 *                        <-------  mw_call_reserve, mw_call_send
 *   mw_call_on_writable()------->  writable       the unsent messages fell below the limit again
 *   mw_call_on_cancel()  ------->  cancelled      reset, lost connection, deadline, drain: at most once
 *                        <-------  mw_call_finish exactly once, last; the call is the engine's again
 *
 * A handler must call mw_call_finish() once in every case, after `cancelled` too; from then on it must not touch the
 * call, and gets no more events. Events may run from within an operation (a send that completes at once), except that
 * `message`, `end` and `cancelled` never run from within mw_call_read().
 *
 * One read at a time. A method whose request is not streamed gets its message only when the engine knows it to be
 * the only one: the wrong number of messages is answered with UNIMPLEMENTED before `message` runs. */
#ifndef MW_RPC_CALL_H
#define MW_RPC_CALL_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "rpc/metadata.h"
#include "rpc/status.h"
#include "schema/pool.h"

/* Both sides of a call end it at the same deadline, by timers of whole milliseconds: a reset this close before the deadline
 * is the deadline's. */
enum { MW_DEADLINE_SLACK_NS = 2 * MW_NS_PER_MS };

struct mw_call;
struct mw_dispatch;
struct mw_route;
struct mw_engine_call_ops;

/* What runs a method. All functions are required. */
struct mw_handler {
  void (*start)(struct mw_call *call);
  void (*message)(struct mw_call *call, struct mw_slice bytes);
  void (*end)(struct mw_call *call);
  void (*writable)(struct mw_call *call);
  void (*cancelled)(struct mw_call *call, struct mw_status status);
};

struct mw_call {
  const struct mw_engine_call_ops *ops; /* the engine's */
  struct mw_dispatch *dispatch;         /* the worker's; set by mw_dispatch_start() */
  struct mw_list link;                  /* in dispatch->calls while the handler has it */
  const struct mw_route *route;         /* method and handler; pinned until finish */
  void *state;                          /* the handler's own */

  uint64_t id;              /* unique in the process */
  struct mw_slice path;     /* "/package.Service/Method" */
  const char *peer;         /* "ipv4:127.0.0.1:50123", "unix:..." */
  int64_t arrived;          /* mw_clock_mono() time of the request's headers; the engine sets it */
  int64_t started;          /* mw_clock_mono() when it was given to the dispatch, after its wait in the run queue */
  int64_t deadline;         /* mw_clock_mono() time, MW_NEVER without one; the engine enforces it */
  struct mw_metadata request;  /* what the client sent, without HTTP's and gRPC's own headers */
  struct mw_metadata headers;  /* to be sent with the first message or the status */
  struct mw_metadata trailers; /* to be sent with the status */
  struct mw_arena arena;       /* for metadata and whatever else lives as long as the call */
  const char *request_encoding; /* "gzip", "deflate", NULL for none: of the newest message; the engine sets it */
  const char *reply_encoding;   /* what mw_call_set_compression() asked for, NULL for nothing */

  bool headers_sent;
  bool reading;    /* a read is under way */
  bool ended;      /* the client has half-closed */
  bool cancelled;
  struct mw_status end; /* of one that is cancelled: its status unless the handler has another error; in the arena */
  bool finished;
  bool last;       /* mw_call_fill_last() has run */
  bool stalled;    /* mw_call_send() has said to wait: `writable` is due */
  bool plain;      /* the message that ops->send gets now is not to be compressed */
  uint32_t unsent; /* messages given to the engine that have not left it */
  size_t unsent_bytes; /* an estimate: each of those messages counts as much as the others */
  size_t reserved; /* bytes of the reserved message */
  uint64_t received, sent; /* messages */
};

/* Unsent bytes at which a handler has to wait, however few messages they are: a client that reads nothing must not make
 * each of its calls hold many large ones. */
enum { MW_CALL_UNSENT_BYTES = 1024 * 1024 };

/* Unsent bytes that each call may have, whatever the other calls of its connection have unsent. */
enum { MW_CALL_SHARE_BYTES = 64 * 1024 };

/* ---- for handlers ---- */

/* Asks for the next message: `message`, `end` or `cancelled` will run. Not while a read is under way, not after
 * `end`. */
void mw_call_read(struct mw_call *call);

/* Asks, before mw_call_reserve(), whether a message of `size` bytes may be sent now. Returns false while the messages that
 * the client has not taken are too many bytes for its connection: `writable` will run when there is room again, and the
 * caller asks again. Always true for small messages of a call that has few bytes unsent, and when the call is cancelled. */
bool mw_call_has_room(struct mw_call *call, size_t size);

/* `size` bytes that the caller fills and hands over with mw_call_send(), with nothing in between. The call owns them.
 * NULL without memory. */
uint8_t *mw_call_reserve(struct mw_call *call, size_t size);

/* Sends the reserved message; headers go first. Returns whether the handler may go on at once: false when the limit of
 * unsent messages, or MW_CALL_UNSENT_BYTES, is reached (`writable` will run when half of it is left) and when the call is
 * cancelled (the message is dropped, no event follows). */
bool mw_call_send(struct mw_call *call);

/* The same for a message that is not to be compressed, whatever the call's compression is. */
bool mw_call_send_plain(struct mw_call *call);

/* How what is sent is to be compressed: "gzip", "deflate", or "identity" for not at all; static. A client that does not
 * accept the one gets the other if it accepts that, or messages as they are. Without it, replies are compressed as the
 * client's messages were. Not after the headers are out. */
void mw_call_set_compression(struct mw_call *call, const char *encoding);

/* Sends the headers now, ahead of the first message. Nothing happens when they are out already. */
void mw_call_send_headers(struct mw_call *call);

/* Ends the call with a status; `status` is borrowed for the call. A cancelled call does not end with OK but with the status
 * that it was cancelled with. A unary reply is one mw_call_reserve(),
 * mw_call_fill_last() and mw_call_finish(): the engine puts all of it on the wire together. */
void mw_call_finish(struct mw_call *call, const struct mw_status *status);

/* Like mw_call_send() for the last message of the call: it is held back to leave with mw_call_finish(), which must
 * follow at once. */
void mw_call_fill_last(struct mw_call *call);

/* ---- for engines, and for whoever ends calls from above (drain, budgets) ---- */

void mw_call_on_message(struct mw_call *call, struct mw_slice bytes);
void mw_call_on_end(struct mw_call *call);
/* `count` messages have left the engine. */
void mw_call_on_sent(struct mw_call *call, uint32_t count);
/* There is room again, after ops->has_room() has returned false. */
void mw_call_on_room(struct mw_call *call);
/* Nothing happens when the call is cancelled or finished already. `status` is borrowed for the event. */
void mw_call_on_cancel(struct mw_call *call, struct mw_status status);

#endif
