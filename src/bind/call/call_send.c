/* call:send(message, options) and call:send_all(source). */
#include "bind/base/options.h"
#include "bind/call/call.h"
#include "bind/message/encode.h"
#include "bind/message/message.h"
#include "bind/message/packed.h"

/* ---- call:send ---- */

static int wait_to_send(lua_State *L, struct mw_bind_call *c, struct mw_fiber *fiber, lua_KFunction k) {
  struct mw_bind_waiter *waiter = mw_bind_push_waiter(L, c, fiber);
  mw_list_push(&c->senders, &waiter->link);
  return mw_bind_wait(L, waiter, mw_bind_stop_sending, mw_bind_stop_quietly, k);
}

static int after_send(lua_State *L, int status, lua_KContext context) {
  struct mw_bind_waiter *waiter = (struct mw_bind_waiter *)context;
  mw_list_remove(&waiter->link);
  if (!waiter->call || waiter->call->call->cancelled) return mw_bind_fail_ended(L, waiter->call);
  lua_pushboolean(L, 1);
  return 1;
}

static int raise_bad_message(lua_State *L, const struct mw_bind_call *c, struct mw_err *err) {
  mw_err_wrap(err, "call:send in %s", c->method->path);
  return mw_bind_raise_err(L, err);
}

/* Reads the options at index 3. Returns true if the message is not to be compressed. */
static bool check_plain(lua_State *L) {
  static const char *const allowed[] = {"compress", NULL};
  luaL_checkany(L, 2);
  mw_bind_check_options(L, 3, "call:send", allowed);
  int type = mw_bind_get_option(L, 3, "compress");
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) {
    luaL_error(L, "call:send: compress: expected a boolean, got %s", luaL_typename(L, -1));
  }
  return type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
}

/* Retries after a wait for room. Packs the message again: the table may have changed, and others have used the scratch
 * arena. */
static int after_room(lua_State *L, int status, lua_KContext context) {
  struct mw_bind_waiter *waiter = (struct mw_bind_waiter *)context;
  mw_list_remove(&waiter->link);
  if (!waiter->call || waiter->call->call->cancelled) return mw_bind_fail_ended(L, waiter->call);
  lua_settop(L, 3);
  return mw_bind_call_send(L);
}

int mw_bind_call_send(lua_State *L) {
  struct mw_bind_object *object = mw_bind_check_object(L);
  if (!object->server_streaming) {
    return luaL_error(L, "call:send: the reply of %s is not streamed: return it", object->path);
  }
  bool plain = lua_gettop(L) != 2 && check_plain(L);
  struct mw_bind_call *c = object->call;
  if (!c) {
    mw_log(MW_LOG_WARN, NULL, "call:send after the end of %s", object->path);
    return mw_bind_fail_ended(L, NULL);
  }
  if (c->call->cancelled) return mw_bind_fail_ended(L, c);
  struct mw_fiber *fiber = mw_fiber_check(L, "call:send");
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded message;
  if (mw_bind_encode(L, 2, c->program, c->method->output, &message, &err) != 0) return raise_bad_message(L, c, &err);
  if (!mw_call_has_room(c->call, message.size)) {
    lua_settop(L, 3);
    return wait_to_send(L, c, fiber, after_room);
  }
  uint8_t *out = mw_call_reserve(c->call, message.size);
  if (!out) return mw_budget_refuse(L);
  mw_encoded_write(&message, out);
  if (mw_call_send(c->call, plain ? MW_SEND_PLAIN : 0)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return wait_to_send(L, c, fiber, after_send);
}

/* ---- call:send_all(source) ---- Stack: 1 the call object, 2 the source, 3 the number of messages taken from a list,
 * nil for an iterator, 4 the message that waits for room, or nil. */

enum { SOURCE = 2, TAKEN = 3, MESSAGE = 4 };

static int send_rest(lua_State *L);

/* The call of the object at 1, or NULL if it is over. */
static struct mw_bind_call *live_call(lua_State *L) {
  struct mw_bind_call *c = mw_bind_check_object(L)->call;
  return c && !c->call->cancelled ? c : NULL;
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  struct mw_bind_waiter *waiter = (struct mw_bind_waiter *)context;
  mw_list_remove(&waiter->link);
  if (!waiter->call || waiter->call->call->cancelled) return mw_bind_fail_ended(L, waiter->call);
  lua_settop(L, MESSAGE);
  return send_rest(L);
}

/* Writes a message that has room. Returns false if the next one must wait. */
static bool write_message(lua_State *L, struct mw_bind_call *c, const struct mw_encoded *message) {
  uint8_t *out = mw_call_reserve(c->call, message->size);
  if (!out) mw_budget_refuse(L);
  mw_encoded_write(message, out);
  return mw_call_send(c->call, 0);
}

/* Results of a step. */
enum step { GO_ON, WAIT, END };

/* Sends the message at MESSAGE and clears it, unless it has to wait for room. */
static enum step send_value(lua_State *L, struct mw_bind_call *c) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded message;
  if (mw_bind_encode(L, MESSAGE, c->program, c->method->output, &message, &err) != 0) {
    mw_err_wrap(&err, "call:send_all in %s", c->method->path);
    mw_bind_raise_err(L, &err);
  }
  if (!mw_call_has_room(c->call, message.size)) return WAIT;
  bool more = write_message(L, c, &message);
  lua_settop(L, TAKEN);
  lua_pushnil(L);
  return more ? GO_ON : WAIT;
}

/* Sends the next message of a source of bytes. Without room it becomes the message at MESSAGE. */
static enum step send_bytes(lua_State *L, struct mw_bind_call *c, struct mw_packed_source *source) {
  struct mw_slice bytes;
  if (!source->next(L, SOURCE, &bytes)) return END;
  if (mw_call_has_room(c->call, bytes.len)) {
    const struct mw_encoded message = {.size = bytes.len, .bytes = bytes.data};
    return write_message(L, c, &message) ? GO_ON : WAIT;
  }
  struct mw_err err = MW_ERR_INIT;
  if (mw_packed_push(L, c->program, source->type, bytes, &err) != 0) mw_bind_raise_err(L, &err);
  lua_replace(L, MESSAGE);
  return WAIT;
}

/* Replaces the number of taken messages by the next one, and the message by that of the list. */
static enum step take_from_list(lua_State *L) {
  lua_Integer i = lua_tointeger(L, TAKEN) + 1;
  lua_settop(L, SOURCE);
  lua_pushinteger(L, i);
  return lua_rawgeti(L, SOURCE, i) == LUA_TNIL ? END : GO_ON;
}

/* Returns true after the last message. The client may have gone while the iterator waited for its end. */
static int end(lua_State *L) {
  if (!live_call(L)) return mw_bind_fail_ended(L, mw_bind_check_object(L)->call);
  lua_pushboolean(L, 1);
  return 1;
}

static int after_next(lua_State *L, int status, lua_KContext context) {
  lua_settop(L, MESSAGE);
  return lua_isnil(L, MESSAGE) ? end(L) : send_rest(L);
}

/* Sends until the source ends or the call has no room. */
static int send_rest(lua_State *L) {
  struct mw_packed_source *source = mw_packed_source_at(L, SOURCE);
  bool is_list = lua_isinteger(L, TAKEN);
  unsigned steps = 0;
  for (;;) {
    struct mw_bind_call *c = live_call(L);
    enum step step = GO_ON;
    if (!c) return mw_bind_fail_ended(L, mw_bind_check_object(L)->call);
    if (!lua_isnil(L, MESSAGE)) {
      step = send_value(L, c);
    } else if (source) {
      step = send_bytes(L, c, source);
    } else if (is_list) {
      step = take_from_list(L);
    } else {
      lua_settop(L, TAKEN);
      lua_pushvalue(L, SOURCE);
      lua_callk(L, 0, 1, 0, after_next);
      if (lua_isnil(L, MESSAGE)) step = END;
    }
    if (step == WAIT) return wait_to_send(L, c, mw_fiber_check(L, "call:send_all"), after_wait);
    if (step == END) return end(L);
    mw_budget_tick(L, &steps);
  }
}

/* Returns true for a list, false for an iterator. An iterator is closed at the end, whatever it is. */
static bool check_source(lua_State *L) {
  if (lua_isfunction(L, SOURCE)) return false;
  bool is_message = mw_bind_message_type(L, SOURCE, mw_fiber_program(L)) != NULL;
  bool is_callable = luaL_getmetafield(L, SOURCE, "__call") != LUA_TNIL;
  if (is_message || !(is_callable || lua_istable(L, SOURCE))) {
    luaL_error(L, "call:send_all: expected a list or an iterator, got %s",
               is_message ? "a message: use call:send" : luaL_typename(L, SOURCE));
  }
  if (!is_callable) return true;
  const struct mw_packed_source *source = mw_packed_source_at(L, SOURCE);
  const struct mw_bind_call *c = source ? live_call(L) : NULL;
  if (c && source->type != c->method->output) {
    luaL_error(L, "call:send_all in %s: expected %s, got packed %s", c->method->path, c->method->output->full_name,
               source->type->full_name);
  }
  if (luaL_getmetafield(L, SOURCE, "__close") != LUA_TNIL) lua_toclose(L, SOURCE);
  return false;
}

/* call:send_all(source): sends the messages of a list, or those that an iterator returns until nil. */
int mw_bind_call_send_all(lua_State *L) {
  struct mw_bind_object *object = mw_bind_check_object(L);
  if (!object->server_streaming) {
    return luaL_error(L, "call:send_all: the reply of %s is not streamed: return it", object->path);
  }
  mw_fiber_check(L, "call:send_all");
  luaL_checkany(L, SOURCE);
  lua_settop(L, SOURCE);
  bool is_list = check_source(L);
  lua_settop(L, SOURCE);
  lua_settop(L, MESSAGE); /* two nils */
  if (is_list) {
    lua_pushinteger(L, 0);
    lua_replace(L, TAKEN);
  }
  return send_rest(L);
}
