/* The bytes of one write: small pieces are copied together, large ones only referred to.
 *
 * There is one batch in an engine, filled and written within one function call; what it refers to must live until
 * then. Messages whose last byte is in it wait in `spent`, to be freed after the write. */
#ifndef MW_ENGINE_HTTP_BATCH_H
#define MW_ENGINE_HTTP_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
  MW_HTTP_BATCH_BUFS = 128,
  MW_HTTP_BATCH_COPY = 128 * 1024,
  MW_HTTP_BATCH_BYTES = 256 * 1024, /* with so many in it, it takes no more */
  MW_HTTP_BATCH_VIEW = 2048,        /* pieces from this size on are not copied */
  MW_HTTP_BATCH_FRAME = 2 * (16 * 1024 + 64) /* room to copy a frame of payload and one of headers */
};

struct mw_http_message;

struct mw_http_batch {
  uv_buf_t bufs[MW_HTTP_BATCH_BUFS];
  unsigned n;
  size_t len;  /* bytes in all */
  size_t used; /* bytes of `copy` */
  struct mw_http_message *spent;
  uint8_t copy[MW_HTTP_BATCH_COPY];
};

/* Empties it. */
static inline void mw_http_batch_reset(struct mw_http_batch *batch) { batch->n = 0, batch->len = batch->used = 0; }

/* Whether the largest frame still fits, however it is cut to pieces. */
static inline bool mw_http_batch_has_room(const struct mw_http_batch *batch) {
  return batch->n + 2 * (MW_HTTP_BATCH_FRAME / MW_HTTP_BATCH_VIEW) < MW_HTTP_BATCH_BUFS &&
         batch->used + MW_HTTP_BATCH_FRAME <= MW_HTTP_BATCH_COPY && batch->len < MW_HTTP_BATCH_BYTES;
}

/* Each adds bytes, there is room (see above): by copying them; or, if there are many, by referring to them. */
void mw_http_batch_copy(struct mw_http_batch *batch, const uint8_t *bytes, size_t len);
void mw_http_batch_add(struct mw_http_batch *batch, const uint8_t *bytes, size_t len);

/* Copies what lies behind the first `skip` bytes of `n` buffers to `out`, which has room for it. */
void mw_http_bufs_copy(const uv_buf_t *bufs, unsigned n, size_t skip, uint8_t *out);

#endif
