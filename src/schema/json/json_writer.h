/* Declarations shared by the files that write ProtoJSON; private to them. */
#ifndef MW_SCHEMA_JSON_JSON_WRITER_H
#define MW_SCHEMA_JSON_JSON_WRITER_H

#include "schema/json/json.h"
#include "schema/json/json_path.h"
#include "schema/json/json_print.h"

/* Lack of memory sticks to the printer; every other error is returned. */
struct mw_json_writer {
  struct mw_json_printer printer;
  const struct mw_pool *pool;
  const struct mw_json_path *path; /* of the value being written */
  bool proto_names, defaults;
  unsigned depth;        /* nesting of messages, across Any */
  struct mw_arena arena; /* for the messages unpacked from Anys */
  struct mw_err *err;
};

/* Returns MW_EFORMAT with "path: WORDS". */
int mw_json_write_fail(struct mw_json_writer *w, const char *fmt, ...) MW_PRINTF(2, 3);

/* json_write.c: writes a message, well-known ones included. NULL stands for a message with every field unset. */
int mw_json_write_message(struct mw_json_writer *w, const struct mw_message_type *type,
                          const ProtobufCMessage *message);

/* json_write.c: writes its fields, without the brackets. */
int mw_json_write_members(struct mw_json_writer *w, const struct mw_message_type *type,
                          const ProtobufCMessage *message);

/* json_write.c: writes the value of a field: one value, an array, or an object for a map. */
int mw_json_write_field(struct mw_json_writer *w, const ProtobufCMessage *message, const struct mw_field *field);

/* json_extension.c: writes the extensions among the message's unknown fields as members. */
int mw_json_write_extensions(struct mw_json_writer *w, const struct mw_message_type *type,
                             const ProtobufCMessage *message);

/* json_wellknown_write.c: writes well-known types other than Empty. */
int mw_json_write_wellknown(struct mw_json_writer *w, const struct mw_message_type *type,
                            const ProtobufCMessage *message);

#endif
