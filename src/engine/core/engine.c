#include "engine/core/engine.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/channel.h"
#include "engine/core/core.h"

enum {
  MAX_RECEIVE = 4 * 1024 * 1024,
  LAST_WORDS_MS = 1000, /* how long a stopped engine waits for what handlers still have to say */
};

/* Core is silent unless the environment wants it to speak: what fails reaches people as a status or an mw_err. */
static void be_quiet(void) { setenv("GRPC_VERBOSITY", "NONE", 0); }

static void flush_all(void *arg) {
  struct mw_core_engine *engine = arg;
  struct mw_list *link;
  while ((link = mw_list_shift(&engine->dirty))) {
    struct mw_core_dirty *dirty = MW_CONTAINER(link, struct mw_core_dirty, link);
    dirty->flush(dirty);
  }
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
  grpc_init();
  int rc = mw_core_poll_init(&engine->poll, config->loop, flush_all, engine, err);
  if (rc == 0) {
    rc = mw_core_server_init(engine, config, err);
    if (rc != 0) mw_core_poll_fini(&engine->poll);
  }
  if (rc != 0) {
    grpc_shutdown();
    free(engine);
    return rc;
  }
  *out = &engine->base;
  return 0;
}

static int engine_listen(struct mw_engine *base, const char *address, struct mw_err *err) {
  return mw_core_server_listen(mw_core_engine_of(base), address, err);
}

static void engine_run(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  mw_core_server_start(engine);
  while (!engine->stopping) mw_core_poll_turn(&engine->poll, -1);
  int64_t until = mw_clock_mono() + LAST_WORDS_MS * (int64_t)MW_NS_PER_MS;
  while (!mw_core_server_is_idle(engine) && mw_clock_mono() < until) mw_core_poll_turn(&engine->poll, LAST_WORDS_MS);
}

static void engine_drain(struct mw_engine *base) { mw_core_server_drain(mw_core_engine_of(base)); }

static void engine_stop(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  if (engine->stopping) return;
  engine->stopping = true;
  mw_core_server_drain(engine);
  if (engine->dispatch) {
    mw_dispatch_cancel_all(engine->dispatch, mw_status(MW_CODE_UNAVAILABLE, "the server is shutting down"));
  }
}

static void engine_close(struct mw_engine *base) {
  struct mw_core_engine *engine = mw_core_engine_of(base);
  mw_core_channels_detach(engine);
  mw_core_server_fini(engine);
  while (!mw_list_empty(&engine->client_calls)) mw_core_poll_next(&engine->poll, -1);
  mw_core_poll_fini(&engine->poll);
  mw_buf_fini(&engine->scratch);
  free(engine);
  grpc_shutdown();
}

const struct mw_engine_ops mw_engine_core = {
    .name = "core",
    .open = engine_open,
    .listen = engine_listen,
    .run = engine_run,
    .drain = engine_drain,
    .stop = engine_stop,
    .close = engine_close,
    .channels = &mw_core_channel_ops,
};
