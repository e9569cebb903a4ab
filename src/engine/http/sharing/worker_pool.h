/* Work sharing: the worker pool of one server. Each engine has a slot in it with an inbox.
 *
 * The two sides of a remote call (remote.h) send each other events over one channel in each direction. A
 * channel gathers events in a pending batch (`pending`). At the end of its work the sender delivers all of its
 * pending batches to the inboxes, and wakes each receiving loop once. A batch that the receiver has not taken yet is
 * merged with the next one. Each inbox has a lock; the engines share nothing else. */
#ifndef MW_ENGINE_HTTP_SHARING_WORKER_POOL_H
#define MW_ENGINE_HTTP_SHARING_WORKER_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/http/h2/outbox.h"
#include "loop/loop.h"
#include "rpc/engine.h"

struct mw_http_engine;

/* A batch of events of a remote call, from one side to the other. "To the executor": only from the origin, who has the
 * stream, to the executor, who runs the call; "to the origin": only the other way. */
struct mw_http_events {
  struct mw_http_block *first, *last; /* owned; in their order */
  const char *encoding;    /* to the executor: encoding of the newest message; static, NULL if not compressed */
  uint32_t sent;           /* to the executor: number of messages that have left the outbox */
  size_t room;             /* bytes of a large message; to the origin: asks for room; to the executor: grants it */
  bool begun;              /* to the executor: the first batch of the call */
  bool ended;              /* to the executor: no messages follow */
  bool cancelled;          /* to the executor: cancelled with `status` */
  bool wanted;             /* to the origin: asks for the next message */
  bool headers;            /* to the origin: headers are complete */
  bool finished;           /* to the origin: finished with `status`; afterwards the executor does not touch the call */
  bool with_last;          /* to the origin: the last message is sent together with the status */
  struct mw_status status; /* its bytes live as long as the remote call */
};

/* A channel: one direction of a remote call. */
struct mw_http_channel {
  struct mw_http_slot *to;
  atomic_uint *refs;               /* references of the remote call: a pending batch holds one, a delivered batch too */
  struct mw_http_events pending;   /* the pending batch, on the sender's thread */
  struct mw_list pending_link;     /* in `unsent` of the sender's slot */
  struct mw_http_events delivered; /* the delivered batch; guarded by to->lock */
  struct mw_list inbox_link;       /* in to->inbox or to->current; guarded by to->lock */
  /* Handles a batch on the receiver's thread. Takes its messages and the inbox's reference. */
  void (*take)(struct mw_http_channel *channel, struct mw_http_events *events);
  /* Runs on the sender's thread if the receiver is closed. Takes the pending batch's reference. */
  void (*fail)(struct mw_http_channel *channel);
};

struct mw_http_slot {
  pthread_mutex_t lock;          /* guards the members up to `post` */
  struct mw_http_engine *engine; /* its user, opaque here; NULL for a free slot */
  struct mw_loop *loop;          /* of the engine */
  struct mw_list inbox;          /* struct mw_http_channel.inbox_link */
  struct mw_list current;        /* the same: channels to handle in this turn of the loop */
  bool posted;
  struct mw_post post;
  struct mw_list unsent;      /* struct mw_http_channel.pending_link: batches to send; on its own thread */
  atomic_bool waiting;        /* its thread is idle */
  atomic_size_t remote_calls; /* number of other engines' calls that run here */
};

struct mw_engine_team {
  unsigned size;
  struct mw_http_slot slots[];
};

struct mw_engine_team *mw_http_worker_pool_new(unsigned size);
void mw_http_worker_pool_free(struct mw_engine_team *team);

/* Gives the engine a free slot. From then on other engines may run calls there. Returns NULL if there is none. */
struct mw_http_slot *mw_http_worker_pool_join(struct mw_engine_team *team, struct mw_http_engine *engine,
                                              struct mw_loop *loop);

/* Handles the rest of the inbox, sends the pending batches, and frees the slot: sending to it fails from then on. */
void mw_http_worker_pool_leave(struct mw_http_slot *slot);

/* Chooses a slot to run a call, other than `self`: the one with the fewest remote calls of those that are idle or have
 * some already. Returns NULL if none has fewer than `below`. */
struct mw_http_slot *mw_http_worker_pool_choose(struct mw_engine_team *team, const struct mw_http_slot *self,
                                                size_t below);

void mw_http_channel_init(struct mw_http_channel *channel, struct mw_http_slot *to, atomic_uint *refs,
                          void (*take)(struct mw_http_channel *channel, struct mw_http_events *events),
                          void (*fail)(struct mw_http_channel *channel));

/* Frees batches that were not handled. Neither side uses the channel any more. */
void mw_http_channel_fini(struct mw_http_channel *channel);

/* Returns the pending batch, which the sender's next mw_http_worker_pool_send() sends. */
struct mw_http_events *mw_http_channel_pending(struct mw_http_channel *channel, struct mw_http_slot *sender);

/* Adds a message to a batch; takes the message. */
void mw_http_events_add(struct mw_http_events *events, struct mw_http_block *message);

/* Removes the oldest message. Returns owned, NULL if there is none. */
struct mw_http_block *mw_http_events_shift(struct mw_http_events *events);

/* Frees the messages and clears the batch. */
void mw_http_events_clear(struct mw_http_events *events);

/* Sends all pending batches of the slot. */
void mw_http_worker_pool_send(struct mw_http_slot *sender);

#endif
