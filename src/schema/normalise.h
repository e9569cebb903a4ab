/* Rewrites valid bytes that protobuf-c would refuse or misread into bytes that it reads as the protobuf encoding
 * specification says. The rare path: mw_scan() tells when. Any thread. */
#ifndef MW_SCHEMA_NORMALISE_H
#define MW_SCHEMA_NORMALISE_H

#include "base/buf.h"
#include "schema/pool.h"
#include "schema/wire.h"

/* The number of the field that carries another one, as it was, through protobuf-c and into the unknown fields. No
 * message can have it: it is the first that is too great. */
enum { MW_CARRIER_NUMBER = MW_WIRE_NUMBER_MAX + 1 };

/* Appends the rewritten form of `bytes`, which mw_scan() has accepted as `type`, at most four times as long. Takes time
 * in proportion to the bytes and to the memory that the message will need; refuses once that, or what has to be
 * remembered meanwhile (about 12 bytes for each part of a repeated submessage), is over `budget` bytes.
 * Returns 0, MW_ELIMIT or MW_ENOMEM. */
int mw_normalise(const struct mw_message_type *type, struct mw_slice bytes, size_t budget, struct mw_buf *out,
                 struct mw_err *err);

/* Turns the carriers in the unknown fields of `message`, at every depth, into the fields that they carry. Group tags
 * come out as unknown fields of wire type 3 whose data ends with the end tag: protobuf-c packs them as they came. */
void mw_normalise_restore(const struct mw_message_type *type, ProtobufCMessage *message);

#endif
