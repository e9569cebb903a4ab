#include "engine/http/frames.h"

#include <nghttp2/nghttp2.h>

void mw_http_frames_init(struct mw_http_frames *frames) {
  *frames = (struct mw_http_frames){.skip = NGHTTP2_CLIENT_MAGIC_LEN};
}

/* Other frames may come for streams that are closed. A stream that is going to be refused was opened, too. */
static uint32_t judge(struct mw_http_recent *recent, uint8_t type, uint8_t flags, int32_t stream) {
  if (type == NGHTTP2_RST_STREAM) mw_http_recent_end(recent, stream);
  if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return NGHTTP2_NO_ERROR;
  if (type == NGHTTP2_HEADERS) mw_http_recent_open(recent, stream);
  enum mw_http_past past = mw_http_recent_find(recent, stream);
  if (past == MW_HTTP_SKIPPED && type == NGHTTP2_HEADERS) return NGHTTP2_PROTOCOL_ERROR;
  if (past != MW_HTTP_LIVE) return NGHTTP2_STREAM_CLOSED;
  if (flags & NGHTTP2_FLAG_END_STREAM) mw_http_recent_end(recent, stream);
  return NGHTTP2_NO_ERROR;
}

static uint32_t read_head(struct mw_http_frames *frames, const uint8_t head[MW_HTTP_FRAME_HEAD]) {
  frames->skip = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
  frames->heads++;
  frames->in_headers = head[3] == NGHTTP2_HEADERS || head[3] == NGHTTP2_CONTINUATION;
  frames->excess = mw_http_flood_count(&frames->flood, head[3], head[4], frames->skip);
  if (frames->excess != MW_HTTP_NO_EXCESS) return NGHTTP2_ENHANCE_YOUR_CALM;
  uint32_t stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
  return judge(&frames->recent, head[3], head[4], (int32_t)(stream & INT32_MAX));
}

size_t mw_http_frames_check(struct mw_http_frames *frames, struct mw_slice bytes, uint32_t *error) {
  size_t at = 0;
  while (bytes.len - at > frames->skip) {
    at += frames->skip;
    frames->skip = 0;
    const uint8_t *head = bytes.data + at;
    size_t missing = (size_t)(MW_HTTP_FRAME_HEAD - frames->have), there = bytes.len - at;
    size_t step = there < missing ? there : missing;
    if (step < MW_HTTP_FRAME_HEAD) { /* in pieces */
      memcpy(frames->head + frames->have, head, step);
      frames->have = (uint8_t)(frames->have + step);
      head = frames->head;
      if (frames->have < MW_HTTP_FRAME_HEAD) return bytes.len;
    }
    frames->have = 0;
    *error = read_head(frames, head);
    if (*error != NGHTTP2_NO_ERROR) return at;
    at += step;
  }
  frames->skip -= bytes.len - at;
  return bytes.len;
}
