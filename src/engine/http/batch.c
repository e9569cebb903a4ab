#include "engine/http/batch.h"

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

void mw_http_batch_rest(const struct mw_http_batch *batch, size_t written, uint8_t *out) {
  for (unsigned i = 0; i < batch->n; i++) {
    size_t len = batch->bufs[i].len;
    size_t skip = written < len ? written : len;
    memcpy(out, batch->bufs[i].base + skip, len - skip);
    out += len - skip;
    written -= skip;
  }
}
