#include "engine/http/conn/timeouts.h"

#include "base/clock.h"
#include "engine/http/conn/call.h"
#include "engine/http/conn/conn.h"

enum {
  CHECKS = 4, /* checks within the shortest limit */
  CHECK_MS_MIN = 2,
  CHECK_MS_MAX = 5000,
};

#define END_SECONDS 1.0 /* to write the GOAWAY of a failed session */

static uint64_t ms(double seconds) { return (uint64_t)(seconds * 1000); }

static bool has_calls(const struct mw_http_conn *conn) { return !mw_list_empty(&conn->session.calls); }

bool mw_http_timeouts_needed(const struct mw_http_conn *conn) {
  const struct mw_http_frames *frames = &conn->session.frames;
  return conn->unsent || has_calls(conn) || mw_http_frames_unfinished(frames) || frames->flood.in_block ||
         frames->heads == 0 || conn->session.failed;
}

static void check_calls(struct mw_http_conn *conn, uint64_t now) {
  struct mw_list *calls = &conn->session.calls, *next;
  for (struct mw_list *link = calls->next; link != calls; link = next) {
    next = link->next;
    mw_http_call_check_stall(MW_CONTAINER(link, struct mw_http_call, link), now);
  }
}

/* Checks the frames that the client has begun and not finished. Returns MW_HTTP_REASONS while none is overdue. */
static enum mw_http_reason check_input(struct mw_http_conn *conn, uint64_t now) {
  struct mw_http_timeouts *timeouts = &conn->timeouts;
  const struct mw_http_frames *frames = &conn->session.frames;
  const struct mw_engine_limits *limits = &conn->engine->limits;
  bool unfinished = frames->heads > 0 && mw_http_frames_unfinished(frames);
  if (mw_http_stalled(&timeouts->first, frames->heads == 0, 0, now, limits->handshake_seconds)) {
    return MW_HTTP_REASON_HANDSHAKE;
  }
  bool block = frames->flood.in_block || (unfinished && frames->in_headers);
  if (mw_http_stalled(&timeouts->block, block, frames->flood.blocks, now, limits->handshake_seconds)) {
    return MW_HTTP_REASON_HEADERS;
  }
  if (mw_http_stalled(&timeouts->frame, unfinished, frames->heads, now, 2 * limits->message_seconds)) {
    return MW_HTTP_REASON_FRAME;
  }
  return MW_HTTP_REASONS;
}

/* Returns true if the client has read nothing for the send timeout. */
static bool is_stuck(struct mw_http_conn *conn, uint64_t now) {
  uint64_t mark = (uint64_t)conn->timeouts.writes << 32 ^ uv_stream_get_write_queue_size(&conn->uv.stream);
  return mw_http_stalled(&conn->timeouts.output, conn->unsent, mark, now, conn->engine->limits.send_seconds);
}

/* Milliseconds between checks. */
static uint64_t interval(const struct mw_http_conn *conn) {
  const struct mw_engine_limits *limits = &conn->engine->limits;
  double least = limits->handshake_seconds;
  if (limits->message_seconds < least) least = limits->message_seconds;
  if (limits->send_seconds < least) least = limits->send_seconds;
  if (conn->session.failed && least > END_SECONDS) least = END_SECONDS;
  uint64_t each = ms(least) / CHECKS;
  if (each < CHECK_MS_MIN) each = CHECK_MS_MIN;
  return each < CHECK_MS_MAX ? each : CHECK_MS_MAX;
}

/* Advances the time. A time of two intervals or more counts as one: the thread was blocked and has not read. */
static void pass_time(struct mw_http_conn *conn) {
  struct mw_http_timeouts *timeouts = &conn->timeouts;
  uint64_t each = interval(conn), passed = uv_now(&conn->engine->loop->uv) - timeouts->last;
  timeouts->time += passed < 2 * each ? passed : each;
}

bool mw_http_timeouts_check(struct mw_http_conn *conn) {
  struct mw_http_session *session = &conn->session;
  conn->timeouts.timer = NULL;
  pass_time(conn);
  uint64_t now = conn->timeouts.time;
  if (is_stuck(conn, now)) {
    mw_http_session_log(session, MW_HTTP_REASON_WRITE, NULL);
    return false;
  }
  if (mw_http_stalled(&conn->timeouts.end, session->failed, 0, now, END_SECONDS)) return false;
  enum mw_http_reason reason = check_input(conn, now);
  if (reason == MW_HTTP_REASONS || session->failed) {
    check_calls(conn, now);
  } else if (conn->tls && !mw_http_tls_is_open(conn->tls)) {
    mw_http_session_log(session, reason, NULL);
    return false;
  } else {
    bool first = reason == MW_HTTP_REASON_HANDSHAKE;
    mw_http_session_fail(session, first ? NGHTTP2_SETTINGS_TIMEOUT : NGHTTP2_ENHANCE_YOUR_CALM, reason);
  }
  return true;
}

void mw_http_timeouts_start(struct mw_http_conn *conn, void (*on_timer)(void *)) {
  struct mw_http_engine *engine = conn->engine;
  struct mw_http_timeouts *timeouts = &conn->timeouts;
  timeouts->last = uv_now(&engine->loop->uv);
  if (timeouts->time == 0) timeouts->time = timeouts->first.since = 1;
  int64_t delay = (int64_t)interval(conn) * MW_NS_PER_MS;
  timeouts->timer = mw_timer_start_real(engine->loop, delay, on_timer, conn);
}
