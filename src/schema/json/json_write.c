/* Writes messages as ProtoJSON: fields of every kind. Types with a JSON form of their own are in
 * json_wellknown_write.c. */
#include "schema/json/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"
#include "base/text.h"
#include "schema/json/json_number.h"
#include "schema/json/json_writer.h"

enum { ANY_BUDGET = 64 << 20 /* bytes of memory for the messages in all Anys of a message, at most */ };

int mw_json_write_fail(struct mw_json_writer *w, const char *fmt, ...) {
  char words[256];
  struct mw_buf path = MW_BUF_INIT;
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  (void)mw_json_path_print(w->path, &path); /* without memory the path is shorter */
  mw_err_set(w->err, MW_EFORMAT, "%s: %s", mw_buf_str(&path), words);
  mw_buf_fini(&path);
  return MW_EFORMAT;
}

/* ---- scalars ---- */

/* Formats the integer or boolean at `slot`. Keys of maps use it too. */
static void format_integer(enum mw_kind kind, const void *slot, char out[MW_JSON_NUMBER_TEXT]) {
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
  format_integer(kind, slot, text);
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

/* Writes one value of the field's kind. */
static int write_value(struct mw_json_writer *w, const struct mw_field *field, const void *slot) {
  switch (field->kind) {
    case MW_KIND_DOUBLE:
    case MW_KIND_FLOAT: write_real(w, field->kind, slot); return 0;
    case MW_KIND_STRING: return write_string(w, slot);
    case MW_KIND_BYTES: write_bytes(w, slot); return 0;
    case MW_KIND_ENUM: write_enum(w, field->enumeration, *(const int32_t *)slot); return 0;
    case MW_KIND_MESSAGE: return mw_json_write_message(w, field->message, *(ProtobufCMessage *const *)slot);
    default: write_integer(w, field->kind, slot); return 0;
  }
}

/* ---- repeated fields and maps ---- */

static int write_repeated(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  struct mw_json_path here = {.up = w->path, .kind = MW_PATH_INDEX};
  const char *array = *(char *const *)mw_field_value(message, field);
  size_t count = *mw_field_count(message, field), size = mw_kind_size(field->kind);
  int rc = 0;
  w->path = &here;
  mw_json_open(&w->printer, '[');
  for (; rc == 0 && w->printer.rc == 0 && here.index < count; here.index++) {
    mw_json_item(&w->printer);
    rc = write_value(w, field, array + here.index * size);
  }
  mw_json_close(&w->printer, ']');
  w->path = here.up;
  return rc;
}

/* Returns an entry's key as text, in `number` or borrowed from the entry. */
static struct mw_slice key_text(const ProtobufCMessage *entry, const struct mw_field *key,
                                char number[MW_JSON_NUMBER_TEXT]) {
  const void *slot = mw_field_value(entry, key);
  if (key->kind == MW_KIND_STRING) {
    const ProtobufCBinaryData *text = slot;
    return mw_slice(text->data, text->len);
  }
  format_integer(key->kind, slot, number);
  return mw_slice_str(number);
}

static int write_entry(struct mw_json_writer *w, const struct mw_field *field, const ProtobufCMessage *entry,
                       struct mw_slice key) {
  const struct mw_json_path here = {.up = w->path, .kind = MW_PATH_KEY, .key = key};
  const struct mw_field *value = mw_field_by_number(field->message, 2);
  int rc = 0;
  w->path = &here;
  if (!mw_utf8_valid(key)) rc = mw_json_write_fail(w, "the key is not valid UTF-8");
  if (rc == 0) {
    mw_json_key(&w->printer, key);
    rc = write_value(w, value, mw_field_value(entry, value));
  }
  w->path = here.up;
  return rc;
}

/* Maps each key to its last entry: a key may occur several times in the bytes of a message, and the last one counts. */
static int last_entries(const struct mw_field *field, ProtobufCMessage *const *entries, size_t count,
                        struct mw_map *last) {
  const struct mw_field *key = mw_field_by_number(field->message, 1);
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < count; i++) {
    char number[MW_JSON_NUMBER_TEXT];
    rc = mw_map_set(last, key_text(entries[i], key, number), entries[i]);
  }
  return rc;
}

static int write_map(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  const struct mw_field *key = mw_field_by_number(field->message, 1);
  ProtobufCMessage *const *entries = *(ProtobufCMessage *const *const *)mw_field_value(message, field);
  size_t count = *mw_field_count(message, field);
  struct mw_map last = MW_MAP_INIT;
  int rc = 0;
  if (w->printer.rc == 0) w->printer.rc = last_entries(field, entries, count, &last);
  mw_json_open(&w->printer, '{');
  for (size_t i = 0; rc == 0 && w->printer.rc == 0 && i < count; i++) {
    char number[MW_JSON_NUMBER_TEXT];
    struct mw_slice text = key_text(entries[i], key, number);
    if (mw_map_get(&last, text) == entries[i]) rc = write_entry(w, field, entries[i], text);
  }
  mw_json_close(&w->printer, '}');
  mw_map_fini(&last);
  return rc;
}

int mw_json_write_field(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  if (field->map) return write_map(w, message, field);
  if (field->repeated) return write_repeated(w, message, field);
  return write_value(w, field, mw_field_value(message, field));
}

/* ---- messages ---- */

static bool is_written(const struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  if (field->repeated) return w->defaults || *mw_field_count(message, field) > 0;
  return mw_field_is_set(message, field) || (w->defaults && !field->has_presence && !field->required);
}

int mw_json_write_members(struct mw_json_writer *w, const struct mw_message_type *type,
                          const ProtobufCMessage *message) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < type->n_fields && w->printer.rc == 0; i++) {
    const struct mw_field *field = &type->fields[i];
    if (!is_written(w, message, field)) continue;
    const struct mw_json_path here = {.up = w->path, .kind = MW_PATH_FIELD, .name = field->name};
    w->path = &here;
    mw_json_key(&w->printer, mw_slice_str(w->proto_names ? field->name : field->json_name));
    rc = mw_json_write_field(w, message, field);
    w->path = here.up;
  }
  if (rc == 0 && message->n_unknown_fields > 0) rc = mw_json_write_extensions(w, type, message);
  return rc;
}

static int write_present(struct mw_json_writer *w, const struct mw_message_type *type,
                         const ProtobufCMessage *message) {
  if (type->wellknown != MW_WKT_NONE && type->wellknown != MW_WKT_EMPTY)
    return mw_json_write_wellknown(w, type, message);
  mw_json_open(&w->printer, '{');
  int rc = mw_json_write_members(w, type, message);
  mw_json_close(&w->printer, '}');
  return rc;
}

int mw_json_write_message(struct mw_json_writer *w, const struct mw_message_type *type,
                          const ProtobufCMessage *message) {
  if (w->depth == MW_MESSAGE_DEPTH)
    return mw_err_set(w->err, MW_ELIMIT, "%s: nested deeper than %d messages", type->full_name, MW_MESSAGE_DEPTH);
  if (!message) message = mw_message_new(type, &w->arena); /* a map entry without a value */
  if (!message) return mw_err_set(w->err, MW_ENOMEM, "out of memory");
  w->depth++;
  int rc = write_present(w, type, message);
  w->depth--;
  return rc;
}

int mw_json_write(struct mw_buf *out, const struct mw_pool *pool, const struct mw_message_type *type,
                  const ProtobufCMessage *message, const struct mw_json_options *options, struct mw_err *err) {
  const struct mw_json_path root = {.kind = MW_PATH_TYPE, .name = type->full_name};
  static const struct mw_json_options usual;
  if (!options) options = &usual;
  struct mw_json_writer w = {.printer = mw_json_printer(out, options->indent),
                             .pool = pool,
                             .path = &root,
                             .proto_names = options->proto_names,
                             .defaults = options->defaults,
                             .err = err};
  size_t start = out->len;
  w.printer.depth = options->level;
  w.printer.pace = options->pace;
  mw_arena_init(&w.arena, ANY_BUDGET);
  int rc = mw_json_write_message(&w, type, message);
  if (rc == 0 && w.printer.rc == MW_ELIMIT) rc = mw_err_set(err, MW_ELIMIT, "writing the message took too long");
  if (rc == 0 && w.printer.rc != 0) rc = mw_err_set(err, w.printer.rc, "out of memory");
  mw_arena_fini(&w.arena);
  if (rc != 0) out->len = start;
  if (rc != 0 && out->data) out->data[start] = 0;
  return rc;
}
