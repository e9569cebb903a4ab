/* Writes messages as ProtoJSON. The recursion of values in values is in this file: messages, their members, lists,
 * maps, extensions and Any. The parts without recursion are in json_scalar_write.c, json_wellknown_write.c and
 * json_extension_write.c. */
#include "schema/json/json.h"

#include "base/map.h"
#include "base/text.h"
#include "schema/json/json_number.h"
#include "schema/json/json_writer.h"

enum { ANY_BUDGET = 64 << 20 /* bytes of memory for the messages in all Anys of a message, at most */ };

/* Writes a message, well-known ones included. NULL stands for a message with every field unset. */
static int write_message(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message);

/* Writes one value of the field's kind. */
static int write_value(struct mw_json_writer *w, const struct mw_field *field, const void *slot) {
  if (field->kind == MW_KIND_MESSAGE) return write_message(w, field->message, *(ProtobufCMessage *const *)slot);
  return mw_json_write_scalar(w, field, slot);
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
  mw_json_format_integer(key->kind, slot, number);
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

/* Writes the value of a field: one value, an array, or an object for a map. */
static int write_field(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  if (field->map) return write_map(w, message, field);
  if (field->repeated) return write_repeated(w, message, field);
  return write_value(w, field, mw_field_value(message, field));
}

/* ---- members ---- */

static bool is_written(const struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  if (field->repeated) return w->defaults || *mw_field_count(message, field) > 0;
  return mw_field_is_set(message, field) || (w->defaults && !field->has_presence && !field->required);
}

/* Writes a field as a member. */
static int write_member(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field) {
  const struct mw_json_path here = {.up = w->path, .kind = MW_PATH_FIELD, .name = field->name};
  w->path = &here;
  mw_json_key(&w->printer, mw_slice_str(w->proto_names ? field->name : field->json_name));
  int rc = write_field(w, message, field);
  w->path = here.up;
  return rc;
}

/* Writes the extensions among the message's unknown fields as members. */
static int write_extensions(struct mw_json_writer *w, const struct mw_message_type *type,
                            const ProtobufCMessage *message) {
  struct mw_json_extensions sorted;
  int rc = mw_json_sort_extensions(w, type, message, &sorted);
  for (size_t i = 0; rc == 0 && i < sorted.n && w->printer.rc == 0; i++) {
    const struct mw_field *field;
    ProtobufCMessage *held;
    rc = mw_json_unpack_extension(w, type, &sorted, i, &field, &held);
    if (rc == 0 && held) rc = write_member(w, held, field);
  }
  return rc;
}

/* Writes the members of a message, without the brackets. */
static int write_members(struct mw_json_writer *w, const struct mw_message_type *type,
                         const ProtobufCMessage *message) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < type->n_fields && w->printer.rc == 0; i++) {
    const struct mw_field *field = &type->fields[i];
    if (is_written(w, message, field)) rc = write_member(w, message, field);
  }
  if (rc == 0 && message->n_unknown_fields > 0) rc = write_extensions(w, type, message);
  return rc;
}

/* ---- well-known types ---- */

static int write_any(struct mw_json_writer *w, const struct mw_message_type *any, const ProtobufCMessage *message) {
  const struct mw_message_type *type;
  ProtobufCMessage *inner;
  struct mw_slice url;
  int rc = mw_json_unpack_any(w, any, message, &url, &type, &inner);
  if (rc != 0) return rc;
  if (!type) {
    mw_json_put(&w->printer, "{}");
    return 0;
  }
  const struct mw_json_path here = {.up = w->path, .kind = MW_PATH_TYPE, .name = type->full_name};
  w->path = &here;
  mw_json_open(&w->printer, '{');
  mw_json_key(&w->printer, mw_slice_str("@type"));
  mw_json_put_string(&w->printer, url);
  if (type->wellknown == MW_WKT_NONE || type->wellknown == MW_WKT_EMPTY) {
    rc = write_members(w, type, inner);
  } else {
    mw_json_key(&w->printer, mw_slice_str("value"));
    rc = write_message(w, type, inner);
  }
  mw_json_close(&w->printer, '}');
  w->path = here.up;
  return rc;
}

/* Writes a google.protobuf.Value. */
static int write_json_value(struct mw_json_writer *w, const struct mw_message_type *type,
                            const ProtobufCMessage *message) {
  const struct mw_field *set;
  int rc = mw_json_find_value(w, type, message, &set);
  return rc == 0 ? write_field(w, message, set) : rc;
}

/* Writes a message of a well-known type other than Empty. */
static int write_wellknown(struct mw_json_writer *w, const struct mw_message_type *type,
                           const ProtobufCMessage *message) {
  switch (type->wellknown) {
    case MW_WKT_TIMESTAMP:
    case MW_WKT_DURATION: return mw_json_write_time(w, type, message);
    case MW_WKT_FIELD_MASK: return mw_json_write_mask(w, type, message);
    case MW_WKT_VALUE: return write_json_value(w, type, message);
    case MW_WKT_ANY: return write_any(w, type, message);
    default: return write_field(w, message, mw_field_by_number(type, 1)); /* of Struct, ListValue, wrappers */
  }
}

/* ---- messages ---- */

static int write_present(struct mw_json_writer *w, const struct mw_message_type *type,
                         const ProtobufCMessage *message) {
  if (type->wellknown != MW_WKT_NONE && type->wellknown != MW_WKT_EMPTY) return write_wellknown(w, type, message);
  mw_json_open(&w->printer, '{');
  int rc = write_members(w, type, message);
  mw_json_close(&w->printer, '}');
  return rc;
}

static int write_message(struct mw_json_writer *w, const struct mw_message_type *type,
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
  int rc = write_message(&w, type, message);
  if (rc == 0 && w.printer.rc == MW_ELIMIT) rc = mw_err_set(err, MW_ELIMIT, "writing the message took too long");
  if (rc == 0 && w.printer.rc != 0) rc = mw_err_set(err, w.printer.rc, "out of memory");
  mw_arena_fini(&w.arena);
  if (rc != 0) out->len = start;
  if (rc != 0 && out->data) out->data[start] = 0;
  return rc;
}
