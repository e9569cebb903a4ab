/* Lays messages and enums out in memory: the only place that builds protobuf-c descriptors.
 *
 * protobuf-c asserts that descriptors are sane and writes through them. The caller has checked its input: numbers are
 * distinct and in range, types are linked, oneofs have members. */
#ifndef MW_SCHEMA_POOL_LAYOUT_H
#define MW_SCHEMA_POOL_LAYOUT_H

#include "base/arena.h"
#include "base/err.h"
#include "schema/type/type.h"

/* Fills in `desc`, the descs of `fields` and the case offsets of `oneofs`. `fields` and `oneofs` are the type's own,
 * writable and otherwise complete; `fields` is sorted by number. The message types of fields need not be laid out yet.
 * Returns 0 or MW_ENOMEM. */
int mw_layout_message(struct mw_arena *arena, const struct mw_message_type *type, struct mw_field *fields,
                      struct mw_oneof *oneofs, ProtobufCMessageDescriptor *desc);

/* Fills in `desc` and sets the type's `desc`, `by_number` and `by_name`. Returns 0 or MW_ENOMEM. */
int mw_layout_enum(struct mw_arena *arena, struct mw_enum_type *type, ProtobufCEnumDescriptor *desc);

#endif
