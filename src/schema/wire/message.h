/* Messages in memory: guarded unpacking, packing, and typed access to fields.
 *
 * Bytes from outside go only through mw_message_unpack() or mw_message_view(): protobuf-c itself trusts its input. A
 * message lives in the arena it was made in; strings and bytes that the caller puts into it are borrowed. Any thread,
 * one at a time for each message. */
#ifndef MW_SCHEMA_WIRE_MESSAGE_H
#define MW_SCHEMA_WIRE_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "schema/type/type.h"

enum { MW_MESSAGE_DEPTH = 100 }; /* greatest nesting */

/* Unpacks `bytes` as `type` into `arena`, whose budget bounds the memory that hostile input can claim. Checks UTF-8 of
 * strings, nesting, tags and lengths. Merges repeated occurrences of singular fields, as the protobuf encoding
 * requires. Keeps unknown fields, groups, fields of a wrong wire type and unknown values of closed enums. Copies
 * strings and bytes into the arena. Returns 0; MW_EFORMAT (with the field's path: "tasks.Task.title: not valid UTF-8"),
 * MW_ELIMIT (too deep, or over the arena's budget) or MW_ENOMEM. */
int mw_message_unpack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                      ProtobufCMessage **out, struct mw_err *err);

/* As mw_message_unpack(), but a long string or bytes field may point into `bytes`, which must live as long as the
 * message. */
int mw_message_view(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                    ProtobufCMessage **out, struct mw_err *err);

/* Makes an empty message of `type`, every field unset. Returns NULL without memory. */
ProtobufCMessage *mw_message_new(const struct mw_message_type *type, struct mw_arena *arena);

/* mw_message_size() returns the packed size in bytes; mw_message_pack() writes exactly that size. */
static inline size_t mw_message_size(const ProtobufCMessage *message) {
  return protobuf_c_message_get_packed_size(message);
}
static inline void mw_message_pack(const ProtobufCMessage *message, uint8_t *out) {
  protobuf_c_message_pack(message, out);
}

/* Returns the address of a field's value: a scalar, ProtobufCBinaryData (string and bytes), ProtobufCMessage *, or for
 * repeated fields a pointer to an array of these. */
static inline void *mw_field_value(const ProtobufCMessage *message, const struct mw_field *field) {
  return (char *)(uintptr_t)message + field->desc->offset;
}

/* Returns the address of a repeated field's count. */
static inline size_t *mw_field_count(const ProtobufCMessage *message, const struct mw_field *field) {
  return (size_t *)(void *)((char *)(uintptr_t)message + field->desc->quantifier_offset);
}

/* Returns the address of the case of the oneof that `field` is in: the number of the set member. */
static inline uint32_t *mw_field_case(const ProtobufCMessage *message, const struct mw_field *field) {
  return (uint32_t *)(void *)((char *)(uintptr_t)message + field->oneof->case_offset);
}

/* True if a singular field is set: present on the wire or, for fields without presence, not the zero value. */
bool mw_field_is_set(const ProtobufCMessage *message, const struct mw_field *field);

/* Marks a singular field as set, after its value was written: the has flag or the oneof's case. Messages need no
 * mark. */
void mw_field_mark(ProtobufCMessage *message, const struct mw_field *field);

/* Checks that every required field, at any depth, is set. Returns 0, or MW_EFORMAT with the path of the first unset
 * one. */
int mw_message_check_required(const struct mw_message_type *type, const ProtobufCMessage *message, struct mw_err *err);

#endif
