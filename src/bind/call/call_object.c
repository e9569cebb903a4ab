/* The call object: the argument `call` of a handler. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/call/call.h"
#include "bind/call/handler.h"
#include "bind/message/decode.h"
#include "bind/message/encode.h"
#include "bind/message/packed.h"
#include "script/lua/guard.h"

/* The call of the object at index 1. Raises if it has ended. */
static struct mw_bind_call *check_live(lua_State *L, const char *what) {
  struct mw_bind_object *object = mw_bind_check_object(L);
  if (!object->call) luaL_error(L, "%s: the call %s has ended", what, object->path);
  return object->call;
}

/* ---- call:receive(), call:messages() ---- */

static void clear_receiver(struct mw_bind_waiter *waiter) {
  if (waiter->call && waiter->call->receiver == waiter) waiter->call->receiver = NULL;
}

/* Leaves the read under way. The next receive() takes it over, or takes the message that has arrived. */
static void stop_receiving(void *arg) {
  struct mw_bind_waiter *waiter = arg;
  clear_receiver(waiter);
  mw_list_remove(&waiter->link);
}

static void stop_receiving_quietly(void *arg) {
  struct mw_bind_waiter *waiter = arg;
  clear_receiver(waiter);
  mw_bind_stop_quietly(waiter);
}

/* Pushes the message that has arrived. A malformed message ends the handler with INVALID_ARGUMENT. */
static int push_arrived(lua_State *L, struct mw_bind_call *c, struct mw_slice bytes, bool packed) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_bind_decode(L, c->program, c->method->input, bytes, packed, &err);
  if (rc == 0) return 1;
  mw_bind_fail_err(L, mw_code_of_error(rc), &err);
  return mw_bind_raise_status(L);
}

static int after_receive(lua_State *L, int status, lua_KContext context) {
  struct mw_bind_waiter *waiter = (struct mw_bind_waiter *)context;
  mw_list_remove(&waiter->link);
  if (waiter->arrived == MW_BIND_MESSAGE) return push_arrived(L, waiter->call, waiter->bytes, waiter->packed);
  if (waiter->arrived == MW_BIND_END) {
    lua_pushnil(L);
    return 1;
  }
  mw_bind_fail_ended(L, waiter->call);
  return waiter->raising ? mw_fiber_raise(L) : 2;
}

static int receive(lua_State *L, const char *what, bool raising, bool packed) {
  struct mw_bind_object *object = mw_bind_check_object(L);
  if (!object->client_streaming) {
    return luaL_error(L, "%s: the request of %s is not streamed: it is the handler's first argument", what,
                      object->path);
  }
  struct mw_bind_call *c = object->call;
  if (!c || c->call->cancelled) {
    mw_bind_fail_ended(L, c);
    return raising ? mw_fiber_raise(L) : 2;
  }
  if (c->has_unread) {
    c->has_unread = false;
    return push_arrived(L, c, mw_buf_slice(&c->unread), packed);
  }
  if (c->call->ended) {
    lua_pushnil(L);
    return 1;
  }
  if (c->receiver) return luaL_error(L, "%s: another receive of this call is under way", what);
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  struct mw_bind_waiter *waiter = mw_bind_push_waiter(L, c, fiber);
  waiter->raising = raising;
  waiter->packed = packed;
  c->receiver = waiter;
  if (!c->call->reading) mw_call_read(c->call);
  return mw_bind_wait(L, waiter, stop_receiving, stop_receiving_quietly, after_receive);
}

static int l_receive(lua_State *L) {
  const struct mw_bind_call *c = lua_gettop(L) > 1 ? mw_bind_check_object(L)->call : NULL;
  return receive(L, "call:receive", false, c && mw_packed_receive_option(L, c->method->input, "call:receive"));
}

/* Upvalues: the call object; whether the messages are packed. */
static int next_message(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  return receive(L, "call:messages", true, lua_toboolean(L, lua_upvalueindex(2)));
}

static int l_messages(lua_State *L) {
  check_live(L, "call:messages");
  bool packed = mw_packed_only_option(L, "call:messages");
  lua_settop(L, 1);
  lua_pushboolean(L, packed);
  lua_pushcclosure(L, next_message, 2);
  return 1;
}

/* ---- call:outcome(reply, status) ---- */

static bool is_good_reply(lua_State *L, struct mw_bind_call *c, int index) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded reply;
  bool good = mw_bind_encode(L, index, c->program, c->method->output, &reply, &err) == 0;
  mw_err_fini(&err);
  return good;
}

static enum mw_code outcome(lua_State *L, struct mw_bind_call *c, int index) {
  struct mw_status status;
  if (mw_bind_check_results(L, c->method, index, &status)) return MW_CODE_INTERNAL;
  if (status.code != MW_CODE_OK) return status.code;
  if (c->call->cancelled) return c->end.code;
  return lua_isnil(L, index) || is_good_reply(L, c, index) ? MW_CODE_OK : MW_CODE_INTERNAL;
}

/* Returns the code with which the call ends if its handler returns these values. */
static int l_outcome(lua_State *L) {
  struct mw_bind_call *c = check_live(L, "call:outcome");
  lua_settop(L, 3);
  lua_pushstring(L, mw_code_name(outcome(L, c, 2)));
  return 1;
}

/* ---- metadata ---- */

/* Checks grpc-retry-pushback-ms, the one reserved trailer that a handler may set: the delay in ms before a retry;
 * negative for no retry. Clients read 32 bits. */
static void check_pushback(lua_State *L, const char *what, struct mw_slice value) {
  enum { DIGITS = 10 };
  size_t sign = value.len > 0 && value.data[0] == '-', i = sign;
  while (i < value.len && value.data[i] >= '0' && value.data[i] <= '9') i++;
  bool is_integer = i == value.len && i > sign && i <= sign + DIGITS;
  if (!is_integer || llabs(strtoll((const char *)value.data, NULL, 10)) > INT32_MAX) {
    luaL_error(L, "%s: grpc-retry-pushback-ms: expected an integer from -2147483647 to 2147483647, got \"%s\"", what,
               (const char *)value.data);
  }
}

static int add_metadata(lua_State *L, const char *what, bool trailer) {
  struct mw_bind_call *c = check_live(L, what);
  struct mw_slice key, value;
  key.data = (const uint8_t *)luaL_checklstring(L, 2, &key.len);
  value.data = (const uint8_t *)luaL_checklstring(L, 3, &value.len);
  if (!trailer && c->call->headers_sent) return luaL_error(L, "%s: the headers have been sent already", what);
  struct mw_err err = MW_ERR_INIT;
  if (trailer && mw_slice_eq_str(key, "grpc-retry-pushback-ms")) {
    check_pushback(L, what, value);
  } else if (mw_metadata_check(key, value, &err) != 0) {
    mw_err_wrap(&err, "%s", what);
    return mw_bind_raise_err(L, &err);
  }
  struct mw_metadata *metadata = trailer ? &c->call->trailers : &c->call->headers;
  if (!mw_metadata_fits(metadata, key, value)) {
    return luaL_error(L, "%s: more than %d bytes, where each entry counts its key, its value and %d", what,
                      MW_METADATA_MOST, MW_METADATA_OVERHEAD);
  }
  if (mw_metadata_add(metadata, &c->call->arena, key, value) != 0) return luaL_error(L, "%s: out of memory", what);
  return 0;
}

static int l_set_header(lua_State *L) { return add_metadata(L, "call:set_header", false); }

static int l_set_trailer(lua_State *L) { return add_metadata(L, "call:set_trailer", true); }

static int l_send_headers(lua_State *L) {
  mw_call_send_headers(check_live(L, "call:send_headers")->call);
  return 0;
}

static int l_set_compression(lua_State *L) {
  static const char *const encodings[] = {"gzip", "deflate", "identity"};
  struct mw_bind_call *c = check_live(L, "call:set_compression");
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  const char *encoding = NULL;
  for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
    if (strcmp(name, encodings[i]) == 0) encoding = encodings[i];
  }
  if (!encoding) {
    return luaL_error(L, "call:set_compression: expected \"gzip\", \"deflate\" or \"identity\", got %s",
                      luaL_tolstring(L, 2, NULL));
  }
  if (c->call->headers_sent) return luaL_error(L, "call:set_compression: the headers have been sent already");
  mw_call_set_compression(c->call, encoding);
  return 0;
}

static int l_metadata_values(lua_State *L) {
  struct mw_bind_call *c = check_live(L, "call:metadata_values");
  const char *key = luaL_checkstring(L, 2);
  lua_newtable(L);
  lua_Integer n = 0;
  for (size_t i = 0; i < c->call->request.len; i++) {
    const struct mw_metadata_entry *entry = &c->call->request.entries[i];
    if (!mw_slice_eq_str(entry->key, key)) continue;
    lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Pushes a table with the first value of each key. */
static void push_metadata(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_createtable(L, 0, (int)c->call->request.len);
  for (size_t i = c->call->request.len; i-- > 0;) {
    const struct mw_metadata_entry *entry = &c->call->request.entries[i];
    lua_pushlstring(L, (const char *)entry->key.data, entry->key.len);
    lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
    lua_rawset(L, -3);
  }
}

/* ---- time ---- */

static int l_time_remaining(lua_State *L) {
  struct mw_bind_call *c = check_live(L, "call:time_remaining");
  if (c->call->deadline == MW_NEVER) return lua_pushnil(L), 1;
  double left = (double)(c->call->deadline - mw_clock_mono()) / MW_NS_PER_S;
  lua_pushnumber(L, fmax(left, 0));
  return 1;
}

static void push_deadline(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  if (c->call->deadline == MW_NEVER) {
    lua_pushnil(L);
    return;
  }
  int64_t left = c->call->deadline - mw_clock_mono();
  lua_pushnumber(L, ((double)mw_clock_wall() + (double)left) / MW_NS_PER_S); /* may be out of the range of 64 bits */
}

/* ---- fields ---- */

/* Stores the value at the top in the object's own table, so that it is made once. The value stays at the top. */
static void cache_field(lua_State *L, const char *name) {
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static bool push_cached(lua_State *L, const char *name) {
  if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE && lua_getfield(L, -1, name) != LUA_TNIL) return true;
  lua_settop(L, 2);
  return false;
}

static void push_method(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_pushstring(L, strrchr(object->path, '/') + 1);
}

static void push_service(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_pushlstring(L, object->path + 1, (size_t)(strrchr(object->path, '/') - object->path - 1));
}

static void push_vars(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) { lua_newtable(L); }

static void push_encoding(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_pushstring(L, c->call->request_encoding ? c->call->request_encoding : "identity");
}

static void push_peer(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_pushstring(L, c->call->peer);
}

/* From now on the id is in the call's log lines too. */
static void push_trace_id(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  const char *id = mw_bind_call_trace_id(c, true);
  lua_pushstring(L, id);
  c->fiber->log.trace_id = id;
  if (mw_bind_current_call(L) == c->call) mw_log_context()->trace_id = id;
}

/* Pushes mw.log of the program. The context of the call's fiber adds the call to each line. */
static void push_log(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->program->modules_ref);
  lua_getfield(L, -1, "moonwire");
  lua_getfield(L, -1, "log");
}

/* A field of the call object: a light userdata in the table of methods. */
static const struct field {
  const char *name;
  void (*push)(lua_State *L, const struct mw_bind_object *object, struct mw_bind_call *c);
  bool is_cached;     /* made once, and readable after the end of the call if it was read before */
  bool outlives_call; /* can be made after the end */
} fields[] = {{"method", push_method, false, true},
              {"service", push_service, false, true},
              {"vars", push_vars, true, true},
              {"deadline", push_deadline, false, false},
              {"request_encoding", push_encoding, false, false},
              {"metadata", push_metadata, true, false},
              {"peer", push_peer, true, false},
              {"trace_id", push_trace_id, true, false},
              {"log", push_log, true, false}};

/* __index: a method or a field. Upvalue 1: the table of both. */
static int l_index(lua_State *L) {
  lua_pushvalue(L, 2);
  int type = lua_rawget(L, lua_upvalueindex(1));
  if (type == LUA_TFUNCTION) return 1;
  struct mw_bind_object *object = mw_bind_check_object(L);
  if (type == LUA_TNIL) {
    const char *name = luaL_checkstring(L, 2), *near = mw_guard_nearest(L, lua_upvalueindex(1), name);
    return luaL_error(L, "call has no %s%s%s%s", name, near ? " (did you mean " : "", near ? near : "",
                      near ? "?)" : "");
  }
  const struct field *field = lua_touserdata(L, -1);
  lua_settop(L, 2);
  if (field->is_cached && push_cached(L, field->name)) return 1;
  if (!object->call && !field->outlives_call) return 0;
  field->push(L, object, object->call);
  if (field->is_cached) cache_field(L, field->name);
  return 1;
}

static int l_newindex(lua_State *L) {
  return luaL_error(L, "call.%s cannot be set: keep your own values in call.vars", luaL_tolstring(L, 2, NULL));
}

static int l_tostring(lua_State *L) {
  struct mw_bind_object *object = mw_bind_check_object(L);
  lua_pushfstring(L, "call %s%s", object->path, object->call ? "" : " (ended)");
  return 1;
}

static void push_object_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", mw_bind_call_send},
                                     {"send_all", mw_bind_call_send_all},
                                     {"receive", l_receive},
                                     {"messages", l_messages},
                                     {"outcome", l_outcome},
                                     {"set_header", l_set_header},
                                     {"set_trailer", l_set_trailer},
                                     {"send_headers", l_send_headers},
                                     {"set_compression", l_set_compression},
                                     {"metadata_values", l_metadata_values},
                                     {"time_remaining", l_time_remaining},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__index", l_index}, {"__newindex", l_newindex}, {"__tostring", l_tostring}, {NULL, NULL}};
  if (luaL_getmetatable(L, MW_BIND_CALL) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)&fields[i]);
    lua_setfield(L, -2, fields[i].name);
  }
  mw_bind_make_type(L, MW_BIND_CALL, metamethods);
}

void mw_bind_push_call(lua_State *L, struct mw_bind_call *call) {
  const struct mw_method_type *method = call->method;
  const struct mw_bind_target *target = call->call->route->arg;
  struct mw_bind_object *object = lua_newuserdatauv(L, sizeof *object, 1);
  object->call = call;
  object->path = target->path;
  object->client_streaming = method->client_streaming;
  object->server_streaming = method->server_streaming;
  push_object_type(L);
  lua_setmetatable(L, -2);
  call->object = object;
}
