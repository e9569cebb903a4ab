/* Core's forms of messages: slices and byte buffers.
 *
 * This file decompresses messages instead of core. So the size limit applies to the decompressed message before memory
 * is allocated for it, and a server can see the encoding of its client's messages. */
#ifndef MW_ENGINE_CORE_SLICES_H
#define MW_ENGINE_CORE_SLICES_H

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "base/buf.h"

/* Returns the bytes of a slice. A small slice holds its bytes within `*slice`. */
static inline struct mw_slice mw_core_slice_view(const grpc_slice *slice) {
  return mw_slice(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

/* Makes a writable slice of `size` bytes. Returns false without memory. */
bool mw_core_slice_new(size_t size, grpc_slice *out);

/* Makes a message of one slice, which it takes. */
grpc_byte_buffer *mw_core_message_new(grpc_slice slice);

/* Returns the encoding of the message: "gzip", "deflate", or NULL for none. */
const char *mw_core_message_encoding(const grpc_byte_buffer *message);

/* Gets the message's bytes, decompressed and in one piece: a view of the message, or in `scratch`. Returns 0, MW_ELIMIT
 * (longer than `limit`), MW_EFORMAT (damaged, or of another encoding) or MW_ENOMEM. */
int mw_core_message_read(const grpc_byte_buffer *message, size_t limit, struct mw_buf *scratch, struct mw_slice *out,
                         struct mw_err *err);

#endif
