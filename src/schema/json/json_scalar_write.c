/* Writes numbers, strings, bytes, booleans and enums as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "schema/json/json_number.h"
#include "schema/json/json_writer.h"

void mw_json_format_integer(enum mw_kind kind, const void *slot, char out[MW_JSON_NUMBER_TEXT]) {
  switch (kind) {
    case MW_KIND_BOOL: strcpy(out, *(const protobuf_c_boolean *)slot ? "true" : "false"); break;
    case MW_KIND_INT64:
    case MW_KIND_SINT64:
    case MW_KIND_SFIXED64: snprintf(out, MW_JSON_NUMBER_TEXT, "%" PRId64, *(const int64_t *)slot); break;
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: snprintf(out, MW_JSON_NUMBER_TEXT, "%" PRIu64, *(const uint64_t *)slot); break;
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: snprintf(out, MW_JSON_NUMBER_TEXT, "%" PRIu32, *(const uint32_t *)slot); break;
    default: snprintf(out, MW_JSON_NUMBER_TEXT, "%" PRId32, *(const int32_t *)slot); break;
  }
}

static void write_integer(struct mw_json_writer *w, enum mw_kind kind, const void *slot) {
  char text[MW_JSON_NUMBER_TEXT];
  mw_json_format_integer(kind, slot, text);
  if (kind != MW_KIND_BOOL && mw_kind_size(kind) == 8) { /* JavaScript's integers are exact up to 2^53 */
    mw_json_put_string(&w->printer, mw_slice_str(text));
  } else {
    mw_json_put(&w->printer, text);
  }
}

static void write_real(struct mw_json_writer *w, enum mw_kind kind, const void *slot) {
  double value = kind == MW_KIND_DOUBLE ? *(const double *)slot : (double)*(const float *)slot;
  char text[MW_JSON_NUMBER_TEXT];
  if (isnan(value)) {
    mw_json_put(&w->printer, "\"NaN\"");
  } else if (isinf(value)) {
    mw_json_put(&w->printer, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else {
    if (kind == MW_KIND_DOUBLE) {
      mw_json_format_double(value, text);
    } else {
      mw_json_format_float((float)value, text);
    }
    mw_json_put(&w->printer, text);
  }
}

static int write_string(struct mw_json_writer *w, const ProtobufCBinaryData *text) {
  struct mw_slice slice = mw_slice(text->data, text->len);
  if (!mw_utf8_valid(slice)) return mw_json_write_fail(w, "not valid UTF-8");
  mw_json_put_string(&w->printer, slice);
  return 0;
}

static void write_bytes(struct mw_json_writer *w, const ProtobufCBinaryData *bytes) {
  mw_json_put(&w->printer, "\"");
  if (w->printer.rc == 0) w->printer.rc = mw_base64_encode(w->printer.out, mw_slice(bytes->data, bytes->len), true);
  mw_json_put(&w->printer, "\"");
}

static void write_enum(struct mw_json_writer *w, const struct mw_enum_type *type, int32_t number) {
  const struct mw_enum_value *value = mw_enum_by_number(type, number);
  if (strcmp(type->full_name, "google.protobuf.NullValue") == 0) {
    mw_json_put(&w->printer, "null");
  } else if (value) {
    mw_json_put_string(&w->printer, mw_slice_str(value->name));
  } else {
    mw_json_put_int(&w->printer, number);
  }
}

int mw_json_write_scalar(struct mw_json_writer *w, const struct mw_field *field, const void *slot) {
  switch (field->kind) {
    case MW_KIND_DOUBLE:
    case MW_KIND_FLOAT: write_real(w, field->kind, slot); return 0;
    case MW_KIND_STRING: return write_string(w, slot);
    case MW_KIND_BYTES: write_bytes(w, slot); return 0;
    case MW_KIND_ENUM: write_enum(w, field->enumeration, *(const int32_t *)slot); return 0;
    default: write_integer(w, field->kind, slot); return 0;
  }
}
