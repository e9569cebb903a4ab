/* Messages as core holds them: slices and byte buffers.
 *
 * Decompression is done here and not by core, so that the size limit holds for what comes out, before it is
 * allocated, and so that a server knows how its client compressed. */
#ifndef MW_ENGINE_CORE_SLICES_H
#define MW_ENGINE_CORE_SLICES_H

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "base/buf.h"

/* The bytes of a slice; for small ones they lie within `*slice`. */
static inline struct mw_slice mw_core_slice_view(const grpc_slice *slice) {
  return mw_slice(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

/* A slice of `size` bytes to write to. Returns whether there was memory. */
bool mw_core_slice_new(size_t size, grpc_slice *out);

/* A message of one slice, which it takes. */
grpc_byte_buffer *mw_core_message_new(grpc_slice slice);

/* "gzip", "deflate", or NULL: how the message was compressed. */
const char *mw_core_message_encoding(const grpc_byte_buffer *message);

/* The message's bytes, decompressed, in one piece: a view of it, or in `scratch`. Returns 0; MW_ELIMIT when it would
 * be longer than `limit`; MW_EFORMAT (not what its encoding says) or MW_ENOMEM. */
int mw_core_message_read(const grpc_byte_buffer *message, size_t limit, struct mw_buf *scratch, struct mw_slice *out,
                         struct mw_err *err);

#endif
