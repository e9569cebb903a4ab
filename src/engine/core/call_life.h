/* The life of a call (call.h), under call.c, which receives, and reply.c, which sends: its batches, its places in the
 * run queue and in the pool, and the loss of its stream. */
#ifndef MW_ENGINE_CORE_CALL_LIFE_H
#define MW_ENGINE_CORE_CALL_LIFE_H

#include "engine/core/batch.h"
#include "engine/core/call.h"

static inline struct mw_core_call *mw_core_call_of(struct mw_call *call) {
  return MW_CONTAINER(call, struct mw_core_call, call);
}

/* True while the handler may receive events. */
static inline bool mw_core_call_is_wanted(const struct mw_core_call *core) {
  return !core->call.finished && !core->call.cancelled && !core->detached;
}

/* Initialises the members that this file uses, of a call that is all zeros. */
void mw_core_call_init(struct mw_core_call *core, struct mw_core_engine *engine);

/* Keeps the call until the matching leave, so that it is not recycled in between. */
static inline void mw_core_call_enter(struct mw_core_call *core) { core->pending++; }
void mw_core_call_leave(struct mw_core_call *core);

/* Returns a call that is over, or was not requested, to the pool. */
void mw_core_call_recycle(struct mw_core_call *core);

/* Starts a batch. Its tag must leave the call. */
void mw_core_call_start(struct mw_core_call *core, struct mw_core_batch *batch, struct mw_core_tag *tag);

/* Queues the call for a turn of its item. Starts no close batch for a call that runs soon: its final batch includes
 * one. */
void mw_core_call_queue(struct mw_core_call *core);

/* Starts a close batch, which completes when the client disconnects or the call ends. The final batch has the operation
 * too. */
void mw_core_call_watch(struct mw_core_call *core);

#endif
