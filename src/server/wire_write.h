/* Writing the protobuf wire format field by field, for messages that are simpler written than built. */
#ifndef MW_SERVER_WIRE_WRITE_H
#define MW_SERVER_WIRE_WRITE_H

#include "base/buf.h"

/* Each returns 0 or MW_ENOMEM, with the buffer as far as it was written. */
int mw_write_varint(struct mw_buf *out, uint64_t value);

/* A field that is a varint. */
int mw_write_number(struct mw_buf *out, uint32_t field, uint64_t value);

/* Tag and length of a field of `len` bytes, which follow. */
int mw_write_head(struct mw_buf *out, uint32_t field, size_t len);

/* A field of bytes, a string or a message. */
int mw_write_bytes(struct mw_buf *out, uint32_t field, struct mw_slice bytes);

#endif
