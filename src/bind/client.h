/* Outbound calls as Lua has them: private to the files that bind them.
 *
 *   client.c         mw.client, the channels behind it, options; client:service, client:call, client:stream
 *   client_call.c    one call: its start, its events, its end
 *   client_info.c    the headers and trailers that a call received
 *   client_unary.c   the face of a call with one message each way
 *   client_stream.c  the face of a call that streams
 *
 *   "moonwire.Client" --user value--> "moonwire.Channel" <--user value-- "moonwire.Stream" / "moonwire.Outbound"
 *
 * Channels are shared within a worker by all clients of the same target and options: a weak table of the registry
 * finds them, and one that nobody uses any more is closed when it is collected. */
#ifndef MW_BIND_CLIENT_H
#define MW_BIND_CLIENT_H

#include "bind/bind.h"
#include "rpc/client_rpc.h"

#define MW_BIND_STREAM "moonwire.Stream"

struct mw_bind_channel {
  struct mw_client_channel *channel; /* NULL when the worker has no engine (moonwire check) */
};

struct mw_bind_client {
  struct mw_program *program;
  struct mw_bind_channel *channel; /* the user value */
  bool wait_for_ready;
};

/* A call, in a userdata that cancels it when it is collected. */
struct mw_outbound {
  struct mw_program *program;
  const struct mw_method_type *method;
  struct mw_client_rpc *rpc;    /* NULL before its start and after its end */
  struct mw_bind_child child;   /* of the call that is being served */
  struct mw_arena arena;        /* what was received: headers, trailers, status, the reply of a unary call */
  struct mw_fiber *reader;      /* who waits for a message or the end, or NULL */
  struct mw_fiber *sender;      /* who waits to send, or NULL */
  struct mw_fiber *watcher;     /* who waits for the headers, or NULL */
  struct mw_metadata headers, trailers;
  struct mw_status status;      /* once it is done */
  struct mw_slice message;      /* a reply kept in the arena, or a message of a stream: in `held`, or borrowed for its event */
  struct mw_arena held;         /* a message of a stream whose reader waits for its turn */
  unsigned messages;
  bool arrived;                 /* `message` is for the reader */
  bool has_headers, done;
  bool closed;                  /* no more is sent */
  bool untraced;                /* the trace context of the call that is being served stays here */
};

/* Pushes a call of `method` as a userdata with the metatable `type`, not started. `client` is at `index`. Its user values
 * are the channel, the program, and one for `type`'s own use. */
struct mw_outbound *mw_outbound_push(lua_State *L, int index, struct mw_bind_client *client,
                                     const struct mw_method_type *method, const char *type);

/* Starts it with the options at index `options` (nil for none) and, unless `request` is 0, the only message of its
 * request. Deadline, cancellation and trace of the call that is being served go along. A wrong option or request
 * raises; `what` is who says so. Returns 0 or an error that is the environment's. */
int mw_outbound_start(lua_State *L, struct mw_outbound *outbound, const struct mw_bind_client *client, int request,
                      int options, const char *what, struct mw_err *err);

/* Packs the message at `index` and sends it. Raises when it is none. Returns whether more may be sent at once. */
bool mw_outbound_send(lua_State *L, struct mw_outbound *outbound, int index, const char *what);

/* Ends it here: who waits gets CANCELLED. Nothing happens when it is done. */
void mw_outbound_abandon(struct mw_outbound *outbound);

/* Waits for the reply and the end, as `k` finds them; being killed meanwhile cancels the call. */
int mw_outbound_wait_done(lua_State *L, struct mw_outbound *outbound, struct mw_fiber *fiber, lua_KFunction k);

/* Pushes the reply, nil and the info, or nil, the status and the info. */
int mw_outbound_push_result(lua_State *L, struct mw_outbound *outbound);

/* Frees what a call that is done has received; nothing more is asked of it. */
void mw_outbound_drop(struct mw_outbound *outbound);

/* {headers = {...}, trailers = {...}}, the first value of each key, with methods that return all of one; the first value
 * of each key; all values of the key at `index`, or raises when it is no string. */
void mw_outbound_push_info(lua_State *L, const struct mw_outbound *outbound);
void mw_outbound_push_metadata(lua_State *L, const struct mw_metadata *metadata);
void mw_outbound_push_values(lua_State *L, const struct mw_metadata *metadata, int index);

/* __close and __gc of an outbound call: in any order, any number of times. */
int mw_outbound_close(lua_State *L);
int mw_outbound_gc(lua_State *L);

/* Makes a call with one message each way: waits for its reply, or with `async` pushes an object: see client_unary.c. */
int mw_bind_call_unary(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                       int request, int options);

/* Starts a call that streams, in either direction, and pushes its object: see client_stream.c. */
int mw_bind_push_stream(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                        int request, int options, const char *what);

#endif
