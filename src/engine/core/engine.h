/* The engine's own state, which its files share. One thread, that of the loop.
 *
 * An engine that serves runs its thread: it waits in the queue, with the loop inside (engine/core/poll.h). One that only
 * opens channels is a guest in a loop that others run; until the first channel there is nothing of it but this struct:
 * no queue, no thread, and the library is not even initialised (engine/core/guest.h). */
#ifndef MW_ENGINE_CORE_ENGINE_H
#define MW_ENGINE_CORE_ENGINE_H

#include "base/buf.h"
#include "engine/core/guest.h"
#include "engine/core/poll.h"
#include "engine/core/queue.h"
#include "engine/core/server.h"
#include "rpc/engine.h"

/* A call with something to send. Batches are started at the end of a round of events, so that what one event sends
 * in several steps leaves in as few writes as can be. */
struct mw_core_dirty {
  struct mw_list link;
  void (*flush)(struct mw_core_dirty *dirty);
};

/* Rounds of events, of which a turn has two, from which on calls that wait are watched. */
enum { MW_CORE_FEW = 8 };

struct mw_core_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch; /* NULL: a guest, for outbound channels only */
  size_t max_receive_bytes;
  struct mw_core_queue queue;
  struct mw_core_poll poll;     /* of an engine that serves */
  struct mw_core_guest *guest;  /* of one that does not, from its first channel on; or NULL */
  struct mw_core_server server;
  struct mw_list dirty;        /* struct mw_core_dirty.link */
  struct mw_list channels;     /* struct mw_channel.link */
  struct mw_list client_calls; /* struct mw_client_call.link: what core still works for */
  struct mw_buf scratch;       /* a received message that is not in one piece */
  unsigned left;               /* rounds of events after which items of the run queue were left, for lack of time */
  bool stopping;
};

static inline struct mw_core_engine *mw_core_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_core_engine, base);
}

/* Opens what a first channel needs. Returns 0, MW_EIO or MW_ENOMEM. */
int mw_core_engine_prepare(struct mw_core_engine *engine, struct mw_err *err);

/* Has `dirty` flushed at the end of this round; once, however often it is called. */
static inline void mw_core_engine_mark(struct mw_core_engine *engine, struct mw_core_dirty *dirty) {
  if (!mw_list_empty(&dirty->link)) return;
  mw_list_push(&engine->dirty, &dirty->link);
  if (engine->guest) mw_core_guest_ask(engine->guest);
}

#endif
