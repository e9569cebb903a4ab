#include "engine/http/conn/lifetime.h"

#include "engine/http/conn/conn_io.h"

/* Each function acts if its time is due, and returns the time of the next check. */

static bool is_idle(const struct mw_http_conn *conn) { return mw_list_empty(&conn->session.calls); }

static uint64_t send_ping(struct mw_http_conn *conn, uint64_t now) {
  const struct mw_http_keepalive_engine *settings = &conn->engine->keepalive;
  if (!settings->permit && is_idle(conn)) {
    return mw_http_after(now, settings->time); /* a new stream is a sign of life */
  }
  conn->keepalive.ping_sent = now;
  nghttp2_submit_ping(conn->session.ng, NGHTTP2_FLAG_NONE, NULL);
  mw_http_conn_mark(conn);
  return mw_http_after(now, mw_http_earlier(settings->time, settings->timeout));
}

static uint64_t check_ping(struct mw_http_conn *conn, uint64_t now) {
  const struct mw_http_keepalive_engine *settings = &conn->engine->keepalive;
  const struct mw_http_keepalive *keepalive = &conn->keepalive;
  bool sent = keepalive->ping_sent > 0;
  uint64_t due = sent ? mw_http_after(keepalive->ping_sent, settings->timeout)
                      : mw_http_after(keepalive->last_received, settings->time);
  if (now < due) return mw_http_earlier(due, mw_http_after(now, settings->time)); /* an answer restarts the time */
  if (!sent) return send_ping(conn, now);
  mw_http_session_log(&conn->session, MW_HTTP_REASON_KEEPALIVE, NULL);
  mw_http_conn_close(conn);
  return MW_HTTP_NEVER;
}

static uint64_t check_age(struct mw_http_conn *conn, uint64_t now) {
  const struct mw_http_keepalive_engine *settings = &conn->engine->keepalive;
  struct mw_http_keepalive *keepalive = &conn->keepalive;
  bool old = now >= keepalive->age_limit;
  uint64_t idle = mw_http_after(is_idle(conn) ? keepalive->last_stream_end : now, settings->idle);
  if (!old && now < idle) return mw_http_earlier(idle, keepalive->age_limit);
  if (old) keepalive->grace_end = mw_http_after(now, settings->grace);
  mw_http_conn_drain(conn);
  return mw_http_earlier(keepalive->grace_end, mw_http_after(now, MW_HTTP_DRAIN_MS));
}

static uint64_t check_grace(struct mw_http_conn *conn, uint64_t now) {
  struct mw_http_keepalive *keepalive = &conn->keepalive;
  if (now >= keepalive->grace_end) {
    const struct mw_log_field fields[] = {{"peer", conn->peer}, {0}};
    mw_log(MW_LOG_INFO, fields, "connection ended with its calls: its maximum age and grace period are over");
    mw_http_conn_linger(conn);
    return MW_HTTP_NEVER;
  }
  if (conn->session.goaway_due) return keepalive->grace_end;
  uint64_t due = mw_http_after(keepalive->drained, MW_HTTP_DRAIN_MS);
  if (now < due) return mw_http_earlier(due, keepalive->grace_end);
  mw_http_conn_goaway(conn);
  return keepalive->grace_end;
}

static uint64_t check(struct mw_http_conn *conn, uint64_t now) {
  if (conn->closed || conn->session.failed) return MW_HTTP_NEVER;
  uint64_t due = conn->session.draining ? check_grace(conn, now) : check_age(conn, now);
  return conn->closed ? MW_HTTP_NEVER : mw_http_earlier(due, check_ping(conn, now));
}

void mw_http_lifetime_check(void *arg) {
  struct mw_http_engine *engine = arg;
  uint64_t due = MW_HTTP_NEVER, now = uv_now(&engine->loop->uv);
  for (struct mw_list *link = engine->conns.next; link != &engine->conns; link = link->next) {
    due = mw_http_earlier(due, check(MW_CONTAINER(link, struct mw_http_conn, link), now));
  }
  mw_http_keepalive_schedule(&engine->keepalive, due);
}
