#include "engine/http/limits/keepalive.h"

#include "base/clock.h"
#include "engine/http/conn/call.h"
#include "engine/http/conn/conn.h"

#define NEVER UINT64_MAX

enum {
  STRIKES_MAX = 2,
  TWO_HOURS_MS = 2 * 60 * 60 * 1000, /* least time between PINGs without a stream, unless those are permitted */
  GOODBYE_MS = 5000,                 /* from the first to the final GOAWAY, if the client does not answer the PING */
  STEPS = 8,                         /* checks within the shortest of the times */
  STEP_MIN_MS = 5,
  STEP_MAX_MS = 1000,
};

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t after(uint64_t from, uint64_t span) { return span < NEVER - from ? from + span : NEVER; }

/* ---- the engine's timer ---- */

/* Rounds up; 0 seconds stand for never. */
static uint64_t to_ms(double seconds) {
  uint64_t ms = (uint64_t)(seconds * 1000);
  return seconds > 0 ? ms + ((double)ms < seconds * 1000) : NEVER;
}

void mw_http_keeper_init(struct mw_http_keeper *keeper, const struct mw_keepalive *config) {
  *keeper = (struct mw_http_keeper){.time = to_ms(config->time),
                                    .timeout = to_ms(config->timeout),
                                    .min_time = to_ms(config->min_time),
                                    .idle = to_ms(config->max_connection_idle),
                                    .age = to_ms(config->max_connection_age),
                                    .grace = to_ms(config->max_connection_age_grace),
                                    .permit = config->permit_without_stream,
                                    .due = NEVER};
  uint64_t shortest = earlier(earlier(earlier(keeper->time, keeper->timeout), keeper->idle),
                              earlier(earlier(keeper->age, keeper->grace), GOODBYE_MS));
  keeper->step = earlier(shortest / STEPS, STEP_MAX_MS);
  if (keeper->step < STEP_MIN_MS) keeper->step = STEP_MIN_MS;
}

void mw_http_keeper_stop(struct mw_http_keeper *keeper) {
  mw_timer_stop(keeper->timer);
  keeper->timer = NULL;
  keeper->due = NEVER;
}

static void on_time(void *arg);

/* Schedules a check of the connections for `due` at the latest. Without memory it waits for the next schedule(). */
static void schedule(struct mw_http_engine *engine, uint64_t due) {
  struct mw_http_keeper *keeper = &engine->keeper;
  uint64_t now = uv_now(&engine->loop->uv);
  if (due == NEVER) return;
  if (due < now + keeper->step) due = now + keeper->step;
  if (due >= keeper->due) return;
  mw_timer_stop(keeper->timer);
  int64_t delay = due - now < INT64_MAX / MW_NS_PER_MS ? (int64_t)(due - now) * MW_NS_PER_MS : INT64_MAX;
  keeper->timer = mw_timer_start(engine->loop, delay, on_time, engine);
  keeper->due = keeper->timer ? due : NEVER;
}

/* ---- the check of a connection: each function acts if its time is due, and returns the time of the next check ---- */

static bool is_quiet(const struct mw_http_conn *conn) { return mw_list_empty(&conn->session.calls); }

static uint64_t ask(struct mw_http_conn *conn, uint64_t now) {
  struct mw_http_keeper *keeper = &conn->engine->keeper;
  if (!keeper->permit && is_quiet(conn)) return after(now, keeper->time); /* a new stream is a sign of life */
  conn->keepalive.asked = now;
  nghttp2_submit_ping(conn->session.ng, NGHTTP2_FLAG_NONE, NULL);
  mw_http_conn_mark(conn);
  return after(now, earlier(keeper->time, keeper->timeout));
}

static uint64_t look_for_life(struct mw_http_conn *conn, uint64_t now) {
  const struct mw_http_keeper *keeper = &conn->engine->keeper;
  const struct mw_http_keepalive *keepalive = &conn->keepalive;
  bool asked = keepalive->asked > 0;
  uint64_t due = asked ? after(keepalive->asked, keeper->timeout) : after(keepalive->heard, keeper->time);
  if (now < due) return earlier(due, after(now, keeper->time)); /* an answer restarts keeper->time */
  if (!asked) return ask(conn, now);
  mw_http_session_tell(&conn->session, MW_HTTP_END_SILENT, NULL);
  mw_http_conn_close(conn);
  return NEVER;
}

static uint64_t look_for_age(struct mw_http_conn *conn, uint64_t now) {
  const struct mw_http_keeper *keeper = &conn->engine->keeper;
  struct mw_http_keepalive *keepalive = &conn->keepalive;
  bool old = now >= keepalive->retires, quiet = is_quiet(conn);
  uint64_t idle = after(quiet ? keepalive->quiet : now, keeper->idle);
  if (!old && now < idle) return earlier(idle, keepalive->retires);
  if (old) keepalive->leaves = after(now, keeper->grace);
  mw_http_conn_drain(conn);
  return earlier(keepalive->leaves, after(now, GOODBYE_MS));
}

static uint64_t look_for_end(struct mw_http_conn *conn, uint64_t now) {
  struct mw_http_keepalive *keepalive = &conn->keepalive;
  if (now >= keepalive->leaves) {
    const struct mw_log_field fields[] = {{"peer", conn->peer}, {0}};
    mw_log(MW_LOG_INFO, fields, "connection ended with its calls: its maximum age and grace period are over");
    mw_http_conn_say_goodbye(conn);
    return NEVER;
  }
  if (conn->session.ending) return keepalive->leaves;
  uint64_t due = after(keepalive->drained, GOODBYE_MS);
  if (now < due) return earlier(due, keepalive->leaves);
  mw_http_conn_end(conn);
  return keepalive->leaves;
}

static uint64_t look(struct mw_http_conn *conn, uint64_t now) {
  if (conn->closed || conn->session.failed) return NEVER;
  uint64_t due = conn->session.draining ? look_for_end(conn, now) : look_for_age(conn, now);
  return conn->closed ? NEVER : earlier(due, look_for_life(conn, now));
}

static void on_time(void *arg) {
  struct mw_http_engine *engine = arg;
  uint64_t due = NEVER, now = uv_now(&engine->loop->uv);
  engine->keeper.timer = NULL;
  engine->keeper.due = NEVER;
  for (struct mw_list *link = engine->conns.next; link != &engine->conns; link = link->next) {
    due = earlier(due, look(MW_CONTAINER(link, struct mw_http_conn, link), now));
  }
  schedule(engine, due);
}

/* ---- events of a connection ---- */

/* Varies the age by a tenth, so that connections that began together do not end together. */
static uint64_t vary(uint64_t span) {
  uint32_t random = UINT32_MAX / 2;
  if (span == NEVER) return NEVER;
  uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
  return (uint64_t)((double)span * (0.9 + 0.2 * random / UINT32_MAX));
}

void mw_http_keepalive_start(struct mw_http_conn *conn) {
  const struct mw_http_keeper *keeper = &conn->engine->keeper;
  uint64_t now = uv_now(&conn->engine->loop->uv), retires = after(now, vary(keeper->age));
  conn->keepalive = (struct mw_http_keepalive){.heard = now, .quiet = now, .retires = retires, .leaves = NEVER};
  schedule(conn->engine, earlier(retires, after(now, earlier(keeper->idle, keeper->time))));
}

bool mw_http_keepalive_take_ping(struct mw_http_conn *conn) {
  const struct mw_http_keeper *keeper = &conn->engine->keeper;
  struct mw_http_keepalive *keepalive = &conn->keepalive;
  if (keeper->min_time == NEVER) return true;
  uint64_t now = uv_now(&conn->engine->loop->uv), last = keepalive->pinged;
  uint64_t pause = !keeper->permit && is_quiet(conn) ? TWO_HOURS_MS : keeper->min_time;
  keepalive->pinged = now;
  if (keepalive->spoke) {
    keepalive->spoke = false;
    keepalive->strikes = 0;
  } else if (last > 0 && now < after(last, pause)) {
    keepalive->strikes++;
  }
  return keepalive->strikes <= STRIKES_MAX;
}

void mw_http_keepalive_drain(struct mw_http_conn *conn) {
  conn->keepalive.drained = uv_now(&conn->engine->loop->uv);
  schedule(conn->engine, after(conn->keepalive.drained, GOODBYE_MS));
}
