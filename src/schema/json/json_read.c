/* Reads ProtoJSON into messages. The recursion of values in values is in this file: messages, their members, lists,
 * maps, extensions and Any. The parts without recursion are in json_scalar.c, json_wellknown.c, json_any.c and
 * json_extension.c. */
#include "schema/json/json.h"

#include <stdio.h>

#include "base/map.h"
#include "base/text.h"
#include "schema/json/json_reader.h"

/* Reads a value of a message type, well-known ones included, as a new message. */
static int read_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out);

/* ---- keys ---- */

static const char *name_of_field(const void *ctx, size_t i) {
  const struct mw_message_type *type = ctx;
  return i < type->n_fields ? type->fields[i].json_name : type->fields[i - type->n_fields].name;
}

static int unknown_field(struct mw_json_reader *r, const struct mw_message_type *type) {
  char key[MW_JSON_SHOW_LEN];
  mw_json_show(&r->token, key);
  char word[MW_JSON_SHOW_LEN];
  snprintf(word, sizeof word, "%.*s", (int)strlen(key) - 2, key + 1); /* without the quotes */
  const char *near = mw_nearest(word, 2 * type->n_fields, name_of_field, type);
  if (near) return mw_json_fail(r, "%s has no field %s (did you mean \"%s\"?)", type->full_name, key, near);
  return mw_json_fail(r, "%s has no field %s", type->full_name, key);
}

/* Finds the field of the last token, a key; NULL for an unknown field that is to be ignored. Refuses a second
 * occurrence. */
static int find_field(struct mw_json_reader *r, const struct mw_message_type *type, struct mw_slice name, uint8_t *seen,
                      const struct mw_field **out) {
  *out = mw_field_by_json_name(type, name);
  if (!*out) return r->ignore_unknown ? 0 : unknown_field(r, type);
  size_t index = (size_t)(*out - type->fields);
  if (seen[index / 8] >> (index % 8) & 1) return mw_json_fail(r, "the field \"%s\" is given twice", (*out)->name);
  seen[index / 8] |= (uint8_t)(1 << index % 8);
  return 0;
}

static int skip_member(struct mw_json_reader *r) {
  int rc = mw_json_advance(r);
  return rc != 0 ? rc : mw_json_skip(&r->lexer, &r->token, r->err);
}

/* ---- repeated fields ---- */

/* Reads the element that the last token begins into `slot`. */
static int read_element(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped) {
  *skipped = false;
  if (r->token.kind == MW_JSON_NULL && !mw_json_takes_null(field))
    return mw_json_mismatch(r, mw_field_type_name(field));
  if (!field->message) return mw_json_read_scalar(r, field, slot, skipped);
  return read_message(r, field->message, slot);
}

static int read_repeated(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  struct mw_json_path here = {.up = r->path, .kind = MW_PATH_INDEX};
  size_t cap = 0;
  int rc = mw_json_expect(r, MW_JSON_ARRAY, "an array");
  r->path = &here;
  for (; rc == 0; here.index++) {
    void *slot = NULL;
    bool skipped;
    rc = mw_json_advance(r);
    if (rc != 0 || r->token.kind == MW_JSON_ARRAY_END) break;
    rc = mw_json_grow(r, message, field, &cap, &slot);
    if (rc == 0) rc = read_element(r, field, slot, &skipped);
    if (rc == 0 && skipped) --*mw_field_count(message, field);
  }
  r->path = here.up;
  return rc;
}

/* ---- maps ---- */

/* Returns the bytes that identify a key: of its text, or of its number. */
static struct mw_slice identity(const struct mw_field *field, const void *slot) {
  if (field->kind != MW_KIND_STRING) return mw_slice(slot, mw_kind_size(field->kind));
  const ProtobufCBinaryData *text = slot;
  return mw_slice(text->data, text->len);
}

/* Reads the key in the last token. `keys` holds the map's keys read before. */
static int read_key(struct mw_json_reader *r, ProtobufCMessage *entry, const struct mw_field *field,
                    struct mw_map *keys) {
  void *slot = mw_field_value(entry, field);
  int rc = mw_json_read_key(r, field, slot);
  if (rc != 0) return rc;
  struct mw_slice key = identity(field, slot);
  if (mw_map_get(keys, key)) return mw_json_fail(r, "this key is given twice");
  if (mw_map_set(keys, key, entry) != 0) return mw_err_set(r->err, MW_ENOMEM, "out of memory");
  mw_field_mark(entry, field);
  return 0;
}

static int read_entry_value(struct mw_json_reader *r, ProtobufCMessage *entry, const struct mw_field *field,
                            bool *skipped) {
  int rc = mw_json_advance(r);
  if (rc == 0) rc = read_element(r, field, mw_field_value(entry, field), skipped);
  if (rc == 0) mw_field_mark(entry, field);
  return rc;
}

static int read_entry(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                      struct mw_map *keys) {
  const struct mw_message_type *type = field->message;
  ProtobufCMessage *entry = mw_message_new(type, r->arena);
  void *slot;
  bool skipped;
  if (!entry) return mw_json_no_memory(r);
  int rc = read_key(r, entry, mw_field_by_number(type, 1), keys);
  if (rc == 0) rc = read_entry_value(r, entry, mw_field_by_number(type, 2), &skipped);
  if (rc != 0 || skipped) return rc;
  rc = mw_json_grow(r, message, field, cap, &slot);
  if (rc == 0) *(ProtobufCMessage **)slot = entry;
  return rc;
}

static int read_map(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  struct mw_json_path here = {.up = r->path, .kind = MW_PATH_KEY};
  struct mw_map keys = MW_MAP_INIT;
  size_t cap = 0;
  int rc = mw_json_expect(r, MW_JSON_OBJECT, "an object");
  r->path = &here;
  while (rc == 0) {
    rc = mw_json_advance(r);
    if (rc != 0 || r->token.kind == MW_JSON_OBJECT_END) break;
    here.key = r->token.text;
    rc = read_entry(r, message, field, &cap, &keys);
  }
  r->path = here.up;
  mw_map_fini(&keys);
  return rc;
}

/* ---- fields ---- */

static int read_singular(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  if (field->message) {
    ProtobufCMessage *inner;
    int rc = read_message(r, field->message, &inner);
    if (rc != 0) return rc;
    *(ProtobufCMessage **)mw_field_value(message, field) = inner;
    mw_field_mark(message, field);
    return 0;
  }
  union {
    uint64_t word;
    ProtobufCBinaryData bytes;
  } value;
  bool skipped = false;
  int rc = mw_json_read_scalar(r, field, &value, &skipped);
  if (rc != 0 || skipped) return rc;
  memcpy(mw_field_value(message, field), &value, mw_kind_size(field->kind));
  mw_field_mark(message, field);
  return 0;
}

static int check_oneof(struct mw_json_reader *r, const ProtobufCMessage *message, const struct mw_field *field) {
  if (!field->oneof || *mw_field_case(message, field) == 0) return 0;
  for (size_t i = 0; i < field->oneof->n_members; i++) {
    if (field->oneof->members[i]->number == *mw_field_case(message, field))
      return mw_json_fail(r, "the oneof \"%s\" is already set by \"%s\"", field->oneof->name,
                          field->oneof->members[i]->name);
  }
  return 0;
}

/* Reads a value as `field` of the message and marks the field as set. */
static int read_field(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  if (r->token.kind == MW_JSON_NULL && (field->repeated || !mw_json_takes_null(field))) return 0;
  if (field->map) return read_map(r, message, field);
  if (field->repeated) return read_repeated(r, message, field);
  int rc = check_oneof(r, message, field);
  return rc != 0 ? rc : read_singular(r, message, field);
}

/* Reads the value of the member whose key is the last token. */
static int read_member(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  const struct mw_json_path here = {.up = r->path, .kind = MW_PATH_FIELD, .name = field->name};
  r->path = &here;
  int rc = mw_json_advance(r);
  if (rc == 0) rc = read_field(r, message, field);
  r->path = here.up;
  return rc;
}

/* ---- extensions ---- */

/* Reads the value of an extension into the message. Its key is the last token. */
static int read_extension(struct mw_json_reader *r, const struct mw_message_type *holder, ProtobufCMessage *message) {
  const struct mw_field *field = &holder->fields[0];
  int rc = mw_json_check_extension(r, field, message);
  if (rc != 0) return rc;
  ProtobufCMessage *held = mw_message_new(holder, r->arena);
  if (!held) return mw_json_no_memory(r);
  rc = read_member(r, held, field);
  if (rc == 0 && holder->has_required) rc = mw_message_check_required(holder, held, r->err);
  return rc == 0 ? mw_json_add_extension(r, message, held) : rc;
}

/* ---- members ---- */

/* Reads the members of an object whose OBJECT token is taken. Skips keys equal to `except`, if not NULL. */
static int read_members(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message,
                        const char *except) {
  uint8_t *seen = mw_arena_calloc(r->arena, type->n_fields / 8 + 1, 1);
  if (!seen) return mw_json_no_memory(r);
  for (;;) {
    struct mw_slice name;
    const struct mw_field *field = NULL;
    int rc = mw_json_advance(r);
    if (rc != 0 || r->token.kind == MW_JSON_OBJECT_END) return rc;
    if ((rc = mw_json_text(r, &name)) != 0) return rc;
    const struct mw_message_type *extension = mw_json_find_extension(r, type, name);
    bool skip = extension || (except && mw_slice_eq_str(name, except));
    if (!skip && (rc = find_field(r, type, name, seen, &field)) != 0) return rc;
    if (extension) {
      rc = read_extension(r, extension, message);
    } else if (!field) {
      rc = skip_member(r);
    } else {
      rc = read_member(r, message, field);
    }
    if (rc != 0) return rc;
  }
}

/* ---- Any ---- */

/* Reads {"@type": ..., "value": X}. */
static int read_special(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out) {
  int rc;
  *out = NULL;
  while ((rc = mw_json_advance(r)) == 0 && r->token.kind != MW_JSON_OBJECT_END) {
    struct mw_slice key;
    if ((rc = mw_json_text(r, &key)) != 0) return rc;
    bool value = mw_slice_eq_str(key, "value");
    if (value && *out) return mw_json_fail(r, "\"value\" is given twice");
    if (!value && !r->ignore_unknown && !mw_slice_eq_str(key, MW_JSON_TYPE_KEY))
      return mw_json_mismatch(r, "\"@type\" and \"value\" alone");
    if ((rc = mw_json_advance(r)) != 0) return rc;
    rc = value ? read_message(r, type, out) : mw_json_skip(&r->lexer, &r->token, r->err);
    if (rc != 0) return rc;
  }
  if (rc != 0 || *out) return rc;
  return mw_json_fail(r, "a %s in an Any needs the member \"value\"", type->full_name);
}

static int read_any_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out) {
  if (type->wellknown != MW_WKT_NONE && type->wellknown != MW_WKT_EMPTY) return read_special(r, type, out);
  *out = mw_message_new(type, r->arena);
  return *out ? read_members(r, type, *out, MW_JSON_TYPE_KEY) : mw_json_no_memory(r);
}

static int read_any(struct mw_json_reader *r, const struct mw_message_type *any, ProtobufCMessage *message) {
  const struct mw_message_type *type;
  ProtobufCMessage *inner = NULL;
  struct mw_slice url;
  int rc = mw_json_find_any_type(r, &url, &type);
  if (rc != 0) return rc;
  if (!type) return mw_json_advance(r); /* {} is an empty Any */
  const struct mw_json_path here = {.up = r->path, .kind = MW_PATH_TYPE, .name = type->full_name};
  r->path = &here;
  rc = read_any_message(r, type, &inner);
  if (rc == 0 && type->has_required) rc = mw_message_check_required(type, inner, r->err);
  r->path = here.up;
  return rc != 0 ? rc : mw_json_fill_any(r, any, message, url, inner);
}

/* ---- other well-known types ---- */

/* A wrapper with the zero value has no field on the wire. The caller has handled null. */
static int read_wrapper(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *value) {
  if (r->token.kind == MW_JSON_NULL) return mw_json_mismatch(r, mw_field_type_name(value));
  return read_field(r, message, value);
}

/* Reads a value of a well-known type other than Empty. */
static int read_wellknown(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message) {
  const struct mw_field *first = mw_field_by_number(type, 1);
  switch (type->wellknown) {
    case MW_WKT_TIMESTAMP:
    case MW_WKT_DURATION: return mw_json_read_time(r, type, message);
    case MW_WKT_FIELD_MASK: return mw_json_read_mask(r, type, message);
    case MW_WKT_STRUCT: return read_map(r, message, first);
    case MW_WKT_LIST_VALUE: return read_repeated(r, message, first);
    case MW_WKT_VALUE: return read_field(r, message, mw_json_value_field(type, r->token.kind));
    case MW_WKT_ANY: return read_any(r, type, message);
    default: return read_wrapper(r, message, first);
  }
}

/* ---- messages ---- */

static int read_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out) {
  ProtobufCMessage *message = mw_message_new(type, r->arena);
  if (!message) return mw_json_no_memory(r);
  *out = message;
  if (type->wellknown != MW_WKT_NONE && type->wellknown != MW_WKT_EMPTY) return read_wellknown(r, type, message);
  int rc = mw_json_expect(r, MW_JSON_OBJECT, "an object");
  return rc != 0 ? rc : read_members(r, type, message, NULL);
}

int mw_json_read(struct mw_slice text, const struct mw_pool *pool, const struct mw_message_type *type,
                 const struct mw_json_options *options, struct mw_arena *arena, ProtobufCMessage **out,
                 struct mw_err *err) {
  const struct mw_json_path root = {.kind = MW_PATH_TYPE, .name = type->full_name};
  struct mw_json_reader r = {
      .pool = pool, .arena = arena, .path = &root, .ignore_unknown = options && options->ignore_unknown, .err = err};
  ProtobufCMessage *message = NULL;
  mw_json_lexer_init(&r.lexer, text);
  r.lexer.pace = options ? options->pace : NULL;
  if (options && options->line > 0) r.lexer.line = options->line;
  if (options && options->column > 0) r.lexer.column = options->column;
  int rc = mw_json_advance(&r);
  if (rc == 0) rc = read_message(&r, type, &message);
  if (rc == 0) rc = mw_json_advance(&r); /* the end of the text */
  if (rc == 0 && type->has_required) rc = mw_message_check_required(type, message, err);
  if (rc == 0) *out = message;
  return rc;
}
