/* Reads repeated fields and maps from JSON. */
#include "base/map.h"
#include "schema/json/json_reader.h"

int mw_json_grow(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                 void **slot) {
  char **array = mw_field_value(message, field);
  size_t *count = mw_field_count(message, field);
  size_t size = mw_kind_size(field->kind);
  if (*count == *cap) {
    size_t more = *cap ? *cap * 2 : 4;
    char *grown = mw_arena_calloc(r->arena, more, size);
    if (!grown) return mw_json_no_memory(r);
    if (*count > 0) memcpy(grown, *array, *count * size);
    *array = grown;
    *cap = more;
  }
  *slot = *array + (*count)++ * size;
  return 0;
}

/* Reads the element that the last token begins into `slot`. */
static int read_element(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped) {
  *skipped = false;
  if (r->token.kind == MW_JSON_NULL && !mw_json_takes_null(field))
    return mw_json_mismatch(r, mw_field_type_name(field));
  if (!field->message) return mw_json_read_scalar(r, field, slot, skipped);
  return mw_json_read_message(r, field->message, slot);
}

int mw_json_read_repeated(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
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

static int read_value(struct mw_json_reader *r, ProtobufCMessage *entry, const struct mw_field *field, bool *skipped) {
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
  if (rc == 0) rc = read_value(r, entry, mw_field_by_number(type, 2), &skipped);
  if (rc != 0 || skipped) return rc;
  rc = mw_json_grow(r, message, field, cap, &slot);
  if (rc == 0) *(ProtobufCMessage **)slot = entry;
  return rc;
}

int mw_json_read_map(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field) {
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
