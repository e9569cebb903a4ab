/* The state that all files of the engine share. Used on the loop's thread alone.
 *
 * A serving engine runs its thread: the thread waits in the completion queue, with the loop embedded in it
 * (engine/core/poll.h). An engine that only opens channels is embedded in a loop that others run
 * (engine/core/embedded.h). Until its first channel it is nothing but this struct: no queue, no thread, and the library
 * is not initialised. */
#ifndef MW_ENGINE_CORE_ENGINE_H
#define MW_ENGINE_CORE_ENGINE_H

#include "base/buf.h"
#include "engine/core/embedded.h"
#include "engine/core/poll.h"
#include "engine/core/queue.h"
#include "engine/core/server.h"
#include "rpc/engine.h"

/* A call with something to send. Its batch starts at the end of a round of events, so that all that the call sends in
 * one round leaves in as few writes as possible. */
struct mw_core_dirty {
  struct mw_list link;
  void (*flush)(struct mw_core_dirty *dirty);
};

/* Rounds of events with leftover calls, two a turn, after which waiting calls are watched for a cancel. */
enum { MW_CORE_FEW = 8 };

struct mw_core_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch; /* NULL for an embedded engine, which only opens channels */
  size_t max_receive_bytes;
  struct mw_core_queue queue;
  struct mw_core_poll poll;       /* of a serving engine */
  struct mw_core_embedded *guest; /* of an embedded engine, from its first channel on; else NULL */
  struct mw_core_server server;
  struct mw_list dirty;        /* struct mw_core_dirty.link */
  struct mw_list channels;     /* struct mw_channel.link */
  struct mw_list client_calls; /* struct mw_client_call.link: calls that core still works on */
  struct mw_buf scratch;       /* for a received message that is not in one piece */
  unsigned left;               /* rounds in a row that ran out of time with calls left in the run queue */
  bool stopping;
};

static inline struct mw_core_engine *mw_core_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_core_engine, base);
}

/* ---- engine_state.c ---- */

/* Initialises the library and the queue. */
void mw_core_engine_open_queue(struct mw_core_engine *engine);

/* Frees a queue that is shut down and empty, and the library. */
void mw_core_engine_close_queue(struct mw_core_engine *engine);

/* Shuts the queue down, runs its last events, and closes it. The owners of their tags must still exist. */
void mw_core_engine_drain_queue(struct mw_core_engine *engine);

/* Flushes all calls with something to send. `engine` is a struct mw_core_engine. */
void mw_core_engine_flush(void *engine);

/* Prepares for the first channel; does nothing for later ones. Returns 0, MW_EIO or MW_ENOMEM. */
int mw_core_engine_prepare(struct mw_core_engine *engine, struct mw_err *err);

/* Schedules `dirty` to be flushed at the end of this round, once. */
static inline void mw_core_engine_mark(struct mw_core_engine *engine, struct mw_core_dirty *dirty) {
  if (!mw_list_empty(&dirty->link)) return;
  mw_list_push(&engine->dirty, &dirty->link);
  if (engine->guest) mw_core_embedded_ask(engine->guest);
}

#endif
