/* The states of the last 64 streams of a client: opened, ended by END_STREAM, reset. */
#ifndef MW_ENGINE_HTTP_H2_RECENT_H
#define MW_ENGINE_HTTP_H2_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#define MW_HTTP_RECENT_INIT \
  { .newest = -1 }

struct mw_http_recent {
  int32_t newest; /* odd */
  /* Bit i stands for the stream newest - 2 * i. `done` includes `reset` and `closed`. */
  uint64_t opened, done, reset, closed;
};

enum mw_http_stream_state {
  MW_HTTP_STREAM_LIVE,    /* also for a stream not opened yet, or older than the last 64 */
  MW_HTTP_STREAM_ENDED,   /* by END_STREAM */
  MW_HTTP_STREAM_RESET,   /* by the client's RST_STREAM; no frame has arrived since */
  MW_HTTP_STREAM_CLOSED,  /* by the server's RST_STREAM STREAM_CLOSED, which is sent once */
  MW_HTTP_STREAM_SKIPPED, /* never opened, while a newer stream was */
};

/* The client opens `stream`. Does nothing unless it is odd and newer than all before. */
void mw_http_recent_open(struct mw_http_recent *recent, int32_t stream);

/* Returns the bit of a stream; 0 if it is newer or older than the last 64, or not a client's. */
static inline uint64_t mw_http_recent_bit(const struct mw_http_recent *recent, int32_t stream) {
  uint32_t back = (uint32_t)recent->newest - (uint32_t)stream; /* odd for an even stream */
  return back < 128 && back % 2 == 0 ? UINT64_C(1) << back / 2 : 0;
}

/* The client sends DATA or HEADERS; `end`: with END_STREAM. Returns true if the stream was MW_HTTP_STREAM_LIVE. */
static inline bool mw_http_recent_take(struct mw_http_recent *recent, int32_t stream, bool end) {
  uint64_t bit = mw_http_recent_bit(recent, stream);
  if (bit & (recent->done | ~recent->opened)) return false;
  if (end) recent->done |= bit;
  return true;
}

/* The client sends RST_STREAM. */
void mw_http_recent_reset(struct mw_http_recent *recent, int32_t stream);

/* The server resets the stream, because DATA or HEADERS arrived after RST_STREAM or END_STREAM. */
void mw_http_recent_close(struct mw_http_recent *recent, int32_t stream);

enum mw_http_stream_state mw_http_recent_find(const struct mw_http_recent *recent, int32_t stream);

#endif
