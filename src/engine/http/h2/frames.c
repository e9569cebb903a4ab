#include "engine/http/h2/frames.h"

#include <nghttp2/nghttp2.h>

enum {
  PRIORITY_LEN = 5,
  WINDOW_LEN = 4,
  UNKNOWN_TYPE = 0xff, /* nghttp2 ignores frames of unknown types */
};

void mw_http_frames_init(struct mw_http_frames *frames) {
  *frames = (struct mw_http_frames){.recent = MW_HTTP_RECENT_INIT, .skip = NGHTTP2_CLIENT_MAGIC_LEN};
}

/* ---- fields of a frame ---- */

static uint32_t number_at(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static size_t length_of(const uint8_t *head) { return (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]; }

static int32_t stream_of(const uint8_t *head) { return (int32_t)(number_at(head + 5) & INT32_MAX); }

static size_t if_present(size_t len, size_t wanted) { return len >= wanted ? wanted : 0; }

/* Length of the Pad Length field of HEADERS, after which the priority begins. */
static size_t padding_field(const uint8_t *head) { return head[4] & NGHTTP2_FLAG_PADDED ? 1 : 0; }

/* Returns the number of payload bytes that are checked together with the frame header. */
static size_t checked_payload(const uint8_t *head) {
  switch (head[3]) {
    case NGHTTP2_HEADERS:
      if (!(head[4] & NGHTTP2_FLAG_PRIORITY)) return 0;
      return if_present(length_of(head), padding_field(head) + PRIORITY_LEN);
    case NGHTTP2_PRIORITY: return if_present(length_of(head), PRIORITY_LEN);
    case NGHTTP2_WINDOW_UPDATE: return if_present(length_of(head), WINDOW_LEN);
    default: return 0;
  }
}

/* Returns true if the priority at offset `at` of the frame makes the stream depend on itself. */
static bool is_own_parent(const uint8_t *frame, size_t at) {
  return (int32_t)(number_at(frame + at) & INT32_MAX) == stream_of(frame);
}

/* ---- faults: each function returns true for a frame without one ---- */

static bool fail(struct mw_http_fault *fault, enum mw_http_scope scope, uint32_t error, const uint8_t *frame) {
  *fault = (struct mw_http_fault){scope, error, stream_of(frame)};
  return false;
}

static bool check_limit(struct mw_http_frames *frames, enum mw_http_limit limit, const uint8_t *frame,
                        struct mw_http_fault *fault) {
  frames->limit = limit;
  if (limit == MW_HTTP_LIMIT_NONE) return true;
  return fail(fault, MW_HTTP_SCOPE_CONNECTION, NGHTTP2_ENHANCE_YOUR_CALM, frame);
}

/* DATA or HEADERS of a stream that is over. */
static bool check_late(struct mw_http_recent *recent, const uint8_t *frame, struct mw_http_fault *fault) {
  bool headers = frame[3] == NGHTTP2_HEADERS;
  enum mw_http_stream_state state = mw_http_recent_find(recent, stream_of(frame));
  if (state == MW_HTTP_STREAM_CLOSED) return true;
  if (state == MW_HTTP_STREAM_SKIPPED) {
    return fail(fault, MW_HTTP_SCOPE_CONNECTION, headers ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED, frame);
  }
  bool either = headers && state == MW_HTTP_STREAM_ENDED;
  mw_http_recent_close(recent, stream_of(frame));
  return fail(fault, either ? MW_HTTP_SCOPE_EITHER : MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, frame);
}

/* A stream that will be refused counts as opened, too. */
static bool check_opening(struct mw_http_frames *frames, const uint8_t *frame, struct mw_http_fault *fault) {
  if (stream_of(frame) <= frames->recent.newest) {
    return check_limit(frames, mw_http_flood_count_trailers(&frames->flood), frame, fault);
  }
  mw_http_recent_open(&frames->recent, stream_of(frame));
  return true;
}

static bool check_parent(const uint8_t *frame, struct mw_http_fault *fault) {
  if (checked_payload(frame) == 0 || !is_own_parent(frame, MW_HTTP_FRAME_HEAD + padding_field(frame))) return true;
  return fail(fault, MW_HTTP_SCOPE_OPENING, NGHTTP2_PROTOCOL_ERROR, frame);
}

static bool check_content(struct mw_http_frames *frames, const uint8_t *frame, struct mw_http_fault *fault) {
  bool headers = frame[3] == NGHTTP2_HEADERS, end = (frame[4] & NGHTTP2_FLAG_END_STREAM) != 0;
  if (headers && !check_opening(frames, frame, fault)) return false;
  if (!mw_http_recent_take(&frames->recent, stream_of(frame), end)) return check_late(&frames->recent, frame, fault);
  return !headers || !(frame[4] & NGHTTP2_FLAG_PRIORITY) || check_parent(frame, fault);
}

static bool check_priority(const uint8_t *frame, struct mw_http_fault *fault) {
  if (length_of(frame) != PRIORITY_LEN) return fail(fault, MW_HTTP_SCOPE_EITHER, NGHTTP2_FRAME_SIZE_ERROR, frame);
  if (!is_own_parent(frame, MW_HTTP_FRAME_HEAD)) return true;
  return fail(fault, MW_HTTP_SCOPE_EITHER, NGHTTP2_PROTOCOL_ERROR, frame);
}

static bool check_window(const uint8_t *frame, struct mw_http_fault *fault) {
  if (length_of(frame) != WINDOW_LEN || (number_at(frame + MW_HTTP_FRAME_HEAD) & INT32_MAX) > 0) return true;
  return fail(fault, MW_HTTP_SCOPE_LIVE, NGHTTP2_PROTOCOL_ERROR, frame);
}

/* A C core client resets, but never opens, a stream whose call is cancelled before its HEADERS are written. */
static bool check_reset(struct mw_http_frames *frames, const uint8_t *frame, struct mw_http_fault *fault) {
  int32_t stream = stream_of(frame), newest = frames->recent.newest;
  if (newest < 0 || stream <= newest || stream % 2 == 0) {
    mw_http_recent_reset(&frames->recent, stream);
    return true;
  }
  enum mw_http_limit limit = mw_http_flood_count_reset(&frames->flood, false);
  if (limit != MW_HTTP_LIMIT_NONE) return check_limit(frames, limit, frame, fault);
  return fail(fault, MW_HTTP_SCOPE_FRAME, NGHTTP2_NO_ERROR, frame);
}

static bool check(struct mw_http_frames *frames, const uint8_t *frame, struct mw_http_fault *fault) {
  uint8_t type = frame[3];
  frames->heads++;
  frames->in_headers = type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION;
  enum mw_http_limit limit = mw_http_flood_count(&frames->flood, type, frame[4], length_of(frame));
  if (limit != MW_HTTP_LIMIT_NONE) return check_limit(frames, limit, frame, fault);
  switch (type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS: return check_content(frames, frame, fault);
    case NGHTTP2_PRIORITY: return check_priority(frame, fault);
    case NGHTTP2_WINDOW_UPDATE: return check_window(frame, fault);
    case NGHTTP2_RST_STREAM: return check_reset(frames, frame, fault);
    default: return true;
  }
}

/* Changes the frame that starts at `start` so that nghttp2 accepts it after its fault was acted on. */
static void neutralise(uint8_t *start) {
  size_t at = MW_HTTP_FRAME_HEAD + (start[3] == NGHTTP2_HEADERS ? padding_field(start) : 0);
  if (start[3] == NGHTTP2_RST_STREAM || (start[3] == NGHTTP2_PRIORITY && length_of(start) != PRIORITY_LEN)) {
    start[3] = UNKNOWN_TYPE;
  } else if (start[3] == NGHTTP2_PRIORITY || (start[3] == NGHTTP2_HEADERS && checked_payload(start) > 0)) {
    if (is_own_parent(start, at)) memset(start + at, 0, sizeof(uint32_t));
  }
}

/* ---- bytes ---- */

/* Makes the next call return the start, which is complete and checked. */
static void hold(struct mw_http_frames *frames) {
  frames->due = frames->have;
  frames->have = 0;
  frames->skip = length_of(frames->start) - (size_t)(frames->due - MW_HTTP_FRAME_HEAD);
}

/* Fills `start` up to `len` bytes. Returns false while some are missing. */
static bool gather(struct mw_http_frames *frames, struct mw_slice *bytes, size_t len) {
  size_t missing = len - frames->have, n = bytes->len < missing ? bytes->len : missing;
  memcpy(frames->start + frames->have, bytes->data, n);
  frames->have = (uint8_t)(frames->have + n);
  *bytes = mw_slice(bytes->data + n, bytes->len - n);
  return n == missing;
}

/* Fills `start` with the frame header and the checked payload. Returns false while some are missing. */
static bool gather_start(struct mw_http_frames *frames, struct mw_slice *bytes) {
  if (frames->have < MW_HTTP_FRAME_HEAD && !gather(frames, bytes, MW_HTTP_FRAME_HEAD)) return false;
  return gather(frames, bytes, MW_HTTP_FRAME_HEAD + checked_payload(frames->start));
}

static struct mw_slice take_due(struct mw_http_frames *frames) {
  struct mw_slice due = mw_slice(frames->start, frames->due);
  frames->due = 0;
  return due;
}

/* Returns true if `there` bytes at `at` hold the frame header and the checked payload. */
static bool is_whole(const uint8_t *at, size_t there) {
  if (there >= MW_HTTP_FRAME_START) return true;
  return there >= MW_HTTP_FRAME_HEAD && there >= MW_HTTP_FRAME_HEAD + checked_payload(at);
}

struct mw_slice mw_http_frames_next(struct mw_http_frames *frames, struct mw_slice *bytes,
                                    struct mw_http_fault *fault) {
  const uint8_t *begin = bytes->data, *at = begin, *end = begin + bytes->len;
  fault->scope = MW_HTTP_SCOPE_NONE;
  if (frames->due > 0) return take_due(frames);
  while ((size_t)(end - at) > frames->skip) {
    at += frames->skip;
    frames->skip = 0;
    bool whole = frames->have == 0 && is_whole(at, (size_t)(end - at));
    *bytes = mw_slice(at, (size_t)(end - at));
    if (!whole && !gather_start(frames, bytes)) return mw_slice(begin, (size_t)(at - begin));
    bool fine = check(frames, whole ? at : frames->start, fault);
    if (!fine || !whole) {
      if (whole) gather_start(frames, bytes);
      hold(frames);
      if (!fine) neutralise(frames->start);
      return mw_slice(begin, (size_t)(at - begin));
    }
    frames->skip = length_of(at);
    at += MW_HTTP_FRAME_HEAD;
  }
  frames->skip -= (size_t)(end - at);
  *bytes = mw_slice(end, 0);
  return mw_slice(begin, (size_t)(end - begin));
}
