#include "rpc/compression.h"

#include <limits.h>
#include <zlib.h>

enum { STEP = 16 * 1024, GZIP_BITS = MAX_WBITS + 16, MEMORY_LEVEL = 8 };

static const char *const names[MW_COMPRESSION_COUNT] = {"identity", "deflate", "gzip"};

const char *mw_compression_name(enum mw_compression compression) { return names[compression]; }

int mw_compression_find(struct mw_slice name) {
  for (int i = 0; i < MW_COMPRESSION_COUNT; i++) {
    if (mw_slice_eq_str(name, names[i])) return i;
  }
  return -1;
}

static int window_bits(enum mw_compression compression) {
  return compression == MW_COMPRESSION_GZIP ? GZIP_BITS : MAX_WBITS;
}

static int no_memory(struct mw_err *err) { return mw_err_set(err, MW_ENOMEM, "out of memory for a message"); }

int mw_message_over_limit(size_t limit, struct mw_err *err) {
  return mw_err_set(err, MW_ELIMIT, "message longer than the limit of %zu bytes", limit);
}

static int join(const struct mw_slice *pieces, size_t count, size_t limit, struct mw_buf *out, struct mw_err *err) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += pieces[i].len;
  if (total > limit) return mw_message_over_limit(limit, err);
  if (mw_buf_reserve(out, total) != 0) return no_memory(err);
  for (size_t i = 0; i < count; i++) mw_buf_append(out, pieces[i].data, pieces[i].len);
  return 0;
}

/* Gives `z` room after the present bytes; one byte over the limit detects an excess. */
static int make_room(z_stream *z, size_t limit, struct mw_buf *out) {
  size_t left = limit - out->len;
  if (left < SIZE_MAX) left++;
  size_t step = out->len < STEP ? STEP : out->len;
  if (step > left) step = left;
  if (mw_buf_reserve_exact(out, step) != 0) return MW_ENOMEM;
  size_t room = out->cap - out->len - 1; /* a reused buffer may have more */
  if (room > left) room = left;
  z->next_out = out->data + out->len;
  z->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
  return 0;
}

/* Decompresses one piece. `*state` is zlib's. */
static int inflate_piece(z_stream *z, struct mw_slice piece, size_t limit, struct mw_buf *out, int *state,
                         struct mw_err *err) {
  z->next_in = (Bytef *)(uintptr_t)piece.data;
  z->avail_in = (uInt)piece.len;
  do {
    if (make_room(z, limit, out) != 0) return no_memory(err);
    const uint8_t *before = z->next_out;
    *state = inflate(z, Z_NO_FLUSH);
    out->len += (size_t)(z->next_out - before);
    if (out->len > limit) return mw_message_over_limit(limit, err);
    if (*state == Z_BUF_ERROR) *state = Z_OK; /* zlib only needs more input or room */
  } while (*state == Z_OK && (z->avail_in > 0 || z->avail_out == 0));
  if (*state == Z_STREAM_END && z->avail_in > 0) *state = Z_DATA_ERROR;
  return 0;
}

int mw_decompress(enum mw_compression compression, const struct mw_slice *pieces, size_t count, size_t limit,
                  struct mw_buf *out, struct mw_err *err) {
  if (compression == MW_COMPRESSION_IDENTITY) return join(pieces, count, limit, out, err);
  z_stream z = {0};
  int rc = 0, state = Z_OK;
  bool begun = false;
  for (size_t i = 0; i < count && rc == 0; i++) {
    if (pieces[i].len == 0) continue;
    if (!begun && inflateInit2(&z, window_bits(compression)) != Z_OK) return no_memory(err);
    begun = true;
    if (state == Z_STREAM_END) state = Z_DATA_ERROR;
    if (state != Z_OK) break;
    rc = inflate_piece(&z, pieces[i], limit, out, &state, err);
  }
  if (!begun) return 0;
  inflateEnd(&z);
  if (rc == 0 && state != Z_STREAM_END) rc = mw_err_set(err, MW_EFORMAT, "compressed message is damaged");
  return rc;
}

/* Compresses in one step, for which `room` is enough. Returns true at the end of the stream. */
static bool deflate_all(z_stream *z, struct mw_slice bytes, size_t room, struct mw_buf *out) {
  z->next_in = (Bytef *)(uintptr_t)bytes.data;
  z->avail_in = (uInt)bytes.len;
  z->next_out = out->data + out->len;
  z->avail_out = (uInt)room;
  bool ended = deflate(z, Z_FINISH) == Z_STREAM_END;
  if (ended) out->len += z->total_out;
  out->data[out->len] = 0;
  return ended;
}

int mw_compress(enum mw_compression compression, struct mw_slice bytes, struct mw_buf *out, struct mw_err *err) {
  if (compression == MW_COMPRESSION_IDENTITY) {
    return mw_buf_append(out, bytes.data, bytes.len) == 0 ? 0 : no_memory(err);
  }
  z_stream z = {0};
  int state = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits(compression), MEMORY_LEVEL,
                           Z_DEFAULT_STRATEGY);
  if (state != Z_OK) return no_memory(err);
  size_t room = deflateBound(&z, bytes.len);
  int rc = 0;
  if (room <= UINT_MAX && mw_buf_reserve_exact(out, room) != 0) {
    rc = no_memory(err);
  } else if (room > UINT_MAX || !deflate_all(&z, bytes, room, out)) {
    rc = mw_err_set(err, MW_ELIMIT, "message of %zu bytes cannot be compressed", bytes.len);
  }
  deflateEnd(&z);
  return rc;
}
