#include "engine/core/engine.h"

void mw_core_engine_open_queue(struct mw_core_engine *engine) {
  grpc_init();
  mw_core_queue_init(&engine->queue);
}

void mw_core_engine_close_queue(struct mw_core_engine *engine) {
  mw_core_queue_fini(&engine->queue);
  grpc_shutdown();
}

void mw_core_engine_drain_queue(struct mw_core_engine *engine) {
  mw_core_queue_shutdown(&engine->queue);
  while (mw_core_queue_next(&engine->queue, -1)) continue;
  mw_core_engine_close_queue(engine);
}

void mw_core_engine_flush(void *arg) {
  struct mw_core_engine *engine = arg;
  struct mw_list *link;
  while ((link = mw_list_shift(&engine->dirty))) {
    struct mw_core_dirty *dirty = MW_CONTAINER(link, struct mw_core_dirty, link);
    dirty->flush(dirty);
  }
}

int mw_core_engine_prepare(struct mw_core_engine *engine, struct mw_err *err) {
  if (engine->dispatch || engine->guest) return 0;
  mw_core_engine_open_queue(engine);
  int rc = mw_core_embedded_new(&engine->guest, &engine->queue, engine->loop, mw_core_engine_flush, engine, err);
  if (rc != 0) mw_core_engine_drain_queue(engine);
  return rc;
}
