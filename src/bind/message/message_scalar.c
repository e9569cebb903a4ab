/* Reads numbers, strings and enums of a table. Each must fit its field's type exactly. */
#include <math.h>
#include <stdio.h>

#include "bind/message/message_read.h"

static const char *name_of_enum_value(const void *ctx, size_t i) {
  const struct mw_enum_type *type = ctx;
  return type->values[i].name;
}

static int fail_enum(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path) {
  const struct mw_enum_type *type = field->enumeration;
  char more[160] = "";
  if (lua_type(r->L, at) == LUA_TSTRING) {
    const char *nearest = mw_nearest(lua_tostring(r->L, at), type->n_values, name_of_enum_value, type);
    if (nearest) snprintf(more, sizeof more, " (did you mean \"%s\"?)", nearest);
  }
  return mw_path_fail_value(r->err, r->L, path, at, type->full_name, more);
}

static int read_enum(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                     int32_t *slot) {
  lua_State *L = r->L;
  const struct mw_enum_state *state = &r->messages->enums[field->enumeration->index];
  const struct mw_enum_type *type = state->type;
  if (lua_type(L, at) == LUA_TSTRING) {
    size_t len;
    const char *name = lua_tolstring(L, at, &len);
    int position = mw_name_index_find(&state->names, lua_topointer(L, at));
    const struct mw_enum_value *value = position >= 0 ? &type->values[position]
                                                      : mw_enum_by_name(type, mw_slice(name, len));
    if (!value) return fail_enum(r, at, field, path);
    *slot = value->number;
    return 0;
  }
  int whole = 0;
  lua_Integer number = lua_type(L, at) == LUA_TNUMBER ? lua_tointegerx(L, at, &whole) : 0;
  if (!whole || number < INT32_MIN || number > INT32_MAX) return fail_enum(r, at, field, path);
  if (type->closed && !mw_enum_by_number(type, (int32_t)number)) return fail_enum(r, at, field, path);
  *slot = (int32_t)number;
  return 0;
}

/* Converts a float beyond Lua's integers that is in the range of uint64. */
static bool large_uint64(lua_State *L, int at, uint64_t *out) {
  lua_Number number = lua_tonumber(L, at);
  if (!(number >= 0x1p63 && number < 0x1p64)) return false;
  *out = (uint64_t)number;
  return true;
}

static int fail_range(struct mw_reader *r, int at, lua_Integer least, lua_Integer most, const struct mw_field *field,
                      const struct mw_path *path) {
  char range[80];
  snprintf(range, sizeof range, "%s (" LUA_INTEGER_FMT " to " LUA_INTEGER_FMT ")", mw_field_type_name(field),
           (LUAI_UACINT)least, (LUAI_UACINT)most);
  return mw_path_fail_value(r->err, r->L, path, at, range, "");
}

static int read_integer(struct mw_reader *r, int at, lua_Integer least, lua_Integer most, const struct mw_field *field,
                        const struct mw_path *path, lua_Integer *out) {
  int whole = 0;
  lua_Integer number = lua_type(r->L, at) == LUA_TNUMBER ? lua_tointegerx(r->L, at, &whole) : 0;
  if (!whole) return mw_path_fail_value(r->err, r->L, path, at, mw_field_type_name(field), "");
  if (number < least || number > most) return fail_range(r, at, least, most, field, path);
  *out = number;
  return 0;
}

static int read_int32(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                      int32_t *slot) {
  lua_Integer number;
  int rc = read_integer(r, at, INT32_MIN, INT32_MAX, field, path, &number);
  if (rc == 0) *slot = (int32_t)number;
  return rc;
}

static int read_uint32(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                       uint32_t *slot) {
  lua_Integer number;
  int rc = read_integer(r, at, 0, UINT32_MAX, field, path, &number);
  if (rc == 0) *slot = (uint32_t)number;
  return rc;
}

static int read_int64(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                      int64_t *slot) {
  lua_Integer number;
  int rc = read_integer(r, at, INT64_MIN, INT64_MAX, field, path, &number);
  if (rc == 0) *slot = number;
  return rc;
}

static int read_uint64(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                       uint64_t *slot) {
  if (lua_type(r->L, at) == LUA_TNUMBER && !lua_isinteger(r->L, at) && large_uint64(r->L, at, slot)) return 0;
  return read_int64(r, at, field, path, (int64_t *)slot);
}

static int read_double(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                       double *slot) {
  if (lua_type(r->L, at) != LUA_TNUMBER) {
    return mw_path_fail_value(r->err, r->L, path, at, mw_field_type_name(field), "");
  }
  *slot = lua_tonumber(r->L, at);
  return 0;
}

static int read_float(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                      float *slot) {
  double number = 0;
  int rc = read_double(r, at, field, path, &number);
  if (rc != 0) return rc;
  float narrow = (float)number;
  if (isinf(narrow) && !isinf(number)) {
    return mw_path_fail_value(r->err, r->L, path, at, "float (at most 3.4028235e+38 either way)", "");
  }
  *slot = narrow;
  return 0;
}

static int read_bool(struct mw_reader *r, int at, const struct mw_path *path, protobuf_c_boolean *slot) {
  if (!lua_isboolean(r->L, at)) return mw_path_fail_value(r->err, r->L, path, at, "bool", "");
  *slot = lua_toboolean(r->L, at);
  return 0;
}

static int read_text(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                     ProtobufCBinaryData *slot) {
  const char *expected = field->kind == MW_KIND_STRING ? "string" : "bytes (a string)";
  if (lua_type(r->L, at) != LUA_TSTRING) return mw_path_fail_value(r->err, r->L, path, at, expected, "");
  size_t len;
  const char *text = lua_tolstring(r->L, at, &len);
  if (len >= MW_BUDGET_BYTES) mw_budget_bytes(r->L, &r->steps, len);
  if (field->kind == MW_KIND_STRING && !mw_utf8_valid(mw_slice(text, len))) {
    return mw_path_fail_value(r->err, r->L, path, at, "string in UTF-8", "; other bytes need a field of type bytes");
  }
  *slot = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)text};
  return mw_read_charge(r, len, path);
}

int mw_read_scalar(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path, void *slot) {
  switch (field->kind) {
    case MW_KIND_DOUBLE: return read_double(r, at, field, path, slot);
    case MW_KIND_FLOAT: return read_float(r, at, field, path, slot);
    case MW_KIND_INT64:
    case MW_KIND_SINT64:
    case MW_KIND_SFIXED64: return read_int64(r, at, field, path, slot);
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: return read_uint64(r, at, field, path, slot);
    case MW_KIND_INT32:
    case MW_KIND_SINT32:
    case MW_KIND_SFIXED32: return read_int32(r, at, field, path, slot);
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: return read_uint32(r, at, field, path, slot);
    case MW_KIND_BOOL: return read_bool(r, at, path, slot);
    case MW_KIND_ENUM: return read_enum(r, at, field, path, slot);
    case MW_KIND_STRING:
    case MW_KIND_BYTES: return read_text(r, at, field, path, slot);
    case MW_KIND_MESSAGE: break;
  }
  return MW_EINVAL;
}
