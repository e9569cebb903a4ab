#include "engine/core/engine.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/channel.h"
#include "engine/core/core.h"

enum {
  MAX_RECEIVE = 4 * 1024 * 1024,
  LAST_WORDS_MS = 500, /* time that a stopped engine gives its calls to send the last replies */
};

/* Turns core's log off, unless the environment turns it on. Failures are reported as a status or an mw_err. */
static void be_quiet(void) { setenv("GRPC_VERBOSITY", "NONE", 0); }

/* Runs after each round of events. Calls are watched only once they wait for long, because that costs a batch each. */
static void flush_serving(void *arg) {
  struct mw_core_engine *engine = arg;
  mw_core_engine_flush(engine);
  if (engine->dispatch->queue.over && ++engine->left == MW_CORE_FEW) mw_core_server_await(engine);
  if (!engine->dispatch->queue.behind && !engine->dispatch->queue.over) engine->left = 0;
}

/* ---- opening ---- */

static int open_serving(struct mw_core_engine *engine, const struct mw_engine_config *config, struct mw_err *err) {
  mw_core_engine_open_queue(engine);
  int rc = mw_core_poll_init(&engine->poll, &engine->queue, engine->loop, engine->dispatch, flush_serving, engine, err);
  if (rc == 0) {
    rc = mw_core_server_init(engine, config, err);
    if (rc != 0) mw_core_poll_fini(&engine->poll);
  }
  if (rc != 0) mw_core_engine_drain_queue(engine);
  return rc;
}

static int engine_open(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, be_quiet);
  struct mw_core_engine *engine = calloc(1, sizeof *engine);
  if (!engine) return mw_err_set(err, MW_ENOMEM, "out of memory");
  engine->base.ops = &mw_engine_core;
  engine->loop = config->loop;
  engine->dispatch = config->dispatch;
  engine->max_receive_bytes = config->max_receive_bytes ? config->max_receive_bytes : MAX_RECEIVE;
  if (engine->max_receive_bytes > INT_MAX) engine->max_receive_bytes = INT_MAX;
  mw_list_init(&engine->dirty);
  mw_list_init(&engine->channels);
  mw_list_init(&engine->client_calls);
  int rc = engine->dispatch ? open_serving(engine, config, err) : 0;
  if (rc != 0) {
    free(engine);
    return rc;
  }
  *out = &engine->base;
  return 0;
}

/* ---- serving ---- */

static int engine_listen(struct mw_engine *base, const char *address, struct mw_err *err) {
  return mw_core_server_listen(mw_core_engine_of(base), address, err);
}

static int engine_accept_from(struct mw_engine *base, int fd, const char *address, struct mw_err *err) {
  return mw_core_server_accept_from(mw_core_engine_of(base), fd, address, err);
}

static void engine_run(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  mw_core_server_start(engine);
  while (!engine->stopping) mw_core_poll_turn(&engine->poll, -1);
  int64_t until = mw_clock_real() + LAST_WORDS_MS * (int64_t)MW_NS_PER_MS;
  while (!mw_core_server_is_idle(engine) && mw_clock_real() < until) mw_core_poll_turn(&engine->poll, LAST_WORDS_MS);
}

static void engine_drain(struct mw_engine *base) { mw_core_server_drain(mw_core_engine_of(base)); }

static bool engine_is_quiet(struct mw_engine *base) { return mw_core_engine_of(base)->server.n_calls == 0; }

static void engine_stop(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  if (engine->stopping) return;
  engine->stopping = true;
  mw_core_server_drain(engine);
  mw_dispatch_cancel_all(engine->dispatch, mw_status_shutting_down());
}

/* ---- closing ---- */

static void close_serving(struct mw_core_engine *engine) {
  mw_core_server_fini(engine);
  while (!mw_list_empty(&engine->client_calls)) mw_core_queue_next(&engine->queue, -1);
  mw_core_poll_fini(&engine->poll);
  mw_core_engine_drain_queue(engine);
}

static void close_guest(struct mw_core_engine *engine) {
  while (!mw_list_empty(&engine->client_calls)) mw_core_embedded_wait(engine->guest);
  mw_core_queue_shutdown(&engine->queue);
  mw_core_embedded_free(engine->guest);
  mw_core_engine_close_queue(engine);
}

static void engine_close(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  mw_core_channels_detach(engine);
  if (engine->dispatch) {
    close_serving(engine);
  } else if (engine->guest) {
    close_guest(engine);
  }
  mw_buf_fini(&engine->scratch);
  free(engine);
}

const struct mw_engine_ops mw_engine_core = {
    .name = "core",
    .team_new = mw_core_team_new,
    .team_free = mw_core_team_free,
    .open = engine_open,
    .listen = engine_listen,
    .accept_from = engine_accept_from,
    .run = engine_run,
    .drain = engine_drain,
    .is_quiet = engine_is_quiet,
    .stop = engine_stop,
    .close = engine_close,
    .channels = &mw_core_channel_ops,
};
