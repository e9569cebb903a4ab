/* Reads numbers, strings, bytes, booleans and enums from JSON, as values and as keys of maps. */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "schema/json/json_number.h"
#include "schema/json/json_reader.h"

bool mw_json_takes_null(const struct mw_field *field) {
  if (field->message) return field->message->wellknown == MW_WKT_VALUE;
  return field->enumeration && strcmp(field->enumeration->full_name, "google.protobuf.NullValue") == 0;
}

/* Fails with "expected int32, got 1.5 (WHY)". */
static int fail_value(struct mw_json_reader *r, const struct mw_field *field, const char *why) {
  char got[MW_JSON_SHOW_LEN];
  mw_json_show(&r->token, got);
  return mw_json_fail(r, "expected %s, got %s (%s)", mw_field_type_name(field), got, why);
}

/* Returns the text of a NUMBER, or of a STRING or KEY that contains a number. */
static int number_text(struct mw_json_reader *r, const struct mw_field *field, struct mw_slice *out) {
  if (r->token.kind == MW_JSON_NUMBER) {
    *out = r->token.text;
    return 0;
  }
  if (r->token.kind != MW_JSON_STRING && r->token.kind != MW_JSON_KEY)
    return mw_json_mismatch(r, mw_field_type_name(field));
  int rc = mw_json_text(r, out);
  if (rc != 0) return rc;
  return mw_json_is_number(*out) ? 0 : mw_json_mismatch(r, mw_field_type_name(field));
}

static int check_number(struct mw_json_reader *r, const struct mw_field *field, int rc) {
  if (rc == 0) return 0;
  return fail_value(r, field, rc == MW_ELIMIT ? "out of range" : "not an integer");
}

static int read_int(struct mw_json_reader *r, const struct mw_field *field, int64_t min, int64_t max, int64_t *out) {
  struct mw_slice text;
  int rc = number_text(r, field, &text);
  return rc != 0 ? rc : check_number(r, field, mw_json_to_int64(text, min, max, out));
}

static int read_uint(struct mw_json_reader *r, const struct mw_field *field, uint64_t max, uint64_t *out) {
  struct mw_slice text;
  int rc = number_text(r, field, &text);
  return rc != 0 ? rc : check_number(r, field, mw_json_to_uint64(text, max, out));
}

static int read_integer(struct mw_json_reader *r, const struct mw_field *field, void *slot) {
  int64_t value = 0;
  uint64_t positive = 0;
  int rc;
  switch (field->kind) {
    case MW_KIND_INT64:
    case MW_KIND_SINT64:
    case MW_KIND_SFIXED64: return read_int(r, field, INT64_MIN, INT64_MAX, slot);
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: return read_uint(r, field, UINT64_MAX, slot);
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32:
      rc = read_uint(r, field, UINT32_MAX, &positive);
      if (rc == 0) *(uint32_t *)slot = (uint32_t)positive;
      return rc;
    default:
      rc = read_int(r, field, INT32_MIN, INT32_MAX, &value);
      if (rc == 0) *(int32_t *)slot = (int32_t)value;
      return rc;
  }
}

/* Parses "NaN", "Infinity" and "-Infinity". False for other text. */
static bool named_number(struct mw_slice text, double *out) {
  if (mw_slice_eq_str(text, "NaN")) {
    *out = NAN;
  } else if (mw_slice_eq_str(text, "Infinity")) {
    *out = INFINITY;
  } else if (mw_slice_eq_str(text, "-Infinity")) {
    *out = -INFINITY;
  } else {
    return false;
  }
  return true;
}

static int read_real(struct mw_json_reader *r, const struct mw_field *field, void *slot) {
  struct mw_slice text;
  double named;
  bool is_double = field->kind == MW_KIND_DOUBLE;
  int rc = r->token.kind == MW_JSON_STRING ? mw_json_text(r, &text) : 0;
  if (rc != 0) return rc;
  if (r->token.kind == MW_JSON_STRING && named_number(text, &named)) {
    if (is_double) {
      *(double *)slot = named;
    } else {
      *(float *)slot = (float)named;
    }
    return 0;
  }
  rc = number_text(r, field, &text);
  if (rc != 0) return rc;
  return check_number(r, field, is_double ? mw_json_to_double(text, slot) : mw_json_to_float(text, slot));
}

static int read_bool(struct mw_json_reader *r, void *slot) {
  if (r->token.kind != MW_JSON_TRUE && r->token.kind != MW_JSON_FALSE) return mw_json_mismatch(r, "true or false");
  *(protobuf_c_boolean *)slot = r->token.kind == MW_JSON_TRUE;
  return 0;
}

/* ---- strings and bytes ---- */

/* Copies the text into the arena, with or without escapes. */
static int read_string(struct mw_json_reader *r, ProtobufCBinaryData *out) {
  struct mw_slice text;
  int rc = mw_json_text(r, &text);
  if (rc != 0) return rc;
  uint8_t *copy = (uint8_t *)(uintptr_t)text.data;
  if (!r->token.escaped) {
    copy = mw_arena_alloc(r->arena, text.len);
    if (!copy) return mw_json_no_memory(r);
    if (text.len > 0) memcpy(copy, text.data, text.len);
  }
  *out = (ProtobufCBinaryData){text.len, copy};
  return 0;
}

static int read_bytes(struct mw_json_reader *r, ProtobufCBinaryData *out) {
  struct mw_slice text;
  int rc = mw_json_expect(r, MW_JSON_STRING, "bytes in base64");
  if (rc == 0) rc = mw_json_text(r, &text);
  if (rc != 0) return rc;
  struct mw_buf bytes = MW_BUF_INIT;
  rc = mw_base64_decode(&bytes, text);
  if (rc == MW_EFORMAT) rc = mw_json_mismatch(r, "bytes in base64");
  if (rc == MW_ENOMEM) rc = mw_err_set(r->err, MW_ENOMEM, "out of memory");
  if (rc == 0) {
    uint8_t *copy = mw_arena_alloc(r->arena, bytes.len);
    if (copy && bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    *out = (ProtobufCBinaryData){bytes.len, copy};
    if (!copy) rc = mw_json_no_memory(r);
  }
  mw_buf_fini(&bytes);
  return rc;
}

/* ---- enums ---- */

static const char *name_of_value(const void *ctx, size_t i) {
  const struct mw_enum_type *type = ctx;
  return type->values[i].name;
}

static int unknown_name(struct mw_json_reader *r, const struct mw_enum_type *type, struct mw_slice name) {
  char word[MW_JSON_SHOW_LEN], got[MW_JSON_SHOW_LEN];
  snprintf(word, sizeof word, "%.*s", (int)(name.len < sizeof word ? name.len : sizeof word), (const char *)name.data);
  mw_json_show(&r->token, got);
  const char *near = mw_nearest(word, type->n_values, name_of_value, type);
  if (!near) return mw_json_fail(r, "expected %s, got %s", type->full_name, got);
  return mw_json_fail(r, "expected %s, got %s (did you mean \"%s\"?)", type->full_name, got, near);
}

static int read_enum_name(struct mw_json_reader *r, const struct mw_enum_type *type, int32_t *out, bool *skipped) {
  struct mw_slice name;
  int rc = mw_json_text(r, &name);
  if (rc != 0) return rc;
  const struct mw_enum_value *value = mw_enum_by_name(type, name);
  if (value) {
    *out = value->number;
  } else if (r->ignore_unknown) {
    *skipped = true;
  } else {
    return unknown_name(r, type, name);
  }
  return 0;
}

static int read_enum(struct mw_json_reader *r, const struct mw_field *field, int32_t *out, bool *skipped) {
  int64_t number;
  if (r->token.kind == MW_JSON_STRING) return read_enum_name(r, field->enumeration, out, skipped);
  if (r->token.kind == MW_JSON_NULL && mw_json_takes_null(field)) {
    *out = 0;
    return 0;
  }
  if (r->token.kind != MW_JSON_NUMBER) return mw_json_mismatch(r, field->enumeration->full_name);
  int rc = read_int(r, field, INT32_MIN, INT32_MAX, &number);
  if (rc != 0) return rc;
  if (field->enumeration->closed && !mw_enum_by_number(field->enumeration, (int32_t)number))
    return fail_value(r, field, "the enum is closed and has no such number");
  *out = (int32_t)number;
  return 0;
}

/* ---- dispatch by kind ---- */

int mw_json_read_scalar(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped) {
  int rc;
  *skipped = false;
  switch (field->kind) {
    case MW_KIND_DOUBLE:
    case MW_KIND_FLOAT: return read_real(r, field, slot);
    case MW_KIND_BOOL: return read_bool(r, slot);
    case MW_KIND_ENUM: return read_enum(r, field, slot, skipped);
    case MW_KIND_BYTES: return read_bytes(r, slot);
    case MW_KIND_STRING: rc = mw_json_expect(r, MW_JSON_STRING, "string"); return rc != 0 ? rc : read_string(r, slot);
    default: return read_integer(r, field, slot);
  }
}

int mw_json_read_key(struct mw_json_reader *r, const struct mw_field *field, void *slot) {
  if (field->kind == MW_KIND_STRING) return read_string(r, slot);
  if (field->kind != MW_KIND_BOOL) return read_integer(r, field, slot);
  struct mw_slice text;
  int rc = mw_json_text(r, &text);
  if (rc != 0) return rc;
  bool is_true = mw_slice_eq_str(text, "true");
  if (!is_true && !mw_slice_eq_str(text, "false")) return mw_json_mismatch(r, "\"true\" or \"false\"");
  *(protobuf_c_boolean *)slot = is_true;
  return 0;
}
