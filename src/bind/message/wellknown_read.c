/* Reads the types that have a Lua form of their own. */
#include <math.h>

#include "bind/message/marker.h"
#include "bind/message/message_read.h"
#include "schema/json/time_text.h"

static bool is_text(lua_State *L, int at, struct mw_slice *text) {
  if (lua_type(L, at) != LUA_TSTRING) return false;
  size_t len;
  const char *data = lua_tolstring(L, at, &len);
  *text = mw_slice(data, len);
  return true;
}

/* ---- Timestamp and Duration: seconds in field 1, nanos in field 2 ---- */

struct time_form {
  const char *expected;
  bool (*valid)(int64_t seconds, int32_t nanos);
  bool (*parse)(struct mw_slice text, int64_t *seconds, int32_t *nanos);
  bool backwards; /* nanoseconds have the sign of the seconds; else they are never negative */
};

static const struct time_form timestamp_form = {
    "google.protobuf.Timestamp (years 1 to 9999, as {seconds=, nanos=}, a number of seconds or RFC 3339 text)",
    mw_timestamp_valid, mw_timestamp_parse, false};

static const struct time_form duration_form = {
    "google.protobuf.Duration (at most 10000 years either way, as {seconds=, nanos=} of one sign, a number of seconds "
    "or text like \"1.5s\")",
    mw_duration_valid, mw_duration_parse, true};

/* True for a table with a message's metatable: a received time may hold any numbers, and is sent unchanged. */
static bool is_message(lua_State *L, int at) { return mw_message_state_at(L, at) != NULL; }

/* Splits a number of seconds, rounded to the nearest nanosecond. */
static bool split_seconds(lua_State *L, int at, bool backwards, int64_t *seconds, int32_t *nanos) {
  *nanos = 0;
  if (lua_isinteger(L, at)) {
    *seconds = lua_tointeger(L, at);
    return true;
  }
  double number = lua_tonumber(L, at);
  if (!(fabs(number) < 1e15)) return false;
  double whole = backwards ? trunc(number) : floor(number);
  double rest = round((number - whole) * 1e9);
  int carry = rest >= 1e9 ? 1 : rest <= -1e9 ? -1 : 0;
  *seconds = (int64_t)whole + carry;
  *nanos = (int32_t)(rest - carry * 1e9);
  return true;
}

static void set_time(ProtobufCMessage *message, const struct mw_message_type *type, int64_t seconds, int32_t nanos) {
  *(int64_t *)mw_field_value(message, &type->fields[0]) = seconds;
  *(int32_t *)mw_field_value(message, &type->fields[1]) = nanos;
  mw_field_mark(message, &type->fields[0]);
  mw_field_mark(message, &type->fields[1]);
}

static int read_time(struct mw_reader *r, int at, const struct mw_message_type *type, const struct time_form *form,
                     const struct mw_path *path, ProtobufCMessage **out) {
  struct mw_slice text;
  int64_t seconds = 0;
  int32_t nanos = 0;
  bool known = false;
  int rc = 0;
  if (lua_istable(r->L, at)) {
    rc = mw_read_fields(r, at, type, path, out);
    if (rc != 0) return rc;
    seconds = *(const int64_t *)mw_field_value(*out, &type->fields[0]);
    nanos = *(const int32_t *)mw_field_value(*out, &type->fields[1]);
    if (form->valid(seconds, nanos) || is_message(r->L, at)) return 0;
    return mw_path_fail(r->err, r->L, path, MW_EINVAL, "expected %s, got {seconds=%lld, nanos=%d}", form->expected,
                        (long long)seconds, (int)nanos);
  }
  if (is_text(r->L, at, &text)) {
    known = form->parse(text, &seconds, &nanos);
  } else if (lua_type(r->L, at) == LUA_TNUMBER) {
    known = split_seconds(r->L, at, form->backwards, &seconds, &nanos);
  }
  if (!known || !form->valid(seconds, nanos)) {
    return mw_path_fail_value(r->err, r->L, path, at, form->expected, "");
  }
  rc = mw_read_new(r, type, path, out);
  if (rc == 0) set_time(*out, type, seconds, nanos);
  return rc;
}

/* ---- FieldMask ---- */

/* Splits "a,b.c" into the paths a and b.c, which borrow from the text. */
static int split_paths(struct mw_reader *r, struct mw_slice text, const struct mw_field *paths,
                       const struct mw_path *path, ProtobufCMessage *message) {
  size_t n = text.len > 0;
  for (size_t i = 0; i < text.len; i++) n += text.data[i] == ',';
  if (n == 0) return 0;
  ProtobufCBinaryData *slots = mw_arena_calloc(r->arena, n, sizeof *slots);
  if (!slots) return mw_read_no_memory(r, path);
  const uint8_t *start = text.data, *end = text.data + text.len;
  for (size_t i = 0; i < n; i++) {
    mw_budget_tick(r->L, &r->steps);
    const uint8_t *comma = memchr(start, ',', (size_t)(end - start));
    size_t len = (size_t)((comma ? comma : end) - start);
    if (len == 0) {
      return mw_path_fail(r->err, r->L, path, MW_EINVAL, "expected field paths like \"a,b.c\", got an empty one");
    }
    slots[i] = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)start};
    start += len + 1;
  }
  *(ProtobufCBinaryData **)mw_field_value(message, paths) = slots;
  *mw_field_count(message, paths) = n;
  return 0;
}

static int read_field_mask(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                           ProtobufCMessage **out) {
  struct mw_slice text;
  if (!is_text(r->L, at, &text)) return mw_read_fields(r, at, type, path, out);
  if (!mw_utf8_valid(text)) return mw_path_fail_value(r->err, r->L, path, at, "field paths in UTF-8", "");
  int rc = mw_read_charge(r, text.len, path);
  if (rc == 0) rc = mw_read_new(r, type, path, out);
  return rc != 0 ? rc : split_paths(r, text, &type->fields[0], path, *out);
}

/* ---- Struct, Value and ListValue ---- */

/* The members of Value's oneof: its fields 1 to 6. */
enum value_member { NULL_VALUE, NUMBER_VALUE, STRING_VALUE, BOOL_VALUE, STRUCT_VALUE, LIST_VALUE };

/* Returns the member for the value at `at`, or -1 if there is none. */
static int value_member(lua_State *L, int at) {
  switch (lua_type(L, at)) {
    case LUA_TNUMBER: return NUMBER_VALUE;
    case LUA_TSTRING: return STRING_VALUE;
    case LUA_TBOOLEAN: return BOOL_VALUE;
    case LUA_TTABLE: return mw_bind_is_array(L, at) || lua_rawlen(L, at) > 0 ? LIST_VALUE : STRUCT_VALUE;
    default: return mw_bind_is_null(L, at) ? NULL_VALUE : -1;
  }
}

static int read_value(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                      ProtobufCMessage **out) {
  int member = value_member(r->L, at);
  if (member < 0) {
    return mw_path_fail_value(r->err, r->L, path, at, "mw.null, a boolean, number, string or table", "");
  }
  const struct mw_field *field = &type->fields[member];
  int rc = mw_read_new(r, type, path, out);
  if (rc != 0) return rc;
  void *slot = mw_field_value(*out, field);
  if (member == NULL_VALUE) {
    *(int32_t *)slot = 0;
  } else if (field->message) {
    rc = mw_read_message(r, at, field->message, path, slot);
  } else {
    rc = mw_read_scalar(r, at, field, path, slot);
  }
  if (rc == 0) mw_field_mark(*out, field);
  return rc;
}

static int read_struct(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                       ProtobufCMessage **out) {
  if (!lua_istable(r->L, at) || mw_bind_is_array(r->L, at)) {
    return mw_path_fail_value(r->err, r->L, path, at, "google.protobuf.Struct (a table with string keys)", "");
  }
  int rc = mw_read_new(r, type, path, out);
  return rc != 0 ? rc : mw_read_map(r, at, &type->fields[0], path, *out);
}

static int read_list_value(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                           ProtobufCMessage **out) {
  int rc = mw_read_new(r, type, path, out);
  return rc != 0 ? rc : mw_read_sequence(r, at, &type->fields[0], path, *out);
}

/* ---- wrappers ---- */

static int read_wrapper(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                        ProtobufCMessage **out) {
  const struct mw_field *field = &type->fields[0];
  int rc = mw_read_new(r, type, path, out);
  if (rc == 0) rc = mw_read_scalar(r, at, field, path, mw_field_value(*out, field));
  if (rc == 0) mw_field_mark(*out, field);
  return rc;
}

int mw_read_wellknown(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                      ProtobufCMessage **out) {
  switch (type->wellknown) {
    case MW_WKT_TIMESTAMP: return read_time(r, at, type, &timestamp_form, path, out);
    case MW_WKT_DURATION: return read_time(r, at, type, &duration_form, path, out);
    case MW_WKT_FIELD_MASK: return read_field_mask(r, at, type, path, out);
    case MW_WKT_STRUCT: return read_struct(r, at, type, path, out);
    case MW_WKT_VALUE: return read_value(r, at, type, path, out);
    case MW_WKT_LIST_VALUE: return read_list_value(r, at, type, path, out);
    case MW_WKT_WRAPPER: return read_wrapper(r, at, type, path, out);
    default: return mw_read_fields(r, at, type, path, out);
  }
}
