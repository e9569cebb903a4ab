/* The frames of a client, looked at before nghttp2 gets them, for what it lets pass.
 *
 * nghttp2 forgets a stream when it is closed and takes no notice of what comes for it later, since the client may not
 * know yet that it was closed. But HEADERS and DATA of a stream that the client has itself ended, or that it has closed
 * by leaving it out, are errors of the connection (RFC 9113, 5.1 and 5.1.1); so they are here, of the last 64 streams
 * (recent.h). Only heads of frames are read; everything else about them is nghttp2's to judge.
 *
 * It would also take any number of frames that lead nowhere; flood.h counts them. */
#ifndef MW_ENGINE_HTTP_FRAMES_H
#define MW_ENGINE_HTTP_FRAMES_H

#include "base/slice.h"
#include "engine/http/flood.h"
#include "engine/http/recent.h"

enum { MW_HTTP_FRAME_HEAD = 9 };

struct mw_http_frames {
  struct mw_http_recent recent;
  struct mw_http_flood flood;
  enum mw_http_excess excess;       /* why frames_check() said ENHANCE_YOUR_CALM */
  uint64_t heads;                   /* that were read */
  bool in_headers;                  /* the newest was of HEADERS or CONTINUATION */
  uint8_t head[MW_HTTP_FRAME_HEAD]; /* of a frame whose head came in pieces */
  uint8_t have;                     /* bytes of it */
  size_t skip;                      /* bytes to the next head */
};

/* Before the client's preface. Initialise `flood` too. */
void mw_http_frames_init(struct mw_http_frames *frames);

/* Whether a frame, or the preface, is there in part only. */
static inline bool mw_http_frames_unfinished(const struct mw_http_frames *frames) {
  return frames->have > 0 || frames->skip > 0;
}

/* The next bytes of the connection. Returns how many of them are fine: all, or those before a frame that is in error
 * (pieces of its head that came before were taken for fine); then `error` is the code (RFC 9113, 7), and this must not
 * be called again. */
size_t mw_http_frames_check(struct mw_http_frames *frames, struct mw_slice bytes, uint32_t *error);

#endif
