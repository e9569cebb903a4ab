/* The parts of an Any in JSON: {"@type": URL, the message's own fields}, or {"@type": URL, "value": X} for types whose
 * JSON is not an object of their fields. "@type" may stand anywhere, so the object is read twice. json_read.c reads the
 * message in it. */
#include "schema/json/json_reader.h"

/* Field numbers of Any. */
enum { ANY_TYPE_URL = 1, ANY_VALUE };

/* Finds "@type" in the object whose OBJECT token is taken, then rewinds to there. Sets `url` to data NULL if there is
 * no "@type", and `empty` if there is no member at all. */
static int find_type(struct mw_json_reader *r, struct mw_slice *url, bool *empty) {
  const struct mw_json_lexer bookmark = r->lexer;
  const struct mw_json_token begin = r->token;
  *url = mw_slice(NULL, 0);
  *empty = true;
  int rc;
  while ((rc = mw_json_advance(r)) == 0 && r->token.kind != MW_JSON_OBJECT_END) {
    struct mw_slice key;
    *empty = false;
    if ((rc = mw_json_text(r, &key)) != 0) return rc;
    bool found = mw_slice_eq_str(key, MW_JSON_TYPE_KEY);
    if (found && url->data) return mw_json_fail(r, "\"@type\" is given twice");
    if ((rc = mw_json_advance(r)) != 0) return rc;
    if (found && (rc = mw_json_expect(r, MW_JSON_STRING, "a type URL")) == 0) rc = mw_json_text(r, url);
    if (rc == 0) rc = mw_json_skip(&r->lexer, &r->token, r->err);
    if (rc != 0) return rc;
  }
  r->lexer = bookmark;
  r->token = begin;
  return rc;
}

/* Finds the type named after the last slash of a URL. */
static int resolve(struct mw_json_reader *r, struct mw_slice url, const struct mw_message_type **out) {
  size_t start = url.len;
  while (start > 0 && url.data[start - 1] != '/') start--;
  if (start == 0) {
    return mw_json_fail(r, "expected a type URL like \"type.googleapis.com/package.Message\", got \"%.*s\"",
                        (int)(url.len < 100 ? url.len : 100), (const char *)url.data);
  }
  char *name = mw_arena_strndup(r->arena, (const char *)url.data + start, url.len - start);
  if (!name) return mw_json_no_memory(r);
  *out = mw_pool_message(r->pool, name);
  return *out ? 0 : mw_json_fail(r, "the schema has no message type \"%s\", which \"@type\" names", name);
}

static void set_bytes(ProtobufCMessage *message, const struct mw_field *field, struct mw_slice bytes) {
  *(ProtobufCBinaryData *)mw_field_value(message, field) = (ProtobufCBinaryData){bytes.len,
                                                                                 (uint8_t *)(uintptr_t)bytes.data};
  mw_field_mark(message, field);
}

/* Copies `url`, which may point into the JSON text: the text may be freed before the message. */
int mw_json_fill_any(struct mw_json_reader *r, const struct mw_message_type *any, ProtobufCMessage *message,
                     struct mw_slice url, const ProtobufCMessage *inner) {
  size_t size = mw_message_size(inner);
  char *kept = mw_arena_strndup(r->arena, (const char *)url.data, url.len);
  uint8_t *bytes = kept ? mw_arena_alloc(r->arena, size) : NULL;
  if (!bytes) return mw_json_no_memory(r);
  mw_message_pack(inner, bytes);
  set_bytes(message, mw_field_by_number(any, ANY_TYPE_URL), mw_slice(kept, url.len));
  set_bytes(message, mw_field_by_number(any, ANY_VALUE), mw_slice(bytes, size));
  return 0;
}

int mw_json_find_any_type(struct mw_json_reader *r, struct mw_slice *url, const struct mw_message_type **type) {
  bool empty = false;
  *type = NULL;
  int rc = mw_json_expect(r, MW_JSON_OBJECT, "an object with \"@type\"");
  if (rc == 0) rc = find_type(r, url, &empty);
  if (rc != 0 || empty) return rc;
  return url->data ? resolve(r, *url, type) : mw_json_mismatch(r, "\"@type\" in the object");
}
