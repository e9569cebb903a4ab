/* Writes the protobuf wire format field by field, for messages that are simpler to write than to build. */
#ifndef MW_SERVER_SERVICES_WIRE_WRITE_H
#define MW_SERVER_SERVICES_WIRE_WRITE_H

#include "base/buf.h"

/* Each function returns 0, or MW_ENOMEM with the part written so far in the buffer. */
int mw_write_varint(struct mw_buf *out, uint64_t value);

/* Writes a varint field. */
int mw_write_number(struct mw_buf *out, uint32_t field, uint64_t value);

/* Writes tag and length of a field of `len` bytes, which the caller appends. */
int mw_write_head(struct mw_buf *out, uint32_t field, size_t len);

/* Writes a field of type bytes, string or message. */
int mw_write_bytes(struct mw_buf *out, uint32_t field, struct mw_slice bytes);

#endif
