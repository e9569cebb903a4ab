/* The frames of a client, judged before nghttp2 gets them.
 *
 * nghttp2 ends the connection for some errors that concern one stream, and ignores others that RFC 9113 has answered:
 *
 *   frame                                          error of           code
 *   DATA or HEADERS after the client's RST_STREAM  the stream, once   STREAM_CLOSED     5.1
 *   DATA after END_STREAM                          the stream, once   STREAM_CLOSED     5.1
 *   HEADERS after END_STREAM                       the stream, once   STREAM_CLOSED     5.1
 *     of a stream that is closed                   the connection     STREAM_CLOSED
 *   DATA of a stream that was left out             the connection     STREAM_CLOSED     5.1.1
 *   HEADERS of it                                  the connection     PROTOCOL_ERROR    5.1.1
 *   WINDOW_UPDATE of 0 for a live stream           the stream         PROTOCOL_ERROR    6.9
 *   PRIORITY that is not 5 bytes long              the stream         FRAME_SIZE_ERROR  6.3
 *     of a stream that is not live                 the connection     FRAME_SIZE_ERROR
 *   PRIORITY of a stream that depends on itself    the stream         PROTOCOL_ERROR    RFC 7540, 5.3.1
 *     of a stream that is not live                 the connection     PROTOCOL_ERROR
 *   HEADERS with such a priority                   the stream         PROTOCOL_ERROR    RFC 7540, 5.3.1
 *   RST_STREAM of a stream that is not open yet,   nothing; RFC 9113 has the connection end, and all calls on it, but
 *     after another was opened                     C core as a client does this when it cancels a call early
 *
 * The first rows hold for the last 64 streams (recent.h); nghttp2 ignores such frames of older ones. A frame that is an
 * error of its stream goes on to nghttp2 in a form that nghttp2 accepts once the stream is closed: header compression and
 * the connection's window depend on it.
 *
 * nghttp2 would also take any number of frames that lead nowhere; flood.h counts them. */
#ifndef MW_ENGINE_HTTP_FRAMES_H
#define MW_ENGINE_HTTP_FRAMES_H

#include "base/slice.h"
#include "engine/http/flood.h"
#include "engine/http/recent.h"

enum { MW_HTTP_FRAME_HEAD = 9, MW_HTTP_FRAME_START = MW_HTTP_FRAME_HEAD + 6 };

/* The scope of an error. */
enum mw_http_blame {
  MW_HTTP_BLAME_NOTHING,
  MW_HTTP_BLAME_CONNECTION,
  MW_HTTP_BLAME_STREAM,
  MW_HTTP_BLAME_LIVE,      /* the stream; nothing, if that is not live */
  MW_HTTP_BLAME_EITHER,    /* the stream; the connection, if that is not live */
  MW_HTTP_BLAME_OPENING,   /* the stream, which the frame opens if it is not live */
};

struct mw_http_fault {
  enum mw_http_blame blame;
  uint32_t error; /* RFC 9113, 7 */
  int32_t stream;
};

struct mw_http_frames {
  struct mw_http_recent recent;
  struct mw_http_flood flood;
  enum mw_http_excess excess; /* why the connection is to end with ENHANCE_YOUR_CALM */
  uint64_t heads;             /* that were read */
  bool in_headers;            /* the newest was of HEADERS or CONTINUATION */
  uint8_t start[MW_HTTP_FRAME_START]; /* head, and payload that is judged, of a frame that came in pieces or is in error */
  uint8_t have;               /* bytes of it, while some are missing */
  uint8_t due;                /* bytes of it that nghttp2 is to get next */
  size_t skip;                /* bytes to the next head */
};

/* Before the client's preface. Initialise `flood` too. */
void mw_http_frames_init(struct mw_http_frames *frames);

/* True once the client's preface is there. */
static inline bool mw_http_frames_begun(const struct mw_http_frames *frames) {
  return frames->heads > 0 || frames->skip == 0;
}

/* Whether a frame, or the preface, is there in part only. */
static inline bool mw_http_frames_unfinished(const struct mw_http_frames *frames) {
  return frames->have > 0 || frames->skip > 0;
}

/* Takes from the front of `bytes`, the next of the connection, and returns what nghttp2 is to get now: a part of them or
 * of `frames`, valid until the next call. The next frame is in error if `fault` has a blame: act on it first. After a
 * fault of the connection this must not be called again. */
struct mw_slice mw_http_frames_next(struct mw_http_frames *frames, struct mw_slice *bytes, struct mw_http_fault *fault);

/* True once `bytes` were taken whole and mw_http_frames_next() has nothing more to return. */
static inline bool mw_http_frames_done(const struct mw_http_frames *frames, struct mw_slice bytes) {
  return bytes.len == 0 && frames->due == 0;
}

#endif
