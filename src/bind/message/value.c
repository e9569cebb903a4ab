/* A value is a tag and its data; lengths are varints. A table is its pairs and an end mark:
 *
 *   NULL FALSE TRUE | INTEGER zigzag | FLOAT 8 bytes | STRING len bytes | MESSAGE len name len bytes |
 *   (TABLE | ARRAY) (key value)* END */
#include "bind/message/value.h"

#include <stdarg.h>
#include <stdio.h>

#include "bind/base/buffer.h"
#include "bind/message/decode.h"
#include "bind/message/encode.h"
#include "bind/message/marker.h"
#include "bind/message/message.h"
#include "bind/message/packed.h"
#include "schema/wire/varint.h"

enum tag { END, NIL, FALSE, TRUE, INTEGER, FLOAT, STRING, MESSAGE, TABLE, ARRAY };

enum { MAX_PATH = 200 };

/* ---- to bytes ---- */

struct encoder {
  lua_State *L;
  struct mw_program *program;
  struct mw_buf *out; /* owned by a userdata: raising frees it */
  char path[MAX_PATH];
  size_t path_len;
  int depth;
  unsigned steps; /* towards the next check of the budget */
};

static void encode(struct encoder *e, int index);

static int raise_at(struct encoder *e, const char *words) { return luaL_error(e->L, "%s: %s", e->path, words); }

static void put(struct encoder *e, const void *data, size_t len) {
  mw_budget_bytes(e->L, &e->steps, len);
  if (mw_buf_append(e->out, data, len) != 0) mw_budget_refuse(e->L);
}

static void put_tag(struct encoder *e, enum tag tag) { put(e, &(uint8_t){(uint8_t)tag}, 1); }

static void put_varint(struct encoder *e, uint64_t number) {
  uint8_t bytes[MW_WIRE_VARINT_MAX];
  put(e, bytes, (size_t)(mw_wire_write_varint(bytes, number) - bytes));
}

static void put_bytes(struct encoder *e, const void *data, size_t len) {
  put_varint(e, len);
  put(e, data, len);
}

static void encode_number(struct encoder *e, int index) {
  if (lua_isinteger(e->L, index)) {
    lua_Integer number = lua_tointeger(e->L, index);
    put_tag(e, INTEGER);
    put_varint(e, (uint64_t)number << 1 ^ (uint64_t)(number >> 63));
  } else {
    lua_Number number = lua_tonumber(e->L, index);
    put_tag(e, FLOAT);
    put(e, &number, sizeof number);
  }
}

static void encode_message(struct encoder *e, int index, const struct mw_message_type *type) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded message;
  if (mw_bind_encode(e->L, index, e->program, type, &message, &err) != 0) {
    mw_err_wrap(&err, "%s", e->path);
    mw_bind_raise_err(e->L, &err);
  }
  put_tag(e, MESSAGE);
  put_bytes(e, type->full_name, strlen(type->full_name));
  put_varint(e, message.size);
  if (mw_buf_reserve(e->out, message.size) != 0) mw_budget_refuse(e->L);
  mw_encoded_write(&message, e->out->data + e->out->len);
  e->out->len += message.size;
}

/* Appends ".name", "[3]" or "[true]" to the path, for the key at `index`. A path that is too long is cut. */
static void extend_path(struct encoder *e, int index) {
  char *end = e->path + e->path_len;
  size_t room = sizeof e->path - e->path_len;
  int n;
  if (lua_type(e->L, index) == LUA_TSTRING) {
    n = snprintf(end, room, ".%.40s", lua_tostring(e->L, index));
  } else if (lua_isinteger(e->L, index)) {
    n = snprintf(end, room, "[%lld]", (long long)lua_tointeger(e->L, index));
  } else {
    n = snprintf(end, room, "[%s]", luaL_typename(e->L, index));
  }
  e->path_len = (size_t)n < room ? e->path_len + (size_t)n : sizeof e->path - 1;
}

static void encode_table(struct encoder *e, int index) {
  lua_State *L = e->L;
  if (++e->depth > MW_VALUE_DEPTH) raise_at(e, "tables are nested too deep, or within themselves");
  luaL_checkstack(L, 8, "nested tables");
  put_tag(e, mw_bind_is_array(L, index) ? ARRAY : TABLE);
  size_t path_len = e->path_len;
  mw_budget_spend(L, &e->steps, MW_BUDGET_WALK);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int value = lua_gettop(L);
    extend_path(e, value - 1);
    encode(e, value - 1);
    encode(e, value);
    lua_settop(L, value - 1);
    e->path_len = path_len;
    e->path[path_len] = '\0';
  }
  put_tag(e, END);
  e->depth--;
}

static void encode(struct encoder *e, int index) {
  lua_State *L = e->L;
  size_t len;
  const char *text;
  const struct mw_message_type *message;
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: put_tag(e, lua_toboolean(L, index) ? TRUE : FALSE); return;
    case LUA_TNUMBER: encode_number(e, index); return;
    case LUA_TSTRING:
      text = lua_tolstring(L, index, &len);
      put_tag(e, STRING);
      put_bytes(e, text, len);
      return;
    case LUA_TTABLE:
      message = mw_bind_message_type(L, index, e->program);
      if (message) {
        encode_message(e, index, message);
      } else {
        encode_table(e, index);
      }
      return;
    default: break;
  }
  if (mw_bind_is_null(L, index)) {
    put_tag(e, NIL);
    return;
  }
  message = mw_bind_message_type(L, index, e->program);
  if (message) {
    encode_message(e, index, message);
    return;
  }
  lua_pushfstring(L, "a %s cannot be sent: expected a message, string, number, boolean or table of these",
                  luaL_typename(L, index));
  raise_at(e, lua_tostring(L, -1));
}

struct mw_slice mw_value_encode(lua_State *L, int index, struct mw_program *program) {
  index = lua_absindex(L, index);
  struct encoder e = {.L = L, .program = program, .out = mw_bind_push_buffer(L), .path = "value", .path_len = 5};
  encode(&e, index);
  return mw_buf_slice(e.out);
}

/* ---- from bytes ---- */

struct decoder {
  lua_State *L;
  struct mw_program *program;
  const uint8_t *next, *end;
  bool packed; /* pushes messages packed */
  struct mw_err *err;
  int depth;
  unsigned steps; /* towards the next check of the budget */
};

static int malformed(struct decoder *d) { return mw_err_set(d->err, MW_EFORMAT, "not the bytes of a value"); }

static bool take_varint(struct decoder *d, uint64_t *number) {
  const uint8_t *after = mw_wire_varint(d->next, d->end, MW_WIRE_VARINT_MAX, number);
  if (after) d->next = after;
  return after;
}

static bool take_bytes(struct decoder *d, struct mw_slice *bytes) {
  uint64_t len;
  if (!take_varint(d, &len) || len > (uint64_t)(d->end - d->next)) return false;
  *bytes = mw_slice(d->next, (size_t)len);
  d->next += len;
  return true;
}

static int decode_integer(struct decoder *d) {
  uint64_t zigzag;
  if (!take_varint(d, &zigzag)) return malformed(d);
  lua_pushinteger(d->L, (lua_Integer)(zigzag >> 1 ^ (0 - (zigzag & 1))));
  return 0;
}

static int decode_float(struct decoder *d) {
  lua_Number number;
  if ((size_t)(d->end - d->next) < sizeof number) return malformed(d);
  memcpy(&number, d->next, sizeof number);
  d->next += sizeof number;
  lua_pushnumber(d->L, number);
  return 0;
}

static int decode_string(struct decoder *d) {
  struct mw_slice bytes;
  if (!take_bytes(d, &bytes)) return malformed(d);
  lua_pushlstring(d->L, (const char *)bytes.data, bytes.len);
  return 0;
}

static int decode_message(struct decoder *d) {
  struct mw_slice name, bytes;
  char full_name[512];
  if (!take_bytes(d, &name) || !take_bytes(d, &bytes)) return malformed(d);
  snprintf(full_name, sizeof full_name, "%.*s", (int)name.len, (const char *)name.data);
  const struct mw_message_type *type = mw_pool_message(d->program->pool, full_name);
  if (type) return mw_bind_decode(d->L, d->program, type, bytes, d->packed, d->err);
  return mw_err_set(d->err, MW_ENOTFOUND, "a message of type %s, which generation %llu does not have", full_name,
                    (unsigned long long)d->program->generation);
}

static int decode(struct decoder *d);

static int decode_table(struct decoder *d, bool array) {
  lua_State *L = d->L;
  if (++d->depth > MW_VALUE_DEPTH || !lua_checkstack(L, 8)) return malformed(d);
  lua_newtable(L);
  if (array) mw_bind_mark_array(L);
  int rc = 0;
  while (rc == 0) {
    if (d->next == d->end) return malformed(d);
    if (*d->next == END) break;
    rc = decode(d);
    if (rc == 0) rc = decode(d);
    if (rc == 0) lua_rawset(L, -3);
  }
  d->next++;
  d->depth--;
  return rc;
}

static int decode(struct decoder *d) {
  mw_budget_tick(d->L, &d->steps);
  if (d->next == d->end) return malformed(d);
  switch (*d->next++) {
    case NIL: mw_bind_push_null(d->L); return 0;
    case FALSE: lua_pushboolean(d->L, 0); return 0;
    case TRUE: lua_pushboolean(d->L, 1); return 0;
    case INTEGER: return decode_integer(d);
    case FLOAT: return decode_float(d);
    case STRING: return decode_string(d);
    case MESSAGE: return decode_message(d);
    case TABLE: return decode_table(d, false);
    case ARRAY: return decode_table(d, true);
    default: return malformed(d);
  }
}

int mw_value_push(lua_State *L, struct mw_program *program, struct mw_slice bytes, bool packed, struct mw_err *err) {
  int top = lua_gettop(L);
  struct decoder d = {
      .L = L, .program = program, .next = bytes.data, .end = bytes.data + bytes.len, .packed = packed, .err = err};
  int rc = decode(&d);
  if (rc != 0) lua_settop(L, top);
  return rc;
}
