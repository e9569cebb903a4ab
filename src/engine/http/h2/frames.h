/* Checks the frames of a client before nghttp2 gets them.
 *
 * nghttp2 ends the connection for some stream errors, and ignores other errors to which RFC 9113 requires a response:
 *
 *   frame                                          error of           code
 *   DATA or HEADERS after the client's RST_STREAM  the stream, once   STREAM_CLOSED     5.1
 *   DATA after END_STREAM                          the stream, once   STREAM_CLOSED     5.1
 *   HEADERS after END_STREAM                       the stream, once   STREAM_CLOSED     5.1
 *     of a stream that is closed                   the connection     STREAM_CLOSED
 *   DATA of a stream whose id was skipped          the connection     STREAM_CLOSED     5.1.1
 *   HEADERS of it                                  the connection     PROTOCOL_ERROR    5.1.1
 *   WINDOW_UPDATE of 0 for a live stream           the stream         PROTOCOL_ERROR    6.9
 *   PRIORITY that is not 5 bytes long              the stream         FRAME_SIZE_ERROR  6.3
 *     of a stream that is not live                 the connection     FRAME_SIZE_ERROR
 *   PRIORITY of a stream that depends on itself    the stream         PROTOCOL_ERROR    RFC 7540, 5.3.1
 *     of a stream that is not live                 the connection     PROTOCOL_ERROR
 *   HEADERS with such a priority                   the stream         PROTOCOL_ERROR    RFC 7540, 5.3.1
 *   RST_STREAM of a stream that is not open yet,   nothing; by RFC 9113 the connection ends, with all its calls, but a
 *     after another was opened                     C core client sends this when it cancels a call early
 *
 * The first rows hold for the last 64 streams (recent.h); nghttp2 ignores such frames of older streams. A frame with a
 * stream error still goes to nghttp2, in a form that nghttp2 accepts once the stream is closed: header compression and
 * the connection's window depend on it.
 *
 * nghttp2 would also accept any number of control frames; flood.h limits them. */
#ifndef MW_ENGINE_HTTP_H2_FRAMES_H
#define MW_ENGINE_HTTP_H2_FRAMES_H

#include "base/slice.h"
#include "engine/http/limits/flood.h"
#include "engine/http/h2/recent.h"

enum { MW_HTTP_FRAME_HEAD = 9, MW_HTTP_FRAME_START = MW_HTTP_FRAME_HEAD + 6 };

/* The scope of an error. A stream is live while nghttp2 has it open. */
enum mw_http_scope {
  MW_HTTP_SCOPE_NONE,
  MW_HTTP_SCOPE_FRAME, /* the frame alone: nothing follows, and nghttp2 gets it as one of an unknown type */
  MW_HTTP_SCOPE_CONNECTION,
  MW_HTTP_SCOPE_STREAM,
  MW_HTTP_SCOPE_LIVE,    /* a live stream; else nothing */
  MW_HTTP_SCOPE_EITHER,  /* a live stream; else the connection */
  MW_HTTP_SCOPE_OPENING, /* a live stream; else the stream that the frame opens */
};

struct mw_http_fault {
  enum mw_http_scope scope;
  uint32_t error; /* RFC 9113, 7 */
  int32_t stream;
};

struct mw_http_frames {
  struct mw_http_recent recent;
  struct mw_http_flood flood;
  enum mw_http_limit limit;           /* the exceeded limit of a fault with ENHANCE_YOUR_CALM */
  uint64_t heads;                     /* frame headers read so far */
  bool in_headers;                    /* the newest frame is HEADERS or CONTINUATION */
  uint8_t start[MW_HTTP_FRAME_START]; /* header and checked payload of a frame that arrived in pieces or has a fault */
  uint8_t have;                       /* bytes of `start` so far, while some are missing */
  uint8_t due;                        /* bytes of `start` to pass to nghttp2 next */
  size_t skip;                        /* bytes to the next frame header */
};

/* Begins before the client's preface. The caller also initialises `flood`. */
void mw_http_frames_init(struct mw_http_frames *frames);

/* Returns true once the client's preface has arrived. */
static inline bool mw_http_frames_begun(const struct mw_http_frames *frames) {
  return frames->heads > 0 || frames->skip == 0;
}

/* Returns true while only a part of a frame, or of the preface, has arrived. */
static inline bool mw_http_frames_unfinished(const struct mw_http_frames *frames) {
  return frames->have > 0 || frames->skip > 0;
}

/* Checks the next bytes of the connection. Takes some from the front of `bytes` and returns the bytes to pass to
 * nghttp2 now: a part of them or of `frames`, valid until the next call. If `fault` has a scope, the next frame has
 * that fault, and the caller acts on it first. Must not be called again after a fault of the connection. */
struct mw_slice mw_http_frames_next(struct mw_http_frames *frames, struct mw_slice *bytes, struct mw_http_fault *fault);

/* Returns true once all of `bytes` is taken and mw_http_frames_next() has nothing more to return. */
static inline bool mw_http_frames_done(const struct mw_http_frames *frames, struct mw_slice bytes) {
  return bytes.len == 0 && frames->due == 0;
}

#endif
