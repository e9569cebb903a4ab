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

/* json_read.c: reads a value of a message type, well-known ones included, as a new message. */
int mw_json_read_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out);

/* json_read.c: reads the members of an object whose OBJECT token is taken. Skips keys equal to `except`, if not
 * NULL. */
int mw_json_read_members(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message,
                         const char *except);

/* json_read.c: reads a value as `field` of the message and marks the field as set. */
int mw_json_read_field(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);

/* json_extension.c: mw_json_find_extension() returns the holder of the extension of `type` that a key "[pkg.name]"
 * names; NULL if there is none. mw_json_read_extension() reads its value into the message; the key is the last
 * token. */
const struct mw_message_type *mw_json_find_extension(struct mw_json_reader *r, const struct mw_message_type *type,
                                                     struct mw_slice key);
int mw_json_read_extension(struct mw_json_reader *r, const struct mw_message_type *holder, ProtobufCMessage *message);

/* json_scalar.c: reads a non-message value as `field` into `slot`, which has mw_kind_size() bytes. Sets `skipped` for
 * an unknown enum name that is to be ignored. */
int mw_json_read_scalar(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped);

/* json_scalar.c: reads a map's key, which is the last token, in the same way. */
int mw_json_read_key(struct mw_json_reader *r, const struct mw_field *field, void *slot);

/* json_list.c: read a repeated field or a map; the value is not null. */
int mw_json_read_repeated(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);
int mw_json_read_map(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);

/* json_list.c: adds an element to `field` and returns its place in `slot`. `cap` is the capacity, 0 at first. */
int mw_json_grow(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                 void **slot);

/* json_wellknown.c, json_any.c: read a value of a well-known type other than Empty. */
int mw_json_read_wellknown(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);
int mw_json_read_any(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);

/* True if JSON's null is a value of the field rather than its absence. */
bool mw_json_takes_null(const struct mw_field *field);

#endif
