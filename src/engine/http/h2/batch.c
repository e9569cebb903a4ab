#include "engine/http/h2/batch.h"

#include <assert.h>
#include <string.h>

static void append(struct mw_http_batch *batch, const uint8_t *bytes, size_t len) {
  assert(batch->n < MW_HTTP_BATCH_BUFS);
  batch->bufs[batch->n++] = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
}

void mw_http_batch_copy(struct mw_http_batch *batch, const uint8_t *bytes, size_t len) {
  uint8_t *at = batch->copy + batch->used;
  assert(batch->used + len <= MW_HTTP_BATCH_COPY);
  memcpy(at, bytes, len);
  batch->used += len;
  batch->len += len;
  uv_buf_t *last = batch->n > 0 ? &batch->bufs[batch->n - 1] : NULL;
  if (last && (uint8_t *)last->base + last->len == at) {
    last->len += len;
  } else {
    append(batch, at, len);
  }
}

void mw_http_batch_add(struct mw_http_batch *batch, const uint8_t *bytes, size_t len) {
  if (len < MW_HTTP_BATCH_VIEW) {
    mw_http_batch_copy(batch, bytes, len);
  } else {
    append(batch, bytes, len);
    batch->len += len;
  }
}

void mw_http_bufs_copy(const uv_buf_t *bufs, unsigned n, size_t skip, uint8_t *out) {
  for (unsigned i = 0; i < n; i++) {
    size_t step = skip < bufs[i].len ? skip : bufs[i].len;
    memcpy(out, bufs[i].base + step, bufs[i].len - step);
    out += bufs[i].len - step;
    skip -= step;
  }
}
