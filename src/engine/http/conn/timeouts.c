#include "engine/http/conn/timeouts.h"

#include "base/clock.h"
#include "engine/http/conn/call.h"
#include "engine/http/conn/conn.h"

enum {
  LOOKS = 4, /* checks within the shortest limit */
  LOOK_MS_MIN = 2,
  LOOK_MS_MAX = 5000,
};

#define END_SECONDS 1.0 /* to write the GOAWAY of a failed session */

static uint64_t ms(double seconds) { return (uint64_t)(seconds * 1000); }

bool mw_http_stands(struct mw_http_stand *stand, bool there, uint64_t mark, uint64_t now, double seconds) {
  if (!there) {
    stand->since = 0;
    return false;
  }
  if (stand->since == 0 || stand->mark != mark) *stand = (struct mw_http_stand){now, mark};
  return now - stand->since >= ms(seconds);
}

static bool has_calls(const struct mw_http_conn *conn) { return !mw_list_empty(&conn->session.calls); }

bool mw_http_watch_needed(const struct mw_http_conn *conn) {
  const struct mw_http_frames *frames = &conn->session.frames;
  return conn->unsent || has_calls(conn) || mw_http_frames_unfinished(frames) || frames->flood.in_block ||
         frames->heads == 0 || conn->session.failed;
}

static void look_at_calls(struct mw_http_conn *conn, uint64_t now) {
  struct mw_list *calls = &conn->session.calls, *next;
  for (struct mw_list *link = calls->next; link != calls; link = next) {
    next = link->next;
    mw_http_call_look(MW_CONTAINER(link, struct mw_http_call, link), now);
  }
}

/* Checks the frames that the client has begun and not finished. Returns MW_HTTP_ENDINGS while none is overdue. */
static enum mw_http_ending look_at_input(struct mw_http_conn *conn, uint64_t now) {
  struct mw_http_watch *watch = &conn->watch;
  const struct mw_http_frames *frames = &conn->session.frames;
  const struct mw_engine_limits *limits = &conn->engine->limits;
  bool unfinished = frames->heads > 0 && mw_http_frames_unfinished(frames);
  if (mw_http_stands(&watch->first, frames->heads == 0, 0, now, limits->handshake_seconds)) {
    return MW_HTTP_END_HANDSHAKE;
  }
  bool block = frames->flood.in_block || (unfinished && frames->in_headers);
  if (mw_http_stands(&watch->block, block, frames->flood.blocks, now, limits->handshake_seconds)) {
    return MW_HTTP_END_HEADERS;
  }
  if (mw_http_stands(&watch->frame, unfinished, frames->heads, now, 2 * limits->message_seconds)) {
    return MW_HTTP_END_FRAME;
  }
  return MW_HTTP_ENDINGS;
}

/* Returns true if the client has read nothing for the send timeout. */
static bool is_stuck(struct mw_http_conn *conn, uint64_t now) {
  uint64_t mark = (uint64_t)conn->watch.writes << 32 ^ uv_stream_get_write_queue_size(&conn->uv.stream);
  return mw_http_stands(&conn->watch.output, conn->unsent, mark, now, conn->engine->limits.send_seconds);
}

static void look(struct mw_http_conn *conn) {
  struct mw_http_session *session = &conn->session;
  uint64_t now = conn->watch.time;
  if (is_stuck(conn, now)) {
    mw_http_session_tell(session, MW_HTTP_END_STUCK, NULL);
    mw_http_conn_close(conn);
    return;
  }
  if (mw_http_stands(&conn->watch.end, session->failed, 0, now, END_SECONDS)) {
    mw_http_conn_close(conn);
    return;
  }
  enum mw_http_ending ending = look_at_input(conn, now);
  if (ending == MW_HTTP_ENDINGS || session->failed) {
    look_at_calls(conn, now);
  } else if (conn->tls && !mw_http_tls_is_open(conn->tls)) {
    mw_http_session_tell(session, ending, NULL);
    mw_http_conn_close(conn);
  } else {
    bool first = ending == MW_HTTP_END_HANDSHAKE;
    mw_http_session_fail(session, first ? NGHTTP2_SETTINGS_TIMEOUT : NGHTTP2_ENHANCE_YOUR_CALM, ending);
  }
}

/* Milliseconds between checks. */
static uint64_t interval(const struct mw_http_conn *conn) {
  const struct mw_engine_limits *limits = &conn->engine->limits;
  double least = limits->handshake_seconds;
  if (limits->message_seconds < least) least = limits->message_seconds;
  if (limits->send_seconds < least) least = limits->send_seconds;
  if (conn->session.failed && least > END_SECONDS) least = END_SECONDS;
  uint64_t each = ms(least) / LOOKS;
  if (each < LOOK_MS_MIN) each = LOOK_MS_MIN;
  return each < LOOK_MS_MAX ? each : LOOK_MS_MAX;
}

/* Advances the watch's time. A time of two intervals or more counts as one: the thread was blocked and has not read. */
static void pass_time(struct mw_http_conn *conn) {
  struct mw_http_watch *watch = &conn->watch;
  uint64_t each = interval(conn), passed = uv_now(&conn->engine->loop->uv) - watch->last;
  watch->time += passed < 2 * each ? passed : each;
}

static void on_timer(void *arg) {
  struct mw_http_conn *conn = arg;
  conn->watch.timer = NULL;
  pass_time(conn);
  look(conn);
  if (!conn->closed && mw_http_watch_needed(conn)) mw_http_watch_start(conn);
}

void mw_http_watch_start(struct mw_http_conn *conn) {
  struct mw_http_engine *engine = conn->engine;
  struct mw_http_watch *watch = &conn->watch;
  watch->last = uv_now(&engine->loop->uv);
  if (watch->time == 0) watch->time = watch->first.since = 1;
  int64_t delay = (int64_t)interval(conn) * MW_NS_PER_MS;
  watch->timer = mw_timer_start_real(engine->loop, delay, on_timer, conn);
}

void mw_http_watch_stop(struct mw_http_conn *conn) {
  mw_timer_stop(conn->watch.timer);
  conn->watch.timer = NULL;
}
