/* mw.time: the clocks, and points in time in three forms: a number of seconds since 1970, RFC 3339 text, and the
 * Timestamp of messages. Functions that take a point in time accept all three, as the fields of messages do. */
#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"
#include "bind/message/message.h"
#include "schema/json/time_text.h"

static int l_now(lua_State *L) {
  lua_pushnumber(L, (double)mw_clock_wall() / MW_NS_PER_S);
  return 1;
}

static int l_now_ms(lua_State *L) {
  lua_pushinteger(L, mw_clock_wall() / MW_NS_PER_MS);
  return 1;
}

static int l_now_ns(lua_State *L) {
  lua_pushinteger(L, mw_clock_wall());
  return 1;
}

static int l_monotonic(lua_State *L) {
  lua_pushnumber(L, (double)mw_clock_mono() / MW_NS_PER_S);
  return 1;
}

static const struct mw_message_type *timestamp_type(struct mw_program *program) {
  return mw_pool_message(program->pool, "google.protobuf.Timestamp");
}

/* Converts the point in time at `index` to a message in the scratch arena. */
static const ProtobufCMessage *check_time(lua_State *L, int index) {
  struct mw_program *program = mw_bind_program(L);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  if (lua_isnoneornil(L, index)) luaL_argerror(L, index, "expected seconds, RFC 3339 text or a Timestamp");
  if (mw_bind_to_message(L, index, program, timestamp_type(program), mw_vm_scratch(program->vm), &message, &err) != 0) {
    mw_bind_raise_err(L, &err);
  }
  return message;
}

static int64_t *seconds_of(const ProtobufCMessage *message, const struct mw_message_type *type) {
  return mw_field_value(message, &type->fields[0]);
}

static int32_t *nanos_of(const ProtobufCMessage *message, const struct mw_message_type *type) {
  return mw_field_value(message, &type->fields[1]);
}

static int push_timestamp(lua_State *L, int64_t seconds, int32_t nanos) {
  struct mw_program *program = mw_bind_program(L);
  const struct mw_message_type *type = timestamp_type(program);
  ProtobufCMessage *message = mw_message_new(type, mw_vm_scratch(program->vm));
  if (!message) return luaL_error(L, "out of memory");
  *seconds_of(message, type) = seconds;
  mw_field_mark(message, &type->fields[0]);
  *nanos_of(message, type) = nanos;
  mw_field_mark(message, &type->fields[1]);
  mw_bind_push_message(L, program, type, message);
  return 1;
}

/* mw.time.timestamp([time]): the default is now */
static int l_timestamp(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    int64_t now = mw_clock_wall();
    return push_timestamp(L, now / MW_NS_PER_S, (int32_t)(now % MW_NS_PER_S));
  }
  struct mw_program *program = mw_bind_program(L);
  mw_bind_push_message(L, program, timestamp_type(program), check_time(L, 1));
  return 1;
}

/* mw.time.seconds(time) */
static int l_seconds(lua_State *L) {
  const ProtobufCMessage *message = check_time(L, 1);
  const struct mw_message_type *type = timestamp_type(mw_bind_program(L));
  lua_pushnumber(L, (double)*seconds_of(message, type) + (double)*nanos_of(message, type) / MW_NS_PER_S);
  return 1;
}

/* mw.time.format(time) */
static int l_format(lua_State *L) {
  const ProtobufCMessage *message = check_time(L, 1);
  const struct mw_message_type *type = timestamp_type(mw_bind_program(L));
  char text[MW_TIME_TEXT];
  lua_pushlstring(L, text, mw_timestamp_format(*seconds_of(message, type), *nanos_of(message, type), text));
  return 1;
}

/* mw.time.parse(text): returns a Timestamp; nil and a status for other text */
static int l_parse(lua_State *L) {
  struct mw_slice text;
  int64_t seconds;
  int32_t nanos;
  text.data = (const uint8_t *)luaL_checklstring(L, 1, &text.len);
  if (mw_timestamp_parse(text, &seconds, &nanos)) return push_timestamp(L, seconds, nanos);
  return mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT,
                      "\"%.64s\" is not a time in RFC 3339, such as \"2026-11-21T10:33:54.123Z\"", lua_tostring(L, 1));
}

void mw_bind_open_time(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"now", l_now},
                                       {"now_ms", l_now_ms},
                                       {"now_ns", l_now_ns},
                                       {"monotonic", l_monotonic},
                                       {"timestamp", l_timestamp},
                                       {"seconds", l_seconds},
                                       {"format", l_format},
                                       {"parse", l_parse},
                                       {NULL, NULL}};
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "time");
}
