/* The parts of writing well-known types with a JSON form of their own: Timestamp, Duration, FieldMask, and the messages
 * in Value and Any. Their fields are found by number. */
#include <math.h>

#include "base/text.h"
#include "schema/json/json_writer.h"
#include "schema/json/time_text.h"

enum { PATH_SHOWN = 100 /* bytes of a path in an error, at most */ };

/* Returns the value of a field; empty if unset. */
static ProtobufCBinaryData bytes_of(const ProtobufCMessage *message, const struct mw_field *field) {
  static const ProtobufCBinaryData none;
  return mw_field_is_set(message, field) ? *(const ProtobufCBinaryData *)mw_field_value(message, field) : none;
}

int mw_json_write_time(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message) {
  const struct mw_field *first = mw_field_by_number(type, 1), *second = mw_field_by_number(type, 2);
  int64_t seconds = mw_field_is_set(message, first) ? *(const int64_t *)mw_field_value(message, first) : 0;
  int32_t nanos = mw_field_is_set(message, second) ? *(const int32_t *)mw_field_value(message, second) : 0;
  bool timestamp = type->wellknown == MW_WKT_TIMESTAMP;
  char text[MW_TIME_TEXT];
  if (!(timestamp ? mw_timestamp_valid : mw_duration_valid)(seconds, nanos)) {
    return mw_json_write_fail(w, "%lld seconds and %d nanos are out of range for %s", (long long)seconds, nanos,
                              type->full_name);
  }
  (timestamp ? mw_timestamp_format : mw_duration_format)(seconds, nanos, text);
  mw_json_put_string(&w->printer, mw_slice_str(text));
  return 0;
}

/* ---- FieldMask ---- */

/* Appends "a_b.c" as "aB.c" to `out`. False if the result would not convert back to `path`. */
static bool camel_case(struct mw_slice path, struct mw_buf *out, int *rc) {
  bool upper = false;
  for (size_t i = 0; i < path.len && *rc == 0; i++) {
    uint8_t c = path.data[i];
    bool lower_case = c >= 'a' && c <= 'z';
    if ((c >= 'A' && c <= 'Z') || c == ',' || (upper && !lower_case)) return false;
    if (c != '_') *rc = mw_buf_putc(out, (char)(upper ? c - 'a' + 'A' : c));
    upper = c == '_';
  }
  return !upper;
}

int mw_json_write_mask(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message) {
  const struct mw_field *paths = mw_field_by_number(type, 1);
  const ProtobufCBinaryData *path = *(ProtobufCBinaryData *const *)mw_field_value(message, paths);
  size_t count = *mw_field_count(message, paths);
  struct mw_buf text = MW_BUF_INIT;
  int rc = 0, memory = 0;
  for (size_t i = 0; i < count && rc == 0 && memory == 0; i++) {
    if (i > 0) memory = mw_buf_putc(&text, ',');
    if (!camel_case(mw_slice(path[i].data, path[i].len), &text, &memory)) {
      int len = (int)(path[i].len < PATH_SHOWN ? path[i].len : PATH_SHOWN);
      rc = mw_json_write_fail(w, "the path \"%.*s\" has no form in lowerCamelCase", len,
                              len ? (const char *)path[i].data : "");
    }
  }
  if (memory != 0) w->printer.rc = memory;
  if (rc == 0 && !mw_utf8_valid(mw_buf_slice(&text))) rc = mw_json_write_fail(w, "not valid UTF-8");
  if (rc == 0) mw_json_put_string(&w->printer, mw_buf_slice(&text));
  mw_buf_fini(&text);
  return rc;
}

/* ---- Value ---- */

int mw_json_find_value(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message,
                       const struct mw_field **out) {
  const struct mw_oneof *kind = &type->oneofs[0];
  const struct mw_field *set = NULL;
  for (size_t i = 0; i < kind->n_members; i++) {
    if (*mw_field_case(message, kind->members[i]) == kind->members[i]->number) set = kind->members[i];
  }
  if (!set) return mw_json_write_fail(w, "a google.protobuf.Value without a value");
  if (set->kind == MW_KIND_DOUBLE && !isfinite(*(const double *)mw_field_value(message, set)))
    return mw_json_write_fail(w, "a google.protobuf.Value cannot hold NaN or infinity");
  *out = set;
  return 0;
}

/* ---- Any ---- */

/* Unpacks the bytes of an Any. */
static int open_any(struct mw_json_writer *w, struct mw_slice url, struct mw_slice bytes,
                    const struct mw_message_type **type, ProtobufCMessage **out) {
  size_t start = url.len;
  while (start > 0 && url.data[start - 1] != '/') start--;
  char *name = mw_arena_strndup(&w->arena, (const char *)url.data + start, url.len - start);
  if (!name) return mw_err_set(w->err, MW_ENOMEM, "out of memory");
  *type = mw_pool_message(w->pool, name);
  if (start == 0 || !*type) return mw_json_write_fail(w, "the schema has no message type for the Any \"%s\"", name);
  int rc = mw_message_unpack(*type, bytes, &w->arena, out, w->err);
  if (rc == MW_EFORMAT)
    mw_json_write_fail(w, "the Any's bytes are not a %s: %s", name, w->err ? mw_err_text(w->err) : "");
  return rc;
}

int mw_json_unpack_any(struct mw_json_writer *w, const struct mw_message_type *any, const ProtobufCMessage *message,
                       struct mw_slice *url, const struct mw_message_type **type, ProtobufCMessage **inner) {
  ProtobufCBinaryData name = bytes_of(message, mw_field_by_number(any, 1));
  ProtobufCBinaryData value = bytes_of(message, mw_field_by_number(any, 2));
  *type = NULL;
  if (name.len == 0 && value.len == 0) return 0;
  if (name.len == 0) return mw_json_write_fail(w, "an Any with a value and without a type URL");
  *url = mw_slice(name.data, name.len);
  if (!mw_utf8_valid(*url)) return mw_json_write_fail(w, "the type URL is not valid UTF-8");
  return open_any(w, *url, mw_slice(value.data, value.len), type, inner);
}
