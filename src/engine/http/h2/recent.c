#include "engine/http/h2/recent.h"

static uint64_t age(uint64_t bits, int32_t ahead) { return ahead < 64 ? bits << ahead : 0; }

/* Streams older than the first count as skipped. */
void mw_http_recent_open(struct mw_http_recent *recent, int32_t stream) {
  if (stream % 2 == 0 || stream <= recent->newest) return;
  int32_t ahead = recent->newest > 0 ? (stream - recent->newest) / 2 : 64;
  recent->opened = age(recent->opened, ahead) | 1;
  recent->done = age(recent->done, ahead);
  recent->reset = age(recent->reset, ahead);
  recent->closed = age(recent->closed, ahead);
  recent->newest = stream;
}

void mw_http_recent_reset(struct mw_http_recent *recent, int32_t stream) {
  recent->reset |= mw_http_recent_bit(recent, stream);
  recent->done |= recent->reset;
}

void mw_http_recent_close(struct mw_http_recent *recent, int32_t stream) {
  recent->closed |= mw_http_recent_bit(recent, stream);
  recent->done |= recent->closed;
}

enum mw_http_stream_state mw_http_recent_find(const struct mw_http_recent *recent, int32_t stream) {
  uint64_t bit = mw_http_recent_bit(recent, stream);
  if (bit & ~recent->opened) return MW_HTTP_STREAM_SKIPPED;
  if (!(bit & recent->done)) return MW_HTTP_STREAM_LIVE;
  if (bit & recent->closed) return MW_HTTP_STREAM_CLOSED;
  return bit & recent->reset ? MW_HTTP_STREAM_RESET : MW_HTTP_STREAM_ENDED;
}
