/* Timestamps and durations as Lua values: {seconds=, nanos=} with methods, comparison and arithmetic. */
#include "bind/message/message_meta.h"
#include "bind/message/message_types.h"
#include "schema/json/time_text.h"

#define TIMESTAMP "moonwire.Timestamp"
#define DURATION "moonwire.Duration"

enum { NANOS = 1000000000 };

struct time_value {
  enum mw_wellknown kind;
  int64_t seconds;
  int32_t nanos;
};

/* ---- check and push ---- */

static lua_Integer integer_at(lua_State *L, int index, const char *name) {
  int whole;
  lua_pushstring(L, name);
  lua_rawget(L, index);
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (!whole && !lua_isnil(L, -1)) luaL_error(L, "expected an integer in field '%s'", name);
  lua_pop(L, 1);
  return value;
}

/* Returns the time at `index`; its metatable determines the kind. It may be out of range, because received messages may
 * hold any numbers. */
static struct time_value check_time(lua_State *L, int index) {
  struct time_value time = {MW_WKT_NONE, 0, 0};
  const struct mw_message_state *state = mw_message_state_at(L, index);
  if (state) time.kind = state->type->wellknown;
  if (time.kind != MW_WKT_TIMESTAMP && time.kind != MW_WKT_DURATION) {
    luaL_typeerror(L, index, "Timestamp or Duration");
  }
  time.seconds = integer_at(L, index, "seconds");
  lua_Integer nanos = integer_at(L, index, "nanos");
  time.nanos = (int32_t)nanos;
  luaL_argcheck(L, nanos == time.nanos, index, "out of range");
  return time;
}

/* Returns a duration: the value at `index`, or a number of seconds. */
static struct time_value check_duration(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, index);
    luaL_argcheck(L, number > -1e12 && number < 1e12, index, "out of range");
    int64_t seconds = (int64_t)number;
    return (struct time_value){MW_WKT_DURATION, seconds, (int32_t)((number - (lua_Number)seconds) * NANOS)};
  }
  struct time_value time = check_time(L, index);
  luaL_argexpected(L, time.kind == MW_WKT_DURATION, index, DURATION);
  return time;
}

static bool is_valid(enum mw_wellknown kind, int64_t seconds, int32_t nanos) {
  return (kind == MW_WKT_TIMESTAMP ? mw_timestamp_valid : mw_duration_valid)(seconds, nanos);
}

/* Pushes a time of `kind`. The message at `like` leads to the metatable. */
static int push_time(lua_State *L, enum mw_wellknown kind, __int128 total, int like) {
  static const char *const names[] = {
      [MW_WKT_TIMESTAMP] = "google.protobuf.Timestamp", [MW_WKT_DURATION] = "google.protobuf.Duration"};
  __int128 whole = total / NANOS;
  int32_t nanos = (int32_t)(total % NANOS);
  if (kind == MW_WKT_TIMESTAMP && nanos < 0) {
    nanos += NANOS;
    whole--;
  }
  int64_t seconds = (int64_t)whole;
  if (seconds != whole || !is_valid(kind, seconds, nanos)) {
    return luaL_error(L, "the result is out of the range of %s", names[kind]);
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushinteger(L, nanos);
  lua_setfield(L, -2, "nanos");
  mw_messages_push_sibling(L, like, names[kind]);
  lua_setmetatable(L, -2);
  return 1;
}

static __int128 total(struct time_value time) { return (__int128)time.seconds * NANOS + time.nanos; }

/* ---- methods ---- */

/* time:number(): returns seconds as a float. */
static int l_number(lua_State *L) {
  struct time_value time = check_time(L, 1);
  lua_pushnumber(L, (lua_Number)time.seconds + (lua_Number)time.nanos / NANOS);
  return 1;
}

/* timestamp:iso() and tostring(): "2026-11-21T10:33:54.123Z"; for a duration, "1.5s". */
static int l_text(lua_State *L) {
  struct time_value time = check_time(L, 1);
  char text[MW_TIME_TEXT];
  luaL_argcheck(L, is_valid(time.kind, time.seconds, time.nanos), 1, "out of range");
  size_t len = time.kind == MW_WKT_TIMESTAMP ? mw_timestamp_format(time.seconds, time.nanos, text)
                                             : mw_duration_format(time.seconds, time.nanos, text);
  lua_pushlstring(L, text, len);
  return 1;
}

/* tostring() must not raise for a time that is out of range. */
static int l_tostring(lua_State *L) {
  lua_pushcfunction(L, l_text);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) lua_pushliteral(L, "(time out of range)");
  return 1;
}

/* ---- metamethods ---- */

static void check_pair(lua_State *L, struct time_value *a, struct time_value *b) {
  *a = check_time(L, 1);
  *b = check_time(L, 2);
  if (a->kind != b->kind) luaL_error(L, "a Timestamp and a Duration cannot be compared");
}

static int l_lt(lua_State *L) {
  struct time_value a, b;
  check_pair(L, &a, &b);
  lua_pushboolean(L, total(a) < total(b));
  return 1;
}

static int l_le(lua_State *L) {
  struct time_value a, b;
  check_pair(L, &a, &b);
  lua_pushboolean(L, total(a) <= total(b));
  return 1;
}

/* Lua calls __eq for any two tables. */
static int l_eq(lua_State *L) {
  const struct mw_message_state *a = mw_message_state_at(L, 1), *b = mw_message_state_at(L, 2);
  bool same = a && b && a->type->wellknown == b->type->wellknown;
  lua_pushboolean(L, same && total(check_time(L, 1)) == total(check_time(L, 2)));
  return 1;
}

/* timestamp - timestamp, timestamp - duration, duration - duration. */
static int l_sub(lua_State *L) {
  struct time_value a = lua_type(L, 1) == LUA_TNUMBER ? check_duration(L, 1) : check_time(L, 1);
  bool other = lua_istable(L, 2) && a.kind == MW_WKT_TIMESTAMP;
  struct time_value b = other ? check_time(L, 2) : check_duration(L, 2);
  enum mw_wellknown kind = b.kind == MW_WKT_TIMESTAMP ? MW_WKT_DURATION : a.kind;
  return push_time(L, kind, total(a) - total(b), lua_istable(L, 1) ? 1 : 2);
}

/* timestamp + duration in either order, duration + duration. */
static int l_add(lua_State *L) {
  int first = lua_istable(L, 1) && check_time(L, 1).kind == MW_WKT_TIMESTAMP ? 1 : 2;
  struct time_value a = lua_type(L, first) == LUA_TNUMBER ? check_duration(L, first) : check_time(L, first);
  struct time_value b = check_duration(L, 3 - first);
  return push_time(L, a.kind, total(a) + total(b), lua_istable(L, 1) ? 1 : 2);
}

static int l_unm(lua_State *L) { return push_time(L, MW_WKT_DURATION, -total(check_duration(L, 1)), 1); }

/* ---- tables ---- */

void mw_time_meta_fill(lua_State *L, enum mw_wellknown wellknown) {
  static const luaL_Reg metamethods[] = {{"__tostring", l_tostring}, {"__eq", l_eq},   {"__lt", l_lt}, {"__le", l_le},
                                         {"__sub", l_sub},           {"__add", l_add}, {NULL, NULL}};
  bool timestamp = wellknown == MW_WKT_TIMESTAMP;
  luaL_setfuncs(L, metamethods, 0);
  lua_createtable(L, 0, 4);
  lua_pushcfunction(L, l_number);
  lua_setfield(L, -2, "number");
  if (timestamp) {
    lua_pushcfunction(L, l_text);
    lua_setfield(L, -2, "iso");
  }
  lua_pushinteger(L, 0);
  lua_setfield(L, -2, "seconds");
  lua_pushinteger(L, 0);
  lua_setfield(L, -2, "nanos");
  lua_setfield(L, -2, "__index");
  if (!timestamp) {
    lua_pushcfunction(L, l_unm);
    lua_setfield(L, -2, "__unm");
  }
  lua_pushstring(L, timestamp ? TIMESTAMP : DURATION);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
}
