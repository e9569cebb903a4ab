/* Writes the protobuf wire format field by field, for messages that are simpler to write than to build. */
#ifndef MW_SCHEMA_WIRE_WRITE_H
#define MW_SCHEMA_WIRE_WRITE_H

#include "base/buf.h"

/* Each function appends to `out` and returns 0, or MW_ENOMEM with the part written so far in the buffer. */
int mw_wire_put_varint(struct mw_buf *out, uint64_t value);

/* Writes the tag of a field: its number and wire type. */
int mw_wire_put_tag(struct mw_buf *out, uint32_t field, unsigned wire);

/* Writes a varint field. */
int mw_wire_put_number(struct mw_buf *out, uint32_t field, uint64_t value);

/* Writes a field of type bytes, string or message. */
int mw_wire_put_bytes(struct mw_buf *out, uint32_t field, struct mw_slice bytes);

#endif
