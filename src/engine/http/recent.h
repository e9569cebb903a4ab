/* The states of the last 64 streams of a client: opened, ended by END_STREAM, reset. */
#ifndef MW_ENGINE_HTTP_RECENT_H
#define MW_ENGINE_HTTP_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#define MW_HTTP_RECENT_INIT {.newest = -1}

struct mw_http_recent {
  int32_t newest; /* odd */
  uint64_t opened, over, reset, closed; /* bit i is of the stream newest - 2 * i; `over` has those of the last two */
};

enum mw_http_past {
  MW_HTTP_LIVE,    /* or to come, or older than 64 streams */
  MW_HTTP_ENDED,   /* by END_STREAM */
  MW_HTTP_RESET,   /* by the client's RST_STREAM; no frame has come since */
  MW_HTTP_CLOSED,  /* by the server's RST_STREAM STREAM_CLOSED, which is sent once */
  MW_HTTP_SKIPPED, /* by a newer stream */
};

/* The client opens `stream`. Nothing happens unless that is an odd one, and newer than all before. */
void mw_http_recent_open(struct mw_http_recent *recent, int32_t stream);

/* 0 for a stream that is to come, is not the client's, or is not remembered. */
static inline uint64_t mw_http_recent_bit(const struct mw_http_recent *recent, int32_t stream) {
  uint32_t back = (uint32_t)recent->newest - (uint32_t)stream; /* odd for an even stream */
  return back < 128 && back % 2 == 0 ? UINT64_C(1) << back / 2 : 0;
}

/* The client sends DATA or HEADERS, by `end` with END_STREAM. Returns whether the stream was MW_HTTP_LIVE. */
static inline bool mw_http_recent_take(struct mw_http_recent *recent, int32_t stream, bool end) {
  uint64_t bit = mw_http_recent_bit(recent, stream);
  if (bit & (recent->over | ~recent->opened)) return false;
  if (end) recent->over |= bit;
  return true;
}

/* The client sends RST_STREAM; the server resets the stream for content that came after that, or after END_STREAM. */
void mw_http_recent_reset(struct mw_http_recent *recent, int32_t stream);
void mw_http_recent_close(struct mw_http_recent *recent, int32_t stream);

enum mw_http_past mw_http_recent_find(const struct mw_http_recent *recent, int32_t stream);

#endif
