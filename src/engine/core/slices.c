#include "engine/core/slices.h"

#include <grpc/compression.h>
#include <stdlib.h>

#include "rpc/compression.h"

/* LARGE: bytes from which on malloc() allocates a slice, because it can fail; core's own allocation aborts. */
enum { LARGE = 64 * 1024, SCRATCH_KEPT = 1024 * 1024 };

bool mw_core_slice_new(size_t size, grpc_slice *out) {
  if (size < LARGE) {
    *out = grpc_slice_malloc(size);
    return true;
  }
  void *bytes = malloc(size);
  if (bytes) *out = grpc_slice_new(bytes, size, free);
  return bytes != NULL;
}

grpc_byte_buffer *mw_core_message_new(grpc_slice slice) {
  grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
  grpc_slice_unref(slice);
  return message;
}

static enum mw_compression compression_of(const grpc_byte_buffer *message) {
  switch (message->data.raw.compression) {
    case GRPC_COMPRESS_GZIP: return MW_COMPRESSION_GZIP;
    case GRPC_COMPRESS_DEFLATE: return MW_COMPRESSION_DEFLATE;
    default: return MW_COMPRESSION_IDENTITY;
  }
}

const char *mw_core_message_encoding(const grpc_byte_buffer *message) {
  enum mw_compression compression = compression_of(message);
  return compression == MW_COMPRESSION_IDENTITY ? NULL : mw_compression_name(compression);
}

int mw_core_message_read(const grpc_byte_buffer *message, size_t limit, struct mw_buf *scratch, struct mw_slice *out,
                         struct mw_err *err) {
  const grpc_slice_buffer *slices = &message->data.raw.slice_buffer;
  enum mw_compression compression = compression_of(message);
  if (compression == MW_COMPRESSION_IDENTITY && slices->length > limit) return mw_message_over_limit(limit, err);
  if (compression == MW_COMPRESSION_IDENTITY && slices->count == 1) {
    *out = mw_core_slice_view(&slices->slices[0]);
    return 0;
  }
  if (scratch->cap > SCRATCH_KEPT) mw_buf_fini(scratch);
  mw_buf_clear(scratch);
  struct mw_slice *pieces = calloc(slices->count + 1, sizeof *pieces);
  if (!pieces) return mw_err_set(err, MW_ENOMEM, "out of memory for a message");
  for (size_t i = 0; i < slices->count; i++) pieces[i] = mw_core_slice_view(&slices->slices[i]);
  int rc = mw_decompress(compression, pieces, slices->count, limit, scratch, err);
  if (rc == 0) *out = mw_buf_slice(scratch);
  free(pieces);
  return rc;
}
