/* Reads ProtoJSON into messages: objects and their members. Scalars are in json_scalar.c, lists and maps in
 * json_list.c, types with a JSON form of their own in json_wellknown.c and json_any.c. */
#include "schema/json/json.h"

#include <stdio.h>

#include "base/text.h"
#include "schema/json/json_reader.h"

bool mw_json_takes_null(const struct mw_field *field) {
  if (field->message) return field->message->wellknown == MW_WKT_VALUE;
  return field->enumeration && strcmp(field->enumeration->full_name, "google.protobuf.NullValue") == 0;
}

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

/* ---- fields ---- */

static int read_singular(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  if (field->message) {
    ProtobufCMessage *inner;
    int rc = mw_json_read_message(r, field->message, &inner);
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
      return mw_json_fail(r, "the oneof \"%s\" is set already, by \"%s\"", field->oneof->name,
                          field->oneof->members[i]->name);
  }
  return 0;
}

int mw_json_read_field(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
  if (r->token.kind == MW_JSON_NULL && (field->repeated || !mw_json_takes_null(field))) return 0;
  if (field->map) return mw_json_read_map(r, message, field);
  if (field->repeated) return mw_json_read_repeated(r, message, field);
  int rc = check_oneof(r, message, field);
  return rc != 0 ? rc : read_singular(r, message, field);
}

/* ---- messages ---- */

int mw_json_read_members(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message,
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
      rc = mw_json_read_extension(r, extension, message);
    } else if (!field) {
      rc = skip_member(r);
    } else {
      const struct mw_json_path here = {.up = r->path, .kind = MW_PATH_FIELD, .name = field->name};
      r->path = &here;
      rc = mw_json_advance(r);
      if (rc == 0) rc = mw_json_read_field(r, message, field);
      r->path = here.up;
    }
    if (rc != 0) return rc;
  }
}

int mw_json_read_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out) {
  ProtobufCMessage *message = mw_message_new(type, r->arena);
  if (!message) return mw_json_no_memory(r);
  *out = message;
  if (type->wellknown == MW_WKT_ANY) return mw_json_read_any(r, type, message);
  if (type->wellknown != MW_WKT_NONE && type->wellknown != MW_WKT_EMPTY)
    return mw_json_read_wellknown(r, type, message);
  int rc = mw_json_expect(r, MW_JSON_OBJECT, "an object");
  return rc != 0 ? rc : mw_json_read_members(r, type, message, NULL);
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
  if (rc == 0) rc = mw_json_read_message(&r, type, &message);
  if (rc == 0) rc = mw_json_advance(&r); /* the end of the text */
  if (rc == 0 && type->has_required) rc = mw_message_check_required(type, message, err);
  if (rc == 0) *out = message;
  return rc;
}
