/* Messages in memory: guarded unpacking, packing, and typed access to fields.
 *
 * Bytes from outside go through mw_message_unpack() or mw_message_view() and nothing else: protobuf-c itself trusts its
 * input. A message lives in the arena it was made in; strings and bytes that the caller puts into it are borrowed. Any
 * thread, one at a time for each message. */
#ifndef MW_SCHEMA_MESSAGE_H
#define MW_SCHEMA_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "schema/pool.h"

enum { MW_MESSAGE_DEPTH = 100 }; /* most messages within each other */

/* Unpacks `bytes` as `type` into `arena`, whose budget bounds what hostile input can claim. UTF-8 of strings, nesting,
 * tags and lengths are checked; fields repeated where one is allowed are merged as the protobuf encoding demands;
 * unknown fields, groups, fields of a wrong wire type and unknown values of closed enums are kept.
 * Strings and bytes are copied into the arena. Returns 0; MW_EFORMAT (with the field's path: "tasks.Task.title: not
 * valid UTF-8"), MW_ELIMIT (too deep, or over the arena's budget) or MW_ENOMEM. */
int mw_message_unpack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                      ProtobufCMessage **out, struct mw_err *err);

/* The same, but a long string or bytes field may be a view of `bytes`, which have to live as long as the message. */
int mw_message_view(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                    ProtobufCMessage **out, struct mw_err *err);

/* An empty message of `type`, every field unset; NULL without memory. */
ProtobufCMessage *mw_message_new(const struct mw_message_type *type, struct mw_arena *arena);

/* The packed size in bytes, and packing into exactly that many. */
static inline size_t mw_message_size(const ProtobufCMessage *message) {
  return protobuf_c_message_get_packed_size(message);
}
static inline void mw_message_pack(const ProtobufCMessage *message, uint8_t *out) {
  protobuf_c_message_pack(message, out);
}

/* Where a field's value starts: a scalar, ProtobufCBinaryData (string and bytes), ProtobufCMessage *, or for repeated
 * fields a pointer to an array of these. */
static inline void *mw_field_value(const ProtobufCMessage *message, const struct mw_field *field) {
  return (char *)(uintptr_t)message + field->desc->offset;
}

/* A repeated field's count. */
static inline size_t *mw_field_count(const ProtobufCMessage *message, const struct mw_field *field) {
  return (size_t *)(void *)((char *)(uintptr_t)message + field->desc->quantifier_offset);
}

/* The set member's number of the oneof that `field` is in. */
static inline uint32_t *mw_field_case(const ProtobufCMessage *message, const struct mw_field *field) {
  return (uint32_t *)(void *)((char *)(uintptr_t)message + field->oneof->case_offset);
}

/* Whether a singular field is set: present on the wire, or for fields without presence, not the zero value. */
bool mw_field_is_set(const ProtobufCMessage *message, const struct mw_field *field);

/* Marks a singular field as set, after its value was written: the has flag or the oneof's case. Messages need none. */
void mw_field_mark(ProtobufCMessage *message, const struct mw_field *field);

/* Bytes of one element of `kind` in memory: 4, 8, or the size of ProtobufCBinaryData or of a pointer. */
extern const uint8_t mw_kind_sizes[];
static inline size_t mw_kind_size(enum mw_kind kind) { return mw_kind_sizes[kind]; }

/* Checks that every required field, at any depth, is set. Returns 0, or MW_EFORMAT with the path of the first that is
 * not. */
int mw_message_check_required(const struct mw_message_type *type, const ProtobufCMessage *message, struct mw_err *err);

#endif
