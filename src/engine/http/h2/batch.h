/* The bytes of one gathered write: small pieces are copied, large ones referenced.
 *
 * An engine has one batch, which is filled and written within one function call. Referenced bytes must live until it is
 * written. Blocks of messages whose last byte is in the batch wait in `spent` and are freed after the write. */
#ifndef MW_ENGINE_HTTP_H2_BATCH_H
#define MW_ENGINE_HTTP_H2_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
  MW_HTTP_BATCH_BUFS = 128,
  MW_HTTP_BATCH_COPY = 128 * 1024,
  MW_HTTP_BATCH_BYTES = 256 * 1024,          /* at which the batch is full */
  MW_HTTP_BATCH_VIEW = 2048,                 /* pieces of this size or more are referenced */
  MW_HTTP_BATCH_FRAME = 2 * (16 * 1024 + 64) /* room to copy one DATA and one HEADERS frame */
};

struct mw_http_block;

struct mw_http_batch {
  uv_buf_t bufs[MW_HTTP_BATCH_BUFS];
  unsigned n;
  size_t len;  /* bytes in all */
  size_t used; /* bytes of `copy` */
  struct mw_http_block *spent;
  uint8_t copy[MW_HTTP_BATCH_COPY];
};

static inline void mw_http_batch_reset(struct mw_http_batch *batch) { batch->n = 0, batch->len = batch->used = 0; }

/* Returns true if the largest frame still fits, in however many pieces. */
static inline bool mw_http_batch_has_room(const struct mw_http_batch *batch) {
  return batch->n + 2 * (MW_HTTP_BATCH_FRAME / MW_HTTP_BATCH_VIEW) < MW_HTTP_BATCH_BUFS &&
         batch->used + MW_HTTP_BATCH_FRAME <= MW_HTTP_BATCH_COPY && batch->len < MW_HTTP_BATCH_BYTES;
}

/* Adds a copy of the bytes; the batch must have room. */
void mw_http_batch_copy(struct mw_http_batch *batch, const uint8_t *bytes, size_t len);

/* Adds the bytes; references them from MW_HTTP_BATCH_VIEW on. The batch must have room. */
void mw_http_batch_add(struct mw_http_batch *batch, const uint8_t *bytes, size_t len);

/* Copies the contents of `n` buffers without their first `skip` bytes to `out`, which must have room. */
void mw_http_bufs_copy(const uv_buf_t *bufs, unsigned n, size_t skip, uint8_t *out);

#endif
