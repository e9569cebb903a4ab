/* Interceptors around methods that C handles, such as health and reflection.
 *
 * If an interceptor wraps such a method, the route's handler is a Lua function, l_handle. It serves the outer call
 * through an inner call, which the C handler receives:
 *
 *   engine  --->  mw_bind_handler: interceptors --next()--> l_handle  --->  the C handler
 *   struct mw_call (outer)                                  struct inner, an engine for one call
 *
 * l_handle feeds the inner call, waits in the coroutine of the outer call until the C handler has finished it, and
 * returns as a Lua handler does. Messages of the C handler are sent at once, also from its own events, such as a change
 * of health. Only the coroutine of the outer call waits here: the outer call lives as long as the inner one. */
#include "bind/call/builtin.h"

#include <string.h>

#include "bind/base/status.h"
#include "bind/call/call.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"
#include "bind/message/status.h"

#define INNER "moonwire.Inner"

struct inner {
  struct mw_call call;
  struct mw_dispatch dispatch; /* its own, without other calls: nothing is counted twice */
  struct mw_bind_call *outer;
  struct mw_bind_waiter waiter; /* waits in the outer call's fiber */
  bool begun, ended;
  bool waiting;            /* while in mw_fiber_wait_quietly() */
  bool stalled;            /* the last message stalled the outer call */
  struct mw_slice request; /* for a method with one request; in the arena of the inner call */
  uint8_t *reply;          /* reserved, for a method with one reply; in the same arena */
  size_t reply_len;
  bool has_reply;
  struct mw_status status; /* the final status; in the same arena */
};

static struct inner *inner_of(struct mw_call *call) { return MW_CONTAINER(call, struct inner, call); }

/* ---- the engine of the inner call ---- */

static void op_read(struct mw_call *call) {} /* drive() checks call->reading */

static uint8_t *op_reserve(struct mw_call *call, size_t size) {
  struct inner *inner = inner_of(call);
  if (inner->outer->method->server_streaming) return mw_call_reserve(inner->outer->call, size);
  inner->reply = mw_arena_alloc(&call->arena, size + 1);
  inner->reply_len = size;
  return inner->reply;
}

/* l_handle ends the outer call, so its last message is an ordinary one there. */
static void op_send(struct mw_call *call, unsigned flags) {
  struct inner *inner = inner_of(call);
  bool last = flags & MW_SEND_LAST;
  inner->has_reply = last;
  if (!inner->outer->method->server_streaming) return;
  inner->stalled = !mw_call_send(inner->outer->call, flags & ~(unsigned)MW_SEND_LAST);
  if (!inner->stalled && !last) mw_call_on_sent(call, 1);
}

static void op_send_headers(struct mw_call *call) { mw_call_send_headers(inner_of(call)->outer->call); }

static void op_finish(struct mw_call *call, const struct mw_status *status) {
  struct inner *inner = inner_of(call);
  inner->ended = true;
  inner->status = mw_status_copy(&call->arena, status);
}

static const struct mw_engine_call_ops inner_ops = {op_read, op_reserve, op_send, op_send_headers, op_finish, NULL};

/* Runs when the inner call has ended and nothing on the C stack uses it. */
static void on_idle(void *arg) {
  struct inner *inner = arg;
  if (inner->waiting) mw_fiber_wake(inner->waiter.fiber);
}

/* ---- the coroutine of the outer call ---- */

static void leave_lists(struct inner *inner) {
  inner->waiting = false;
  mw_list_remove(&inner->waiter.link);
  if (inner->outer->receiver == &inner->waiter) inner->outer->receiver = NULL;
}

static void stop_waiting(void *arg) { leave_lists(arg); }

/* Pushes the results of next(). */
static int push_results(lua_State *L, struct inner *inner) {
  const struct mw_method_type *method = inner->outer->method;
  if (inner->status.code != MW_CODE_OK) {
    lua_pushnil(L);
    mw_bind_push_status(L, &inner->status);
    return 2;
  }
  if (method->server_streaming) return 0;
  struct mw_err err = MW_ERR_INIT;
  struct mw_slice reply = inner->has_reply ? mw_slice(inner->reply, inner->reply_len) : mw_slice(NULL, 0);
  int rc = mw_bind_push_bytes(L, inner->outer->program, method->output, reply, &err);
  return rc == 0 ? 1 : mw_bind_fail_err(L, MW_CODE_INTERNAL, &err);
}

/* Delivers the message or the end that the C handler has asked for. Returns false if neither has arrived. */
static bool feed(struct inner *inner) {
  struct mw_call *outer = inner->outer->call;
  enum mw_bind_arrival arrived = inner->waiter.arrived;
  inner->waiter.arrived = MW_BIND_NOTHING;
  if (!inner->outer->method->client_streaming) {
    mw_call_on_message(&inner->call, inner->request);
  } else if (arrived == MW_BIND_MESSAGE) {
    mw_call_on_message(&inner->call, inner->waiter.bytes);
  } else if (arrived == MW_BIND_END || outer->ended) {
    mw_call_on_end(&inner->call);
  } else {
    inner->outer->receiver = &inner->waiter;
    if (!outer->reading) mw_call_read(outer);
    return false;
  }
  return true;
}

static int drive(lua_State *L, int status, lua_KContext context) {
  struct inner *inner = (struct inner *)context;
  leave_lists(inner);
  if (!inner->ended && inner->outer->call->cancelled) mw_call_on_cancel(&inner->call, inner->outer->end);
  bool fed = true;
  while (fed && !inner->ended) {
    if (inner->stalled && !inner->outer->call->stalled) {
      inner->stalled = false;
      mw_call_on_sent(&inner->call, 1);
    }
    fed = !inner->ended && inner->call.reading && feed(inner);
  }
  if (inner->ended) return push_results(L, inner);
  inner->waiting = true;
  mw_list_push(&inner->outer->senders, &inner->waiter.link);
  return mw_fiber_wait_quietly(L, inner->waiter.fiber, stop_waiting, inner, drive, (lua_KContext)inner);
}

/* Ends the inner call if an error has left next(). */
static int l_close(lua_State *L) {
  struct inner *inner = luaL_checkudata(L, 1, INNER);
  if (!inner->begun) return 0;
  inner->begun = false;
  inner->waiting = false;
  if (!inner->ended) mw_call_on_cancel(&inner->call, mw_status(MW_CODE_CANCELLED, "the call was left"));
  mw_dispatch_fini(&inner->dispatch);
  mw_arena_fini(&inner->call.arena);
  return 0;
}

static struct inner *push_inner(lua_State *L, struct mw_bind_call *outer, struct mw_fiber *fiber) {
  static const luaL_Reg metamethods[] = {{"__close", l_close}, {"__gc", l_close}, {NULL, NULL}};
  struct inner *inner = lua_newuserdatauv(L, sizeof *inner, 0);
  memset(inner, 0, sizeof *inner);
  mw_bind_push_type(L, INNER, NULL, metamethods);
  lua_setmetatable(L, -2);
  inner->outer = outer;
  inner->waiter = (struct mw_bind_waiter){.call = outer, .fiber = fiber};
  mw_list_init(&inner->waiter.link);
  mw_dispatch_init(&inner->dispatch, outer->call->dispatch->engine, outer->call->dispatch->worker);
  inner->dispatch.send_limit = 1;
  inner->dispatch.idle = on_idle;
  inner->dispatch.idle_arg = inner;
  inner->call.ops = &inner_ops;
  inner->call.path = outer->call->path;
  inner->call.peer = outer->call->peer;
  inner->call.deadline = outer->call->deadline;
  inner->call.request = outer->call->request;
  mw_arena_init(&inner->call.arena, SIZE_MAX);
  inner->begun = true;
  lua_toclose(L, -1);
  return inner;
}

/* Packs the request at `index`. */
static void pack_request(lua_State *L, int index, struct inner *inner) {
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  struct mw_program *program = inner->outer->program;
  struct mw_arena *scratch = mw_vm_scratch(program->vm);
  if (mw_bind_to_message(L, index, program, inner->outer->method->input, scratch, &message, &err) != 0) {
    mw_err_wrap(&err, "next in an interceptor of %s", inner->outer->method->path);
    mw_bind_raise_err(L, &err);
  }
  size_t size = mw_message_size(message);
  uint8_t *bytes = mw_arena_alloc(&inner->call.arena, size + 1);
  if (!bytes) luaL_error(L, "out of memory");
  mw_message_pack(message, bytes);
  inner->request = mw_slice(bytes, size);
}

/* The handler, ([request,] call). Upvalue 1: the route. */
static int l_handle(lua_State *L) {
  const struct mw_route *route = lua_touserdata(L, lua_upvalueindex(1));
  bool streamed = route->method->client_streaming;
  lua_settop(L, streamed ? 1 : 2);
  struct mw_bind_call *outer = mw_bind_running(L);
  struct mw_fiber *fiber = mw_fiber_check(L, "next");
  if (!outer || lua_touserdata(L, streamed ? 1 : 2) != outer->object) {
    return luaL_error(L, "next in an interceptor of %s: only the call's own handler can wait for a built-in service",
                      route->method->path);
  }
  struct inner *inner = push_inner(L, outer, fiber);
  if (!streamed) pack_request(L, 1, inner);
  mw_dispatch_start_at(&inner->dispatch, &inner->call, route);
  return drive(L, LUA_OK, (lua_KContext)inner);
}

void mw_bind_push_builtin(lua_State *L, const struct mw_route *route) {
  struct mw_route *copy = lua_newuserdatauv(L, sizeof *copy, 0);
  *copy = *route;
  lua_pushcclosure(L, l_handle, 1);
}
