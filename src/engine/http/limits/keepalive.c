#include "engine/http/limits/keepalive.h"

#include "base/clock.h"
#include "loop/loop.h"

enum {
  STRIKES_MAX = 2,
  TWO_HOURS_MS = 2 * 60 * 60 * 1000, /* least time between PINGs without a stream, unless those are permitted */
  STEPS = 8,                         /* checks within the shortest of the times */
  STEP_MIN_MS = 5,
  STEP_MAX_MS = 1000,
};

static uint64_t now_of(const struct mw_http_keepalive_engine *engine) { return uv_now(&engine->loop->uv); }

/* ---- the engine's timer ---- */

/* Rounds up; 0 seconds stand for never. */
static uint64_t to_ms(double seconds) {
  uint64_t ms = (uint64_t)(seconds * 1000);
  return seconds > 0 ? ms + ((double)ms < seconds * 1000) : MW_HTTP_NEVER;
}

void mw_http_keepalive_init(struct mw_http_keepalive_engine *engine, const struct mw_keepalive *config,
                            struct mw_loop *loop, void (*check)(void *), void *arg) {
  *engine = (struct mw_http_keepalive_engine){.time = to_ms(config->time),
                                              .timeout = to_ms(config->timeout),
                                              .min_time = to_ms(config->min_time),
                                              .idle = to_ms(config->max_connection_idle),
                                              .age = to_ms(config->max_connection_age),
                                              .grace = to_ms(config->max_connection_age_grace),
                                              .permit = config->permit_without_stream,
                                              .loop = loop,
                                              .check = check,
                                              .arg = arg,
                                              .due = MW_HTTP_NEVER};
  uint64_t shortest = MW_HTTP_DRAIN_MS;
  const uint64_t times[] = {engine->time, engine->timeout, engine->idle, engine->age, engine->grace};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) shortest = mw_http_earlier(shortest, times[i]);
  engine->step = mw_http_earlier(shortest / STEPS, STEP_MAX_MS);
  if (engine->step < STEP_MIN_MS) engine->step = STEP_MIN_MS;
}

void mw_http_keepalive_stop(struct mw_http_keepalive_engine *engine) {
  mw_timer_stop(engine->timer);
  engine->timer = NULL;
  engine->due = MW_HTTP_NEVER;
}

static void on_timer(void *arg) {
  struct mw_http_keepalive_engine *engine = arg;
  engine->timer = NULL;
  engine->due = MW_HTTP_NEVER;
  engine->check(engine->arg);
}

void mw_http_keepalive_schedule(struct mw_http_keepalive_engine *engine, uint64_t due) {
  uint64_t now = now_of(engine);
  if (due == MW_HTTP_NEVER) return;
  if (due < now + engine->step) due = now + engine->step;
  if (due >= engine->due) return;
  mw_timer_stop(engine->timer);
  int64_t delay = due - now < INT64_MAX / MW_NS_PER_MS ? (int64_t)(due - now) * MW_NS_PER_MS : INT64_MAX;
  engine->timer = mw_timer_start(engine->loop, delay, on_timer, engine);
  engine->due = engine->timer ? due : MW_HTTP_NEVER;
}

/* ---- events of a connection ---- */

/* Varies the age by a tenth, so that connections that began together do not end together. */
static uint64_t vary(uint64_t age) {
  uint32_t random = UINT32_MAX / 2;
  if (age == MW_HTTP_NEVER) return MW_HTTP_NEVER;
  uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
  return (uint64_t)((double)age * (0.9 + 0.2 * random / UINT32_MAX));
}

void mw_http_keepalive_start(struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive) {
  uint64_t now = now_of(engine), limit = mw_http_after(now, vary(engine->age));
  *keepalive = (struct mw_http_keepalive){
      .last_received = now, .last_stream_end = now, .age_limit = limit, .grace_end = MW_HTTP_NEVER};
  uint64_t first = mw_http_after(now, mw_http_earlier(engine->idle, engine->time));
  mw_http_keepalive_schedule(engine, mw_http_earlier(limit, first));
}

bool mw_http_keepalive_take_ping(const struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive,
                                 bool idle) {
  if (engine->min_time == MW_HTTP_NEVER) return true;
  uint64_t now = now_of(engine), last = keepalive->ping_received;
  uint64_t pause = !engine->permit && idle ? TWO_HOURS_MS : engine->min_time;
  keepalive->ping_received = now;
  if (keepalive->sent_since_ping) {
    keepalive->sent_since_ping = false;
    keepalive->strikes = 0;
  } else if (last > 0 && now < mw_http_after(last, pause)) {
    keepalive->strikes++;
  }
  return keepalive->strikes <= STRIKES_MAX;
}

void mw_http_keepalive_drain(struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive) {
  keepalive->drained = now_of(engine);
  mw_http_keepalive_schedule(engine, mw_http_after(keepalive->drained, MW_HTTP_DRAIN_MS));
}
