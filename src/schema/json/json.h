/* The proto3 JSON mapping (protobuf.dev, "ProtoJSON Format") for every type, well-known ones included. */
#ifndef MW_SCHEMA_JSON_JSON_H
#define MW_SCHEMA_JSON_JSON_H

#include "base/pace.h"
#include "schema/pool/pool.h"
#include "schema/wire/message.h"

struct mw_json_options {
  bool proto_names;      /* write field names as in the .proto instead of lowerCamelCase */
  bool defaults;         /* write: include fields without presence that hold their default */
  bool ignore_unknown;   /* read: skip fields that the type does not have */
  unsigned indent;       /* write: spaces per level; 0 for one line */
  unsigned line, column; /* read: position of the text in its source, for errors; 0 for 1 */
  unsigned level;        /* write: nesting depth of the text in other JSON, for the indentation */
  struct mw_pace *pace;  /* ends the work with MW_ELIMIT when its time is over; NULL for none */
};

/* Appends `message` as JSON. `pool` resolves the types inside Any. `options` may be NULL.
 * Returns 0, MW_EFORMAT (a Timestamp out of range, an Any of an unknown type, ...), MW_ELIMIT or MW_ENOMEM. */
int mw_json_write(struct mw_buf *out, const struct mw_pool *pool, const struct mw_message_type *type,
                  const ProtobufCMessage *message, const struct mw_json_options *options, struct mw_err *err);

/* Reads one JSON value as `type` into `arena`. Nothing but white space may follow the value. Returns 0; MW_EFORMAT with
 * "LINE:COL: field.path: expected ...", MW_ELIMIT or MW_ENOMEM. */
int mw_json_read(struct mw_slice text, const struct mw_pool *pool, const struct mw_message_type *type,
                 const struct mw_json_options *options, struct mw_arena *arena, ProtobufCMessage **out,
                 struct mw_err *err);

#endif
