/* The engine's own state, which its files share. One thread, that of the loop. */
#ifndef MW_ENGINE_CORE_ENGINE_H
#define MW_ENGINE_CORE_ENGINE_H

#include "base/buf.h"
#include "engine/core/poll.h"
#include "engine/core/server.h"
#include "rpc/engine.h"

/* A call with something to send. Batches are started at the end of a round of events, so that what one event sends
 * in several steps leaves in as few writes as can be. */
struct mw_core_dirty {
  struct mw_list link;
  void (*flush)(struct mw_core_dirty *dirty);
};

struct mw_core_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch; /* NULL: outbound channels only */
  size_t max_receive_bytes;
  struct mw_core_poll poll;
  struct mw_core_server server;
  struct mw_list dirty;        /* struct mw_core_dirty.link */
  struct mw_list channels;     /* struct mw_channel.link */
  struct mw_list client_calls; /* struct mw_client_call.link: what core still works for */
  struct mw_buf scratch;       /* a received message that is not in one piece */
  bool stopping;
};

static inline struct mw_core_engine *mw_core_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_core_engine, base);
}

/* Has `dirty` flushed at the end of this round; once, however often it is called. */
static inline void mw_core_engine_mark(struct mw_core_engine *engine, struct mw_core_dirty *dirty) {
  if (mw_list_empty(&dirty->link)) mw_list_push(&engine->dirty, &dirty->link);
}

#endif
