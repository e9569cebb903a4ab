/* What the files that read ProtoJSON share; not for others. */
#ifndef MW_SCHEMA_JSON_READER_H
#define MW_SCHEMA_JSON_READER_H

#include "schema/json.h"
#include "schema/json_path.h"
#include "schema/json_token.h"

/* A function that reads a value finds the value's first token in `token` and leaves with its last one taken. */
struct mw_json_reader {
  struct mw_json_lexer lexer;
  struct mw_json_token token; /* the newest */
  const struct mw_pool *pool;
  struct mw_arena *arena;
  const struct mw_json_path *path; /* of the value that is being read */
  bool ignore_unknown;
  struct mw_err *err;
};

/* Pulls the next token. Returns as mw_json_next(). */
static inline int mw_json_advance(struct mw_json_reader *r) { return mw_json_next(&r->lexer, &r->token, r->err); }

/* MW_EFORMAT with "LINE:COL: path: WORDS", at the newest token. */
int mw_json_fail(struct mw_json_reader *r, const char *fmt, ...) MW_PRINTF(2, 3);

/* "expected WHAT, got ..." of the newest token. */
int mw_json_mismatch(struct mw_json_reader *r, const char *what);

/* What an arena's NULL means: MW_ELIMIT or MW_ENOMEM, with words. */
int mw_json_no_memory(struct mw_json_reader *r);

/* Checks that the newest token begins what is expected. */
int mw_json_expect(struct mw_json_reader *r, enum mw_json_kind kind, const char *what);

/* The text of the newest token, a key or string, with escapes resolved: the token's own or the arena's. */
int mw_json_text(struct mw_json_reader *r, struct mw_slice *out);

/* json_read.c: a value of a message type, well-known ones included, as a new message. */
int mw_json_read_message(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage **out);

/* json_read.c: the members of an object whose OBJECT token is taken. Keys equal to `except`, if any, are skipped. */
int mw_json_read_members(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message,
                         const char *except);

/* json_read.c: any value as `field`, into the message, marked as set. */
int mw_json_read_field(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);

/* json_extension.c: the extension of `type` that a key "[pkg.name]" names, as its holder; NULL when it names none. Its
 * value, when the key is the newest token, into the message. */
const struct mw_message_type *mw_json_find_extension(struct mw_json_reader *r, const struct mw_message_type *type,
                                                     struct mw_slice key);
int mw_json_read_extension(struct mw_json_reader *r, const struct mw_message_type *holder, ProtobufCMessage *message);

/* json_scalar.c: a value that is no message as `field` into `slot`, which has mw_kind_size() bytes. `skipped` is set
 * when it is an enum's name that the schema does not know and such are to be ignored. */
int mw_json_read_scalar(struct mw_json_reader *r, const struct mw_field *field, void *slot, bool *skipped);

/* json_scalar.c: the same from a map's key, which is the newest token. */
int mw_json_read_key(struct mw_json_reader *r, const struct mw_field *field, void *slot);

/* json_list.c: a repeated field, a map; the value is not null. */
int mw_json_read_repeated(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);
int mw_json_read_map(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field);

/* json_list.c: one more element of `field`, at `slot`. `cap` is how many there is room for, from 0. */
int mw_json_grow(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                 void **slot);

/* json_wellknown.c, json_any.c: a value of a well-known type other than Empty. */
int mw_json_read_wellknown(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);
int mw_json_read_any(struct mw_json_reader *r, const struct mw_message_type *type, ProtobufCMessage *message);

/* Whether JSON's null is a value of the field rather than its absence. */
bool mw_json_takes_null(const struct mw_field *field);

#endif
