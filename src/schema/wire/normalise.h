/* Rewrites valid bytes that protobuf-c would refuse or misread, so that it reads them as the protobuf encoding
 * specifies. Such bytes are rare; mw_scan() detects them. Any thread. */
#ifndef MW_SCHEMA_WIRE_NORMALISE_H
#define MW_SCHEMA_WIRE_NORMALISE_H

#include "base/buf.h"
#include "schema/type/type.h"
#include "schema/wire/wire.h"

/* The number of a field that carries another one unchanged through protobuf-c into the unknown fields. It is one above
 * the greatest field number, so no message can have it. */
enum { MW_CARRIER_NUMBER = MW_WIRE_NUMBER_MAX + 1 };

/* Appends the rewritten form of `bytes`, which mw_scan() has accepted as `type`. It is at most four times as long. Time
 * is proportional to the bytes and to the memory that the message will need. Fails once that memory, or the state of
 * the rewriting (about 12 bytes for each part of a repeated submessage), exceeds `budget` bytes. Returns 0, MW_ELIMIT
 * or MW_ENOMEM. */
int mw_normalise(const struct mw_message_type *type, struct mw_slice bytes, size_t budget, struct mw_buf *out,
                 struct mw_err *err);

/* Turns the carriers in the unknown fields of `message`, at every depth, into the fields that they carry. Group tags
 * become unknown fields of wire type 3 whose data ends with the end tag: protobuf-c packs them unchanged. */
void mw_normalise_restore(const struct mw_message_type *type, ProtobufCMessage *message);

#endif
