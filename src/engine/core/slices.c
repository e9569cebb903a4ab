#include "engine/core/slices.h"

#include <grpc/compression.h>
#include <stdlib.h>
#include <zlib.h>

/* From here on malloc() is asked, which may say no; core's own allocation aborts. */
enum { LARGE = 64 * 1024, SCRATCH_KEPT = 1024 * 1024, INFLATE_STEP = 16 * 1024 };

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

const char *mw_core_message_encoding(const grpc_byte_buffer *message) {
  switch (message->data.raw.compression) {
    case GRPC_COMPRESS_GZIP: return "gzip";
    case GRPC_COMPRESS_DEFLATE: return "deflate";
    default: return NULL;
  }
}

static int too_long(size_t limit, struct mw_err *err) {
  return mw_err_set(err, MW_ELIMIT, "message longer than the limit of %zu bytes", limit);
}

/* Room for more output; one byte past the limit shows that it is passed. */
static int make_room(struct mw_buf *out, size_t limit) {
  size_t step = out->len < INFLATE_STEP ? INFLATE_STEP : out->len;
  if (step > limit + 1 - out->len) step = limit + 1 - out->len;
  return mw_buf_reserve(out, step);
}

static int inflate_slice(z_stream *z, struct mw_slice in, size_t limit, struct mw_buf *out, int *state,
                         struct mw_err *err) {
  z->next_in = (Bytef *)(uintptr_t)in.data;
  z->avail_in = (uInt)in.len;
  do {
    if (make_room(out, limit) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory for a message");
    size_t room = out->cap - out->len - 1;
    if (room > limit + 1 - out->len) room = limit + 1 - out->len;
    z->next_out = out->data + out->len;
    z->avail_out = (uInt)room;
    *state = inflate(z, Z_NO_FLUSH);
    out->len += room - z->avail_out;
    if (out->len > limit) return too_long(limit, err);
    if (*state == Z_BUF_ERROR) *state = Z_OK; /* it only wants more input or room */
  } while (*state == Z_OK && (z->avail_in > 0 || z->avail_out == 0));
  return 0;
}

static int decompress(const grpc_slice_buffer *slices, int window_bits, size_t limit, struct mw_buf *out,
                      struct mw_err *err) {
  z_stream z = {0};
  if (inflateInit2(&z, window_bits) != Z_OK) return mw_err_set(err, MW_ENOMEM, "out of memory for a message");
  int rc = 0, state = Z_OK;
  for (size_t i = 0; i < slices->count && rc == 0 && state == Z_OK; i++) {
    rc = inflate_slice(&z, mw_core_slice_view(&slices->slices[i]), limit, out, &state, err);
  }
  inflateEnd(&z);
  if (rc == 0 && state != Z_STREAM_END) rc = mw_err_set(err, MW_EFORMAT, "compressed message is damaged");
  return rc;
}

static int join(const grpc_slice_buffer *slices, struct mw_buf *out, struct mw_err *err) {
  int rc = mw_buf_reserve(out, slices->length);
  for (size_t i = 0; i < slices->count && rc == 0; i++) {
    struct mw_slice piece = mw_core_slice_view(&slices->slices[i]);
    rc = mw_buf_append(out, piece.data, piece.len);
  }
  return rc == 0 ? 0 : mw_err_set(err, rc, "out of memory for a message");
}

int mw_core_message_read(const grpc_byte_buffer *message, size_t limit, struct mw_buf *scratch, struct mw_slice *out,
                         struct mw_err *err) {
  const grpc_slice_buffer *slices = &message->data.raw.slice_buffer;
  const char *encoding = mw_core_message_encoding(message);
  if (!encoding && slices->length > limit) return too_long(limit, err);
  if (!encoding && slices->count == 1) {
    *out = mw_core_slice_view(&slices->slices[0]);
    return 0;
  }
  if (scratch->cap > SCRATCH_KEPT) mw_buf_fini(scratch);
  mw_buf_clear(scratch);
  int rc = 0;
  if (!encoding) {
    rc = join(slices, scratch, err);
  } else if (slices->length > 0) {
    rc = decompress(slices, encoding[0] == 'g' ? MAX_WBITS + 16 : MAX_WBITS, limit, scratch, err);
  }
  if (rc == 0) *out = mw_buf_slice(scratch);
  return rc;
}
