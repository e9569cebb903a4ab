/* A call on the server: one object for the engine below and the handler above.
 *
 * An engine (rpc/engine.h) embeds `struct mw_call` in its own call and carries out the operations. A handler (struct
 * mw_handler) receives the events. Everything runs on the worker's thread and nothing blocks: an event later reports
 * the result of an operation that cannot finish at once.
 *
 *   engine                         handler
 *   mw_dispatch_start()  ------->  start          the headers have arrived
 *                        <-------  mw_call_read   reads one message
 *   mw_call_on_message() ------->  message        a message; its bytes are borrowed for the event
 *   mw_call_on_end()     ------->  end            or the end of the request (half-close)
 *                        <-------  mw_call_reserve, mw_call_send
 *   mw_call_on_sent()    ------->  writable       the unsent messages fell below the limit again
 *   mw_call_on_cancel()  ------->  cancelled      reset, lost connection, deadline, drain: at most once
 *                        <-------  mw_call_finish exactly once, last; the call belongs to the engine again
 *
 * A handler with `request` gets the only message of a method with one request by that single event, in place of start,
 * read and message. If the call ends before, the handler does not run.
 *
 * A handler must call mw_call_finish() exactly once in every case, also after `cancelled`. Then it must not touch the
 * call any more, and receives no events. Events may run from within an operation (a send that completes at once),
 * except that `message`, `end` and `cancelled` never run from within mw_call_read().
 *
 * One read at a time. If the request of a method is not streamed, the engine delivers its message only when it is
 * certainly the only one: it answers any other number of messages with UNIMPLEMENTED and `message` does not run. */
#ifndef MW_RPC_CALL_H
#define MW_RPC_CALL_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "rpc/metadata.h"
#include "rpc/status.h"
#include "schema/pool/pool.h"

struct mw_call;
struct mw_dispatch;
struct mw_forwarder;
struct mw_route;
struct mw_engine_call_ops;

/* The implementation of a method. `request` may be NULL. If it is not, `start` and `message` run for methods with a
 * streamed request alone, and `end` if the handler reads again. All other functions are required. */
struct mw_handler {
  void (*start)(struct mw_call *call);
  void (*message)(struct mw_call *call, struct mw_slice bytes);
  void (*end)(struct mw_call *call);
  void (*writable)(struct mw_call *call);
  void (*cancelled)(struct mw_call *call, struct mw_status status);
  void (*request)(struct mw_call *call, struct mw_slice bytes); /* begins a call of a method with one request */
};

struct mw_call {
  const struct mw_engine_call_ops *ops; /* the engine's */
  struct mw_dispatch *dispatch;         /* the worker's; set by mw_dispatch_start() */
  struct mw_forwarder *forwarder;       /* set by mw_forward_start() in place of a dispatch and a route */
  struct mw_list link;                  /* in the list of one of these while it has a handler */
  const struct mw_route *route;         /* method and handler; pinned until finish; NULL if forwarded */
  const struct mw_handler *handler;     /* receives the events */
  void *state;                          /* the handler's own */

  uint64_t id;                  /* unique in the process */
  struct mw_slice path;         /* "/package.Service/Method" */
  const char *peer;             /* "ipv4:127.0.0.1:50123", "unix:..." */
  int64_t arrived;              /* mw_clock_mono() time of the request's headers; the engine sets it */
  int64_t started;              /* mw_clock_mono() time of mw_dispatch_start(), after the wait in the run queue */
  int64_t deadline;             /* mw_clock_mono() time, MW_NEVER without one; the engine enforces it */
  struct mw_metadata request;   /* the client's, without those of HTTP and gRPC */
  struct mw_metadata headers;   /* to be sent with the first message or the status */
  struct mw_metadata trailers;  /* to be sent with the status */
  struct mw_arena arena;        /* for metadata and other data that lives as long as the call */
  const char *request_encoding; /* "gzip", "deflate", NULL for none: of the newest message; the engine sets it */
  const char *reply_encoding;   /* set by mw_call_set_compression(); NULL for none */

  bool headers_sent;
  bool reading;  /* a read is under way */
  bool single;   /* the method takes exactly one request message */
  bool awaiting; /* the handler has `request` and has not begun */
  bool ended;    /* the client has half-closed */
  bool cancelled;
  bool rejected;        /* `end` replaces any status of the handler */
  struct mw_status end; /* of a cancelled call: its status unless the handler returns another error; in the arena */
  bool finished;
  bool last;               /* the last message was sent: mw_call_finish() follows */
  bool stalled;            /* mw_call_send() has returned false: `writable` is due */
  uint32_t send_limit;     /* unsent messages at which mw_call_send() returns false */
  uint32_t unsent;         /* messages passed to the engine that have not left it */
  size_t unsent_bytes;     /* an estimate: all unsent messages count the same */
  size_t reserved;         /* bytes of the reserved message */
  uint64_t received, sent; /* messages */
};

/* Unsent bytes at which a handler has to wait, however few the messages are. They bound the memory of a client that
 * opens many calls and reads nothing. */
enum { MW_CALL_UNSENT_BYTES = 1024 * 1024 };

/* Unsent bytes that each call may always have, independent of the other calls of its connection. */
enum { MW_CALL_SHARE_BYTES = 64 * 1024 };

/* ---- for handlers ---- */

/* Reads the next message: `message`, `end` or `cancelled` will run. Not while a read is under way, not after `end`. */
void mw_call_read(struct mw_call *call);

/* Returns true if a message of `size` bytes may be sent now; call it before mw_call_reserve(). Returns false while
 * the unread bytes of the connection exceed its limit: `writable` will run when there is room again, and the caller
 * then repeats the call. Always true for a small message of a call with few unsent bytes, and for a cancelled call. */
bool mw_call_has_room(struct mw_call *call, size_t size);

/* Returns `size` bytes, owned by the call; the caller fills them and calls mw_call_send() next. NULL without memory. */
uint8_t *mw_call_reserve(struct mw_call *call, size_t size);

/* Flags of mw_call_send(). */
enum {
  MW_SEND_PLAIN = 1, /* do not compress the message */
  MW_SEND_LAST = 2   /* the message leaves together with the status of mw_call_finish(), which must follow at once */
};

/* Sends the reserved message, after the headers. Returns true if the handler may continue at once. Returns false at
 * the limit of unsent messages or of MW_CALL_UNSENT_BYTES (`writable` will run at half of it; not with MW_SEND_LAST),
 * and for a cancelled call (the message is dropped, no event follows). */
bool mw_call_send(struct mw_call *call, unsigned flags);

/* Sets the compression of the replies: "gzip", "deflate", or "identity" for none; static. If the client accepts only
 * the other one, that is used; if neither, none. By default replies are compressed like the client's messages. Not
 * after the headers are sent. */
void mw_call_set_compression(struct mw_call *call, const char *encoding);

/* Sends the headers now, ahead of the first message. No effect if they are sent already. */
void mw_call_send_headers(struct mw_call *call);

/* Ends the call with a status; `status` is borrowed for the call. A cancelled call never ends with OK: its own
 * status replaces it. A unary reply is one mw_call_reserve(), mw_call_send() with MW_SEND_LAST, and mw_call_finish():
 * the engine writes all of it together. */
void mw_call_finish(struct mw_call *call, const struct mw_status *status);

/* ---- for engines, and for code that ends calls (drain, budgets) ---- */

void mw_call_on_message(struct mw_call *call, struct mw_slice bytes);
void mw_call_on_end(struct mw_call *call);
/* Reports that `count` messages have left the engine. */
void mw_call_on_sent(struct mw_call *call, uint32_t count);
/* Reports room after ops->has_room() has returned false. */
void mw_call_on_room(struct mw_call *call);
/* Cancels the call, unless it is cancelled or finished. `status` is borrowed for the event. */
void mw_call_on_cancel(struct mw_call *call, struct mw_status status);
/* The same, but the call ends with `status` even if its handler returns another error: a fault in the request. */
void mw_call_reject(struct mw_call *call, struct mw_status status);

/* ---- for rpc/dispatch.c and rpc/forward.c ---- */

/* Resets all members that an engine does not set. */
void mw_call_prepare(struct mw_call *call);

/* Cancels all calls of a list with `status`. A handler may finish its own call and others but starts none. */
void mw_call_cancel_list(struct mw_list *calls, struct mw_status status);

#endif
