/* Reads one field of an encoded message without unpacking the message. The bytes are valid (schema/wire/scan.h). A
 * field reads as in the unpacked message: the last of several values counts, occurrences of a message are merged, and a
 * member of a oneof clears the others. Pure; any thread. */
#ifndef MW_SCHEMA_WIRE_FIELD_H
#define MW_SCHEMA_WIRE_FIELD_H

#include "schema/wire/wire.h"

/* Decodes the value of an encoded field of this kind, not MESSAGE, into its place in memory. Text is borrowed. */
void mw_wire_decode(enum mw_kind kind, const struct mw_wire_field *f, void *slot);

/* True if `f`, whose number is that of the singular `field`, sets it: other wire types and unknown values of closed
 * enums are unknown fields. */
static inline bool mw_wire_sets(const struct mw_field *field, const struct mw_wire_field *f) {
  if (f->wire != mw_wire_of_kind(field->kind)) return false;
  return field->kind != MW_KIND_ENUM || !mw_wire_unknown_enum(field->enumeration, f->varint);
}

/* Finds the value of a singular field, not a message. Returns false if it is unset. */
bool mw_wire_find(const struct mw_message_type *type, const struct mw_field *field, struct mw_slice bytes,
                  struct mw_wire_field *out);

/* The occurrences of a singular message that are merged. */
struct mw_wire_parts {
  size_t count;         /* 0 if the message is unset */
  size_t size;          /* bytes of all */
  struct mw_slice last; /* the only one, if count is 1 */
  struct mw_slice rest; /* the bytes that begin with the first one */
};

struct mw_wire_parts mw_wire_find_message(const struct mw_message_type *type, const struct mw_field *field,
                                          struct mw_slice bytes);

/* Writes the parts one after another, parts->size bytes: the encoding of the merged message. */
void mw_wire_join(const struct mw_wire_parts *parts, const struct mw_field *field, uint8_t *out);

/* Returns the member of the oneof that is set, or NULL. */
const struct mw_field *mw_wire_set_member(const struct mw_message_type *type, const struct mw_oneof *oneof,
                                          struct mw_slice bytes);

#endif
