/* One outbound call: its start, its events, its end.
 *
 * Events run in the loop and touch no Lua. They store the data and resume the waiting fiber. */
#include <math.h>

#include "base/clock.h"
#include "bind/base/status.h"
#include "bind/call/handler.h"
#include "bind/client/client.h"
#include "bind/message/decode.h"
#include "bind/message/encode.h"
#include "bind/message/message.h"
#include "bind/message/status.h"

enum { LARGE = 16 * 1024 }; /* bytes; a longer message is not copied: its reader runs at once */

/* ---- the end ---- */

static void release_rpc(struct mw_outbound *o) {
  if (o->rpc) mw_client_rpc_release(o->rpc);
  o->rpc = NULL;
  mw_list_remove(&o->child.link);
}

static bool wake(struct mw_fiber *waiter) { return waiter && mw_fiber_wake(waiter); }

/* Wakes all waiting fibers. Each holds the userdata on its stack; the last that runs may release it. */
static void wake_all(struct mw_outbound *o) {
  struct mw_fiber *waiters[3] = {o->header_waiter, o->sender, o->reader};
  for (size_t i = 0; i < 3; i++) wake(waiters[i]);
}

static void end_with(struct mw_outbound *o, struct mw_status status) {
  o->done = true;
  o->status = status;
  release_rpc(o);
  wake_all(o);
}

void mw_outbound_abandon(struct mw_outbound *o) {
  if (!o->done) end_with(o, mw_status(MW_CODE_CANCELLED, "the call was cancelled on this side"));
}

/* ---- events ---- */

static struct mw_slice copy_bytes(struct mw_arena *arena, struct mw_slice bytes) {
  char *copy = mw_arena_strndup(arena, bytes.len ? (const char *)bytes.data : "", bytes.len);
  return copy ? mw_slice(copy, bytes.len) : mw_slice(NULL, 0);
}

static void copy_metadata(struct mw_outbound *o, struct mw_metadata *to, const struct mw_metadata *from) {
  for (size_t i = 0; i < from->len; i++) {
    if (mw_metadata_add(to, &o->arena, from->entries[i].key, from->entries[i].value) != 0) return;
  }
}

static void on_headers(void *user, const struct mw_metadata *headers) {
  struct mw_outbound *o = user;
  copy_metadata(o, &o->headers, headers);
  o->has_headers = true;
  wake(o->header_waiter);
}

/* Handles a message of a call with one reply. The reply is delivered with the status. A second reply is an error of the
 * server. */
static void on_reply(struct mw_outbound *o, struct mw_slice bytes) {
  if (++o->messages > 1) {
    end_with(o, mw_status(MW_CODE_UNIMPLEMENTED, "the server sent more than one reply, the method has one"));
    return;
  }
  o->message = copy_bytes(&o->arena, bytes);
  if (o->message.data) {
    mw_client_rpc_read(o->rpc);
  } else {
    end_with(o, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a reply"));
  }
}

/* Copies the message, because its reader waits for its turn and the message lives only during its event. */
static void copy_message(struct mw_outbound *o) {
  o->message = copy_bytes(&o->held, o->message);
  if (o->message.data) return;
  o->arrived = false;
  end_with(o, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a message"));
}

static void on_message(void *user, struct mw_slice bytes) {
  struct mw_outbound *o = user;
  if (!o->method->server_streaming) {
    on_reply(o, bytes);
    return;
  }
  o->messages++;
  o->message = bytes;
  o->arrived = true;
  if (o->reader && bytes.len > LARGE) {
    mw_fiber_resume(o->reader); /* `o` may be freed by now */
  } else if (!wake(o->reader)) {
    copy_message(o);
  }
}

static void on_writable(void *user) { wake(((struct mw_outbound *)user)->sender); }

static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct mw_outbound *o = user;
  copy_metadata(o, &o->trailers, trailers);
  struct mw_status kept = mw_status_copy(&o->arena, status);
  if (kept.code == MW_CODE_OK && !o->method->server_streaming && o->messages == 0) {
    kept = mw_status(MW_CODE_UNIMPLEMENTED, "the server sent no reply, the method has one");
  }
  end_with(o, kept);
}

static const struct mw_client_events events = {on_headers, on_message, on_writable, on_done};

/* Runs when the served call is cancelled. on_done() follows. */
static void on_parent_cancelled(struct mw_bind_child *child) {
  struct mw_outbound *o = MW_CONTAINER(child, struct mw_outbound, child);
  if (o->rpc) mw_client_rpc_cancel(o->rpc);
}

/* ---- options ---- */

static void add_metadata(lua_State *L, struct mw_outbound *o, struct mw_metadata *metadata, const char *what) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    luaL_error(L, "%s: metadata keys are strings, got %s", what, luaL_typename(L, -2));
  }
  if (!lua_isstring(L, -1)) {
    luaL_error(L, "%s: metadata \"%s\": expected a string or a list of them, got %s", what, lua_tostring(L, -2),
               luaL_typename(L, -1));
  }
  struct mw_slice key, value;
  key.data = (const uint8_t *)lua_tolstring(L, -2, &key.len);
  value.data = (const uint8_t *)lua_tolstring(L, -1, &value.len);
  struct mw_err err = MW_ERR_INIT;
  if (mw_metadata_check(key, value, &err) != 0) {
    mw_err_wrap(&err, "%s", what);
    mw_bind_raise_err(L, &err);
  }
  if (!mw_metadata_fits(metadata, key, value)) {
    luaL_error(L, "%s: metadata: more than %d bytes, where each entry counts its key, its value and %d", what,
               MW_METADATA_MOST, MW_METADATA_OVERHEAD);
  }
  if (mw_metadata_add(metadata, &o->arena, key, value) != 0) mw_budget_refuse(L);
}

/* Reads the table at the top: key -> string, or key -> list of strings. */
static void read_metadata(lua_State *L, struct mw_outbound *o, struct mw_metadata *metadata, const char *what) {
  int table = lua_gettop(L);
  unsigned steps = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    mw_budget_tick(L, &steps);
    if (!lua_istable(L, -1)) {
      add_metadata(L, o, metadata, what);
      continue;
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
      mw_budget_tick(L, &steps);
      lua_pushvalue(L, -2);
      lua_rawgeti(L, -2, i);
      add_metadata(L, o, metadata, what);
      lua_pop(L, 2);
    }
  }
}

static int64_t deadline_after(lua_State *L, lua_Number seconds, const char *what) {
  if (!(seconds >= 0)) luaL_error(L, "%s: deadline: expected seconds from now, 0 or more", what);
  return mw_time_add(mw_clock_mono(), mw_duration_from_seconds(seconds));
}

/* Checks the option, which only a unary call has. mw_bind_call_unary() reads its value. */
static void check_async(lua_State *L, const struct mw_outbound *o, const char *what) {
  if (!lua_isboolean(L, -1)) luaL_error(L, "%s: async: expected a boolean, got %s", what, luaL_typename(L, -1));
  if (lua_toboolean(L, -1) && (o->method->client_streaming || o->method->server_streaming)) {
    luaL_error(L, "%s: async: %s streams: its stream is returned at once", what, o->method->path);
  }
}

/* Reads the option at the top of the stack. Its name is below. */
static void read_option(lua_State *L, struct mw_outbound *o, struct mw_client_request *request,
                        struct mw_metadata *metadata, const char *what) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
  if (strcmp(name, "deadline") == 0) {
    if (lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "%s: deadline: expected a number, got %s", what, luaL_typename(L, -1));
    request->deadline = deadline_after(L, lua_tonumber(L, -1), what);
  } else if (strcmp(name, "metadata") == 0) {
    if (!lua_istable(L, -1)) luaL_error(L, "%s: metadata: expected a table, got %s", what, luaL_typename(L, -1));
    read_metadata(L, o, metadata, what);
  } else if (strcmp(name, "compression") == 0) {
    const char *value = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(value, "gzip") != 0 && strcmp(value, "deflate") != 0) {
      luaL_error(L, "%s: compression: expected \"gzip\" or \"deflate\"", what);
    }
    request->compression = value;
  } else if (strcmp(name, "wait_for_ready") == 0) {
    request->wait_for_ready = lua_toboolean(L, -1);
  } else if (strcmp(name, "trace_context") == 0) {
    if (!lua_isboolean(L, -1))
      luaL_error(L, "%s: trace_context: expected a boolean, got %s", what, luaL_typename(L, -1));
    o->untraced = !lua_toboolean(L, -1);
  } else if (strcmp(name, "async") == 0) {
    check_async(L, o, what);
  } else {
    luaL_error(
        L, "%s: no option \"%s\": there are deadline, metadata, compression, wait_for_ready, trace_context and async",
        what, luaL_tolstring(L, -2, NULL));
  }
}

static void read_options(lua_State *L, int index, struct mw_outbound *o, struct mw_client_request *request,
                         struct mw_metadata *metadata, const char *what) {
  if (lua_isnoneornil(L, index)) return;
  if (!lua_istable(L, index)) luaL_error(L, "%s: options: expected a table, got %s", what, luaL_typename(L, index));
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) read_option(L, o, request, metadata, what);
}

/* Copies the values of `key` from the served call's metadata, except those that may not be sent. */
static void pass_metadata(lua_State *L, struct mw_outbound *o, struct mw_metadata *metadata,
                          const struct mw_call *parent, const char *key) {
  for (size_t i = 0; i < parent->request.len; i++) {
    const struct mw_metadata_entry *entry = &parent->request.entries[i];
    if (!mw_slice_eq_str(entry->key, key)) continue;
    struct mw_err err = MW_ERR_INIT;
    bool valid = mw_metadata_check(entry->key, entry->value, &err) == 0;
    mw_err_fini(&err);
    if (!valid || !mw_metadata_fits(metadata, entry->key, entry->value)) continue;
    if (mw_metadata_add(metadata, &o->arena, entry->key, entry->value) != 0) mw_budget_refuse(L);
  }
}

/* Passes on the trace context, unless the script has set its own. A tracestate belongs to its traceparent. This server
 * records no spans: a traceparent of its own would name a parent that no trace has. */
static void pass_trace(lua_State *L, struct mw_outbound *o, struct mw_metadata *metadata,
                       const struct mw_call *parent) {
  bool has_traceparent = mw_metadata_get(metadata, "traceparent") != NULL;
  bool has_tracestate = mw_metadata_get(metadata, "tracestate") != NULL;
  bool has_baggage = mw_metadata_get(metadata, "baggage") != NULL;
  if (!has_traceparent) pass_metadata(L, o, metadata, parent, "traceparent");
  if (!has_traceparent && !has_tracestate) pass_metadata(L, o, metadata, parent, "tracestate");
  if (!has_baggage) pass_metadata(L, o, metadata, parent, "baggage");
}

/* Takes deadline, cancellation and trace context from the served call. */
static void inherit(lua_State *L, struct mw_outbound *o, struct mw_client_request *request,
                    struct mw_metadata *metadata) {
  const struct mw_call *parent = mw_bind_link_child(L, &o->child);
  if (!parent) return;
  if (parent->deadline < request->deadline) request->deadline = parent->deadline;
  if (!o->untraced) pass_trace(L, o, metadata, parent);
}

/* ---- sending ---- */

static struct mw_encoded check_message(lua_State *L, struct mw_outbound *o, int index, const char *what) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded message = {.size = 0};
  if (mw_bind_encode(L, index, o->program, o->method->input, &message, &err) == 0) return message;
  mw_err_wrap(&err, "%s", what);
  mw_bind_raise_err(L, &err);
  return message;
}

static bool write_message(lua_State *L, struct mw_outbound *o, const struct mw_encoded *message) {
  uint8_t *out = mw_client_rpc_reserve(o->rpc, message->size);
  if (!out) mw_budget_refuse(L);
  mw_encoded_write(message, out);
  return mw_client_rpc_send(o->rpc);
}

bool mw_outbound_send(lua_State *L, struct mw_outbound *o, int index, const char *what) {
  struct mw_encoded message = check_message(L, o, index, what);
  return write_message(L, o, &message);
}

/* ---- starting ---- */

struct mw_outbound *mw_outbound_push(lua_State *L, int index, struct mw_bind_client *client,
                                     const struct mw_method_type *method, const char *type) {
  index = lua_absindex(L, index);
  struct mw_outbound *o = lua_newuserdatauv(L, sizeof *o, 3);
  *o = (struct mw_outbound){.program = client->program, .method = method};
  mw_arena_init(&o->arena, SIZE_MAX);
  mw_arena_init(&o->held, SIZE_MAX);
  o->arena.quota = o->held.quota = &client->program->vm->memory;
  mw_list_init(&o->child.link);
  o->child.cancel = on_parent_cancelled;
  luaL_setmetatable(L, type);
  for (int i = 1; i <= 2; i++) { /* the channel and the program */
    lua_getiuservalue(L, index, i);
    lua_setiuservalue(L, -2, i);
  }
  return o;
}

int mw_outbound_start(lua_State *L, struct mw_outbound *o, const struct mw_bind_client *client, int request_index,
                      int options, const char *what, struct mw_err *err) {
  struct mw_metadata metadata = {0};
  struct mw_client_request request = {.path = mw_slice_str(o->method->path),
                                      .deadline = MW_NEVER,
                                      .metadata = &metadata,
                                      .single = !o->method->client_streaming,
                                      .wait_for_ready = client->wait_for_ready};
  if (!client->channel->channel) luaL_error(L, "%s: this process has no engine for outbound calls", what);
  read_options(L, options, o, &request, &metadata, what);
  inherit(L, o, &request, &metadata);
  struct mw_encoded message = {.size = 0};
  if (request_index) message = check_message(L, o, request_index, what);
  int rc = mw_client_rpc_start(client->channel->channel, &request, &events, o, &o->rpc, err);
  if (rc != 0) return rc;
  if (!o->method->server_streaming) mw_client_rpc_read(o->rpc); /* reports an early end while more is sent */
  if (!request_index) return 0;
  write_message(L, o, &message);
  o->closed = true;
  mw_client_rpc_half_close(o->rpc);
  return 0;
}

/* ---- waiting and results ---- */

/* The waiting fiber was killed: nothing else uses the result. */
static void stop_waiting(void *arg) {
  struct mw_outbound *o = arg;
  o->reader = NULL;
  mw_outbound_abandon(o);
}

int mw_outbound_wait_done(lua_State *L, struct mw_outbound *o, struct mw_fiber *fiber, lua_KFunction k) {
  o->reader = fiber;
  if (o->method->server_streaming) mw_client_rpc_read(o->rpc);
  return mw_fiber_wait(L, fiber, stop_waiting, o, k, (lua_KContext)o);
}

int mw_outbound_push_result(lua_State *L, struct mw_outbound *o) {
  if (o->status.code != MW_CODE_OK) {
    lua_pushnil(L);
    mw_bind_push_failure(L, &o->status);
  } else {
    struct mw_err err = MW_ERR_INIT;
    if (mw_bind_push_bytes(L, o->program, o->method->output, o->message, &err) == 0) {
      lua_pushnil(L);
    } else {
      mw_err_wrap(&err, "the reply of %s", o->method->path);
      mw_bind_fail_err(L, MW_CODE_INTERNAL, &err);
    }
  }
  mw_outbound_push_info(L, o);
  return 3;
}

void mw_outbound_drop(struct mw_outbound *o) {
  mw_arena_fini(&o->arena);
  mw_arena_fini(&o->held);
  o->headers = o->trailers = (struct mw_metadata){0};
  o->message = mw_slice(NULL, 0);
  o->status = mw_status(MW_CODE_CANCELLED, "");
}

/* ---- metamethods ---- */

int mw_outbound_close(lua_State *L) {
  mw_outbound_abandon(lua_touserdata(L, 1));
  return 0;
}

int mw_outbound_gc(lua_State *L) {
  struct mw_outbound *o = lua_touserdata(L, 1);
  o->reader = o->sender = o->header_waiter = NULL; /* no fiber waits: it would hold the userdata */
  mw_outbound_abandon(o);
  mw_outbound_drop(o);
  return 0;
}
