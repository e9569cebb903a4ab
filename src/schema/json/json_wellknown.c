/* The parts of reading well-known types with a JSON form of their own: Timestamp, Duration, FieldMask, and the member
 * of Value. Their fields are found by number, as google/protobuf defines them. */
#include "schema/json/json_reader.h"
#include "schema/json/time_text.h"

/* Field numbers of Value. */
enum { VALUE_NULL = 1, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL, VALUE_STRUCT, VALUE_LIST };

/* Sets seconds and nanos, fields 1 and 2 of Timestamp and Duration. */
static void set_time(const struct mw_message_type *type, ProtobufCMessage *message, int64_t seconds, int32_t nanos) {
  const struct mw_field *first = mw_field_by_number(type, 1), *second = mw_field_by_number(type, 2);
  *(int64_t *)mw_field_value(message, first) = seconds;
  *(int32_t *)mw_field_value(message, second) = nanos;
  mw_field_mark(message, first);
  mw_field_mark(message, second);
}

static int read_text(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message,
                     bool (*parse)(struct mw_slice text, int64_t *seconds, int32_t *nanos), const char *what) {
  struct mw_slice text;
  int64_t seconds;
  int32_t nanos;
  int rc = mw_json_expect(r, MW_JSON_STRING, what);
  if (rc == 0) rc = mw_json_text(r, &text);
  if (rc != 0) return rc;
  if (!parse(text, &seconds, &nanos)) return mw_json_mismatch(r, what);
  set_time(type, message, seconds, nanos);
  return 0;
}

int mw_json_read_time(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message) {
  if (type->wellknown == MW_WKT_DURATION)
    return read_text(r, type, message, mw_duration_parse, "a duration in seconds like \"1.5s\"");
  return read_text(r, type, message, mw_timestamp_parse, "an RFC 3339 time of the years 1 to 9999");
}

/* ---- FieldMask: "a,bC.d" is the paths "a" and "b_c.d" ---- */

static const char mask_form[] = "field paths in lowerCamelCase, separated by commas";

static int add_path(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *paths, size_t *cap,
                    struct mw_slice camel) {
  void *slot;
  uint8_t *path = mw_arena_alloc(r->arena, 2 * camel.len);
  size_t len = 0;
  if (!path) return mw_json_no_memory(r);
  for (size_t i = 0; i < camel.len; i++) {
    uint8_t c = camel.data[i];
    if (c == '_') return mw_json_mismatch(r, mask_form);
    if (c >= 'A' && c <= 'Z') {
      path[len++] = '_';
      c = (uint8_t)(c - 'A' + 'a');
    }
    path[len++] = c;
  }
  int rc = mw_json_grow(r, message, paths, cap, &slot);
  if (rc == 0) *(ProtobufCBinaryData *)slot = (ProtobufCBinaryData){len, path};
  return rc;
}

int mw_json_read_mask(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message) {
  struct mw_slice text;
  size_t cap = 0;
  int rc = mw_json_expect(r, MW_JSON_STRING, mask_form);
  if (rc == 0) rc = mw_json_text(r, &text);
  if (rc == 0 && text.len == 0) return 0;
  for (size_t start = 0; rc == 0 && start <= text.len;) {
    const uint8_t *comma = memchr(text.data + start, ',', text.len - start);
    size_t end = comma ? (size_t)(comma - text.data) : text.len;
    if (end == start) return mw_json_mismatch(r, mask_form);
    rc = add_path(r, message, mw_field_by_number(type, 1), &cap, mw_slice(text.data + start, end - start));
    start = end + 1;
  }
  return rc;
}

/* ---- Value ---- */

static uint32_t value_member(enum mw_json_kind kind) {
  switch (kind) {
    case MW_JSON_NULL: return VALUE_NULL;
    case MW_JSON_NUMBER: return VALUE_NUMBER;
    case MW_JSON_STRING: return VALUE_STRING;
    case MW_JSON_OBJECT: return VALUE_STRUCT;
    case MW_JSON_ARRAY: return VALUE_LIST;
    default: return VALUE_BOOL;
  }
}

const struct mw_field *mw_json_value_field(const struct mw_message_type *type, enum mw_json_kind kind) {
  return mw_field_by_number(type, value_member(kind));
}
