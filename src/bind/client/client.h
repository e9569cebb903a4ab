/* Outbound calls as Lua objects: private to the files that bind them.
 *
 *   client.c         mw.client, its channels and options; client:service, client:call, client:stream
 *   client_call.c    one call: its start, its events, its end
 *   client_info.c    the headers and trailers that a call received
 *   client_unary.c   the Lua API of a call with one message each way
 *   client_stream.c  the Lua API of a streamed call
 *
 *   "moonwire.Client" --user value--> "moonwire.Channel" <--user value-- "moonwire.Stream" / "moonwire.Outbound"
 *
 * All clients of a worker with the same target and options share a channel. A weak table of the registry finds it, and
 * the collector closes it when nothing uses it. */
#ifndef MW_BIND_CLIENT_CLIENT_H
#define MW_BIND_CLIENT_CLIENT_H

#include "bind/base/bind.h"
#include "bind/call/handler.h"
#include "rpc/client_rpc.h"

#define MW_BIND_STREAM "moonwire.Stream"

struct mw_bind_channel {
  struct mw_client_channel *channel; /* NULL if the worker has no engine (moonwire check) */
};

struct mw_bind_client {
  struct mw_program *program;
  struct mw_bind_channel *channel; /* its first user value */
  bool wait_for_ready;
};

/* A call, in a userdata whose finalizer cancels it. */
struct mw_outbound {
  struct mw_program *program;
  const struct mw_method_type *method;
  struct mw_client_rpc *rpc;      /* NULL before its start and after its end */
  struct mw_bind_child child;     /* link to the served call */
  struct mw_arena arena;          /* holds received data: headers, trailers, status, the reply of a unary call */
  struct mw_fiber *reader;        /* the fiber that waits for a message or the end, or NULL */
  struct mw_fiber *sender;        /* the fiber that waits to send, or NULL */
  struct mw_fiber *header_waiter; /* the fiber that waits for the headers, or NULL */
  struct mw_metadata headers, trailers;
  struct mw_status status; /* valid after the end */
  struct mw_slice message; /* a reply in `arena`; a stream's message in `held`, or borrowed for its event */
  struct mw_arena held;    /* a message of a stream whose reader waits for its turn */
  unsigned messages;
  bool arrived; /* `message` is ready for the reader */
  bool has_headers, done;
  bool closed;          /* nothing more is sent */
  bool packed;          /* the message that is being read is pushed packed */
  bool iterates_packed; /* stream() pushes messages packed */
  bool untraced;        /* the served call's trace context is not passed on */
};

/* Pushes a call of `method` that is not started, as a userdata with the metatable `type`. `client` is at `index`. Its
 * user values are the channel, the program, and one for `type`'s own use. */
struct mw_outbound *mw_outbound_push(lua_State *L, int index, struct mw_bind_client *client,
                                     const struct mw_method_type *method, const char *type);

/* Starts the call with the options at index `options` (nil for none) and, unless `request` is 0, the only message of
 * its request. Passes on the deadline, cancellation and trace of the served call. Raises for a wrong option or request,
 * in the name of `what`. Returns 0, or an error of the environment. */
int mw_outbound_start(lua_State *L, struct mw_outbound *outbound, const struct mw_bind_client *client, int request,
                      int options, const char *what, struct mw_err *err);

/* Packs the message at `index` and sends it. Raises if the value does not fit the type. Returns true if more may be
 * sent at once. */
bool mw_outbound_send(lua_State *L, struct mw_outbound *outbound, int index, const char *what);

/* Ends the call on this side: its waiting fibers get CANCELLED. Does nothing after the end. */
void mw_outbound_abandon(struct mw_outbound *outbound);

/* Waits for the reply and the end, then runs `k`. If the fiber is killed meanwhile, the call is cancelled. */
int mw_outbound_wait_done(lua_State *L, struct mw_outbound *outbound, struct mw_fiber *fiber, lua_KFunction k);

/* Pushes the reply, nil and the info; or nil, the status and the info. */
int mw_outbound_push_result(lua_State *L, struct mw_outbound *outbound);

/* Frees the received data of a call that is done. It must not be used afterwards. */
void mw_outbound_drop(struct mw_outbound *outbound);

/* Push, in this order: {headers = {...}, trailers = {...}}, with the first value of each key and methods that return
 * all values of a key; a table with the first value of each key; all values of the key at `index`, which raises unless
 * that is a string. */
void mw_outbound_push_info(lua_State *L, const struct mw_outbound *outbound);
void mw_outbound_push_metadata(lua_State *L, const struct mw_metadata *metadata);
void mw_outbound_push_values(lua_State *L, const struct mw_metadata *metadata, int index);

/* __close and __gc of an outbound call: they run in any order, any number of times. */
int mw_outbound_close(lua_State *L);
int mw_outbound_gc(lua_State *L);

/* Makes a call with one message each way. Waits for its reply, or with `async` pushes an object (client_unary.c). */
int mw_bind_call_unary(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                       int request, int options);

/* Starts a call that streams in either direction, and pushes its object (client_stream.c). */
int mw_bind_push_stream(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                        int request, int options, const char *what);

#endif
