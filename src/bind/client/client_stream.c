/* The object of an outbound call that streams in either direction: send, close_send, receive, messages, headers,
 * header_values, trailers, trailer_values, status, finish, cancel. The names are those of the server's call object. */
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/client/client.h"
#include "bind/message/decode.h"
#include "bind/message/packed.h"
#include "bind/message/status.h"

static struct mw_outbound *check_stream(lua_State *L) { return mw_bind_check_self(L, MW_BIND_STREAM); }

/* Pushes nil and the status of the call. */
static int push_end(lua_State *L, const struct mw_outbound *o) {
  lua_pushnil(L);
  mw_bind_push_failure(L, &o->status);
  return 2;
}

/* ---- stream:send(message), stream:close_send() ---- */

static void stop_sending(void *arg) {
  struct mw_outbound *o = arg;
  o->sender = NULL;
  mw_outbound_abandon(o);
}

/* True if the server receives no further messages. Replies may still arrive before the status; push_send_over() then
 * pushes OK. */
static bool is_send_over(const struct mw_outbound *o) { return o->done || mw_client_rpc_over(o->rpc); }

static int push_send_over(lua_State *L, const struct mw_outbound *o) {
  if (o->done) return push_end(L, o);
  return mw_bind_fail(L, MW_CODE_OK, "the server has ended the call");
}

static int after_send(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->sender = NULL;
  if (is_send_over(o)) return push_send_over(L, o);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_send(lua_State *L) {
  struct mw_outbound *o = check_stream(L);
  luaL_checkany(L, 2);
  if (!o->method->client_streaming) {
    return luaL_error(L, "stream:send: the request of %s is not streamed: it was sent at the start", o->method->path);
  }
  if (is_send_over(o)) return push_send_over(L, o);
  if (o->closed) return luaL_error(L, "stream:send: after stream:close_send()");
  if (o->sender) return luaL_error(L, "stream:send: another send of this stream is under way");
  if (mw_outbound_send(L, o, 2, "stream:send")) {
    lua_pushboolean(L, 1);
    return 1;
  }
  struct mw_fiber *fiber = mw_fiber_check(L, "stream:send");
  o->sender = fiber;
  return mw_fiber_wait(L, fiber, stop_sending, o, after_send, (lua_KContext)o);
}

static int l_close_send(lua_State *L) {
  struct mw_outbound *o = check_stream(L);
  if (!o->done && !o->closed) mw_client_rpc_half_close(o->rpc);
  o->closed = true;
  return 0;
}

/* ---- stream:receive(), stream:messages() ---- */

static void stop_receiving(void *arg) {
  struct mw_outbound *o = arg;
  o->reader = NULL;
  mw_outbound_abandon(o);
}

/* Pushes the end. After OK: nil. After another status: nil and the status; messages() raises it. */
static int push_last(lua_State *L, struct mw_outbound *o, bool raising) {
  if (o->status.code == MW_CODE_OK) {
    lua_pushnil(L);
    return 1;
  }
  push_end(L, o);
  return raising ? lua_error(L) : 2;
}

static int push_message(lua_State *L, struct mw_outbound *o, bool raising) {
  struct mw_err err = MW_ERR_INIT;
  o->arrived = false;
  int rc = mw_bind_decode(L, o->program, o->method->output, o->message, o->packed, &err);
  mw_arena_reset(&o->held);
  if (rc == 0) return 1;
  mw_err_wrap(&err, "a message of %s", o->method->path);
  mw_bind_fail_err(L, MW_CODE_INTERNAL, &err);
  return raising ? lua_error(L) : 2;
}

static int after_receive(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->reader = NULL;
  return o->arrived ? push_message(L, o, false) : push_last(L, o, false);
}

static int after_next(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->reader = NULL;
  return o->arrived ? push_message(L, o, true) : push_last(L, o, true);
}

/* Returns a stream with replies to read. Raises if another fiber reads it. */
static struct mw_outbound *check_reader(lua_State *L, const char *what) {
  struct mw_outbound *o = check_stream(L);
  if (!o->method->server_streaming) {
    luaL_error(L, "%s: the reply of %s is not streamed: use stream:finish()", what, o->method->path);
  }
  if (o->reader) luaL_error(L, "%s: another receive of this stream is under way", what);
  return o;
}

static int receive(lua_State *L, const char *what, bool packed, lua_KFunction k) {
  struct mw_outbound *o = check_reader(L, what);
  o->packed = packed;
  if (o->done) return push_last(L, o, k == after_next);
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  o->reader = fiber;
  mw_client_rpc_read(o->rpc);
  return mw_fiber_wait(L, fiber, stop_receiving, o, k, (lua_KContext)o);
}

static int l_receive(lua_State *L) {
  return receive(L, "stream:receive", mw_packed_receive_option(L, check_stream(L)->method->output, "stream:receive"),
                 after_receive);
}

/* stream() */
static int l_next(lua_State *L) { return receive(L, "stream:messages", check_stream(L)->iterates_packed, after_next); }

/* stream:messages([{packed = false}]) returns the stream itself, which is callable */
static int l_messages(lua_State *L) {
  check_reader(L, "stream:messages")->iterates_packed = mw_packed_only_option(L, "stream:messages");
  lua_settop(L, 1);
  return 1;
}

/* ---- stream:finish() ---- */

static int push_finished(lua_State *L, struct mw_outbound *o) {
  if (!o->method->server_streaming) return mw_outbound_push_result(L, o);
  if (o->status.code == MW_CODE_OK) {
    lua_pushboolean(L, 1);
    lua_pushnil(L);
  } else {
    push_end(L, o);
  }
  mw_outbound_push_info(L, o);
  return 3;
}

static int after_finish(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->reader = NULL;
  if (o->done) return push_finished(L, o);
  o->arrived = false; /* an unread message is discarded */
  mw_arena_reset(&o->held);
  struct mw_fiber *fiber = mw_fiber_check(L, "stream:finish");
  return mw_outbound_wait_done(L, o, fiber, after_finish);
}

/* stream:finish() half-closes and waits for the end. Returns the reply, or true if the reply is streamed. */
static int l_finish(lua_State *L) {
  struct mw_outbound *o = check_stream(L);
  if (o->reader) return luaL_error(L, "stream:finish: another fiber reads this stream");
  if (o->done) return push_finished(L, o);
  struct mw_fiber *fiber = mw_fiber_check(L, "stream:finish");
  l_close_send(L);
  return mw_outbound_wait_done(L, o, fiber, after_finish);
}

/* ---- headers, trailers, status ---- */

static void stop_awaiting_headers(void *arg) {
  struct mw_outbound *o = arg;
  o->header_waiter = NULL;
}

static int push_headers(lua_State *L, const struct mw_outbound *o) {
  mw_outbound_push_metadata(L, &o->headers);
  return 1;
}

static int push_header_values(lua_State *L, const struct mw_outbound *o) {
  mw_outbound_push_values(L, &o->headers, 2);
  return 1;
}

static int after_headers(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->header_waiter = NULL;
  return push_headers(L, o);
}

static int after_header_values(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->header_waiter = NULL;
  return push_header_values(L, o);
}

/* Waits until the headers have arrived or the call has ended. */
static int await_headers(lua_State *L, const char *what, lua_KFunction k,
                         int (*push)(lua_State *L, const struct mw_outbound *o)) {
  struct mw_outbound *o = check_stream(L);
  if (o->has_headers || o->done) return push(L, o);
  if (o->header_waiter) return luaL_error(L, "%s: another fiber waits for the headers", what);
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  o->header_waiter = fiber;
  return mw_fiber_wait(L, fiber, stop_awaiting_headers, o, k, (lua_KContext)o);
}

static int l_headers(lua_State *L) { return await_headers(L, "stream:headers", after_headers, push_headers); }

static int l_header_values(lua_State *L) {
  luaL_checkstring(L, 2);
  return await_headers(L, "stream:header_values", after_header_values, push_header_values);
}

static int l_trailers(lua_State *L) {
  mw_outbound_push_metadata(L, &check_stream(L)->trailers);
  return 1;
}

static int l_trailer_values(lua_State *L) {
  mw_outbound_push_values(L, &check_stream(L)->trailers, 2);
  return 1;
}

/* stream:status() returns nil until the end. */
static int l_status(lua_State *L) {
  struct mw_outbound *o = check_stream(L);
  if (!o->done) return 0;
  mw_bind_push_failure(L, &o->status);
  return 1;
}

static int l_cancel(lua_State *L) {
  mw_outbound_abandon(check_stream(L));
  return 0;
}

static int l_tostring(lua_State *L) {
  struct mw_outbound *o = check_stream(L);
  lua_pushfstring(L, "stream %s%s", o->method->path, o->done ? " (ended)" : "");
  return 1;
}

static void push_stream_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", l_send},
                                     {"close_send", l_close_send},
                                     {"receive", l_receive},
                                     {"messages", l_messages},
                                     {"finish", l_finish},
                                     {"headers", l_headers},
                                     {"trailers", l_trailers},
                                     {"header_values", l_header_values},
                                     {"trailer_values", l_trailer_values},
                                     {"status", l_status},
                                     {"cancel", l_cancel},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__call", l_next},
                                         {"__close", mw_outbound_close},
                                         {"__gc", mw_outbound_gc},
                                         {"__tostring", l_tostring},
                                         {NULL, NULL}};
  mw_bind_push_type(L, MW_BIND_STREAM, methods, metamethods);
}

int mw_bind_push_stream(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                        int request, int options, const char *what) {
  push_stream_type(L);
  lua_pop(L, 1);
  struct mw_outbound *o = mw_outbound_push(L, index, client, method, MW_BIND_STREAM);
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_outbound_start(L, o, client, request, options, what, &err);
  return rc == 0 ? 1 : mw_bind_fail_err(L, mw_code_of_error(rc), &err);
}
