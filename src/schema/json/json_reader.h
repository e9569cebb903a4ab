/* Declarations shared by the files that read ProtoJSON; private to them. */
#ifndef MW_SCHEMA_JSON_JSON_READER_H
#define MW_SCHEMA_JSON_JSON_READER_H

#include "schema/json/json.h"
#include "schema/json/json_path.h"
#include "schema/json/json_token.h"

/* A function that reads a value starts with the value's first token in `token` and returns with its last one there. */
struct mw_json_reader {
  struct mw_json_lexer lexer;
  struct mw_json_token token; /* the last one pulled */
  const struct mw_pool *pool;
  struct mw_arena *arena;
  const struct mw_json_path *path; /* of the value being read */
  bool ignore_unknown;
  struct mw_err *err;
};

/* Pulls the next token. Returns as mw_json_next(). */
static inline int mw_json_advance(struct mw_json_reader *r) { return mw_json_next(&r->lexer, &r->token, r->err); }

/* Returns MW_EFORMAT with "LINE:COL: path: WORDS", at the last token. */
int mw_json_fail(struct mw_json_reader *r, const char *fmt, ...) MW_PRINTF(2, 3);

/* Fails with "expected WHAT, got ..." for the last token. */
int mw_json_mismatch(struct mw_json_reader *r, const char *what);

/* Reports the failure of an allocation in the arena: MW_ELIMIT (over its budget) or MW_ENOMEM, with words. */
int mw_json_no_memory(struct mw_json_reader *r);

/* Checks that the last token is of `kind`; else fails with "expected WHAT, got ...". */
int mw_json_expect(struct mw_json_reader *r, enum mw_json_kind kind, const char *what);

/* Returns the text of the last token, a key or string, with escapes resolved. Borrows from the JSON text or the
 * arena. */
int mw_json_text(struct mw_json_reader *r, struct mw_slice *out);

/* Adds an element to `field` and returns its place in `slot`. `cap` is the capacity, 0 at first. */
int mw_json_grow(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                 void **slot);

/* json_scalar.c: reads a non-message value as `field` into `slot`, which has mw_kind_size() bytes. Sets `skipped` for
 * an unknown enum name that is to be ignored. */
int mw_json_read_scalar(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped);

/* json_scalar.c: reads a map's key, which is the last token, in the same way. */
int mw_json_read_key(struct mw_json_reader *r, const struct mw_field *field, void *slot);

/* json_scalar.c: true if JSON's null is a value of the field rather than its absence. */
bool mw_json_takes_null(const struct mw_field *field);

/* json_wellknown.c: mw_json_read_time() reads a Timestamp or a Duration, mw_json_read_mask() a FieldMask.
 * mw_json_value_field() returns the field of google.protobuf.Value that holds a value whose first token is of
 * `kind`. */
int mw_json_read_time(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);
int mw_json_read_mask(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);
const struct mw_field *mw_json_value_field(const struct mw_message_type *type, enum mw_json_kind kind);

/* json_any.c: finds "@type" in the object of an Any, which the last token begins, and rewinds to that token. Sets its
 * URL and the type that it names; for {} sets `type` to NULL. */
#define MW_JSON_TYPE_KEY "@type"
int mw_json_find_any_type(struct mw_json_reader *r, struct mw_slice *url, const struct mw_message_type **type);

/* json_any.c: sets the URL of an Any, and its bytes to the packed `inner`. */
int mw_json_fill_any(struct mw_json_reader *r, const struct mw_message_type *any, ProtobufCMessage *message,
                     struct mw_slice url, const ProtobufCMessage *inner);

/* json_extension.c: returns the holder of the extension of `type` that a key "[pkg.name]" names; NULL if there is
 * none. */
const struct mw_message_type *mw_json_find_extension(struct mw_json_reader *r, const struct mw_message_type *type,
                                                     struct mw_slice key);

/* json_extension.c: mw_json_check_extension() fails if the message has the extension `field` already.
 * mw_json_add_extension() packs `held`, a message of the extension's holder, into the message. */
int mw_json_check_extension(struct mw_json_reader *r, const struct mw_field *field, const ProtobufCMessage *message);
int mw_json_add_extension(struct mw_json_reader *r, ProtobufCMessage *message, const ProtobufCMessage *held);

#endif
