/* Declarations shared by the files that write ProtoJSON; private to them. */
#ifndef MW_SCHEMA_JSON_JSON_WRITER_H
#define MW_SCHEMA_JSON_JSON_WRITER_H

#include "schema/json/json.h"
#include "schema/json/json_number.h"
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

/* json_scalar_write.c: writes a value that is no message. */
int mw_json_write_scalar(struct mw_json_writer *w, const struct mw_field *field, const void *slot);

/* json_scalar_write.c: formats the integer or boolean at `slot`, as the key of a map too. */
void mw_json_format_integer(enum mw_kind kind, const void *slot, char out[MW_JSON_NUMBER_TEXT]);

/* json_wellknown_write.c: mw_json_write_time() writes a Timestamp or a Duration, mw_json_write_mask() a FieldMask.
 * mw_json_find_value() sets `out` to the set member of a google.protobuf.Value. */
int mw_json_write_time(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message);
int mw_json_write_mask(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message);
int mw_json_find_value(struct mw_json_writer *w, const struct mw_message_type *type, const ProtobufCMessage *message,
                       const struct mw_field **out);

/* json_wellknown_write.c: sets the URL, the type and the message of an Any; `type` to NULL for an empty Any. */
int mw_json_unpack_any(struct mw_json_writer *w, const struct mw_message_type *any, const ProtobufCMessage *message,
                       struct mw_slice *url, const struct mw_message_type **type, ProtobufCMessage **inner);

/* The unknown fields of a message, sorted by extension. */
struct mw_json_extensions {
  const int32_t *numbers; /* numbers of the type's extensions, sorted */
  size_t n;
  size_t *ends; /* end of each extension's fields in `bytes` */
  uint8_t *bytes;
};

/* json_extension_write.c: sorts the unknown fields of a message. Returns 0 or MW_ELIMIT. */
int mw_json_sort_extensions(struct mw_json_writer *w, const struct mw_message_type *type,
                            const ProtobufCMessage *message, struct mw_json_extensions *out);

/* json_extension_write.c: unpacks extension `i` as a message of its holder, whose only field is `field`. Sets `held` to
 * NULL if the extension is unset. Omits a malformed one like other unknown fields: the rest of the message is valid.
 * Returns 0, MW_ELIMIT or MW_ENOMEM. */
int mw_json_unpack_extension(struct mw_json_writer *w, const struct mw_message_type *type,
                             const struct mw_json_extensions *sorted, size_t i, const struct mw_field **field,
                             ProtobufCMessage **held);

#endif
