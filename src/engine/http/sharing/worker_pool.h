/* Work sharing: the worker pool of one server. Each engine has a slot in it (`seat`) with an inbox (`box`).
 *
 * The two sides of a remote call (remote.h) send each other events over one channel (`lane`) in each direction. A
 * channel gathers events in a pending batch (`draft`, a parcel). At the end of its work the sender delivers all of its
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

/* A batch of events of a remote call, from one side to the other. "To the guest": only from the owner, who has the
 * stream, to the guest, who runs the call; "to the owner": only the other way. */
struct mw_http_parcel {
  struct mw_http_block *first, *last; /* owned; in their order */
  const char *encoding;               /* to the guest: encoding of the newest message; static, NULL if not compressed */
  uint32_t departed;                  /* to the guest: number of messages that have left the outbox */
  size_t room;             /* bytes of a large message; to the owner: asks for room; to the guest: grants it */
  bool begun;              /* to the guest: the first batch of the call */
  bool ended;              /* to the guest: no messages follow */
  bool cancelled;          /* to the guest: cancelled with `status` */
  bool wanted;             /* to the owner: asks for the next message */
  bool headers;            /* to the owner: headers are complete */
  bool finished;           /* to the owner: finished with `status`; afterwards the guest does not touch the call */
  bool with_last;          /* to the owner: the last message is sent together with the status */
  struct mw_status status; /* its bytes live as long as the remote call */
};

/* A channel: one direction of a remote call. */
struct mw_http_lane {
  struct mw_http_seat *to;
  atomic_uint *refs;           /* references of the remote call: a pending batch holds one, a delivered batch too */
  struct mw_http_parcel draft; /* the pending batch, on the sender's thread */
  struct mw_list drafted;      /* in the sender's seat->drafts */
  struct mw_http_parcel sent;  /* the delivered batch; guarded by to->lock */
  struct mw_list arrived;      /* in to->box or to->taken; guarded by to->lock */
  /* Handles a batch on the receiver's thread. Takes its messages and the inbox's reference. */
  void (*take)(struct mw_http_lane *lane, struct mw_http_parcel *parcel);
  /* Runs on the sender's thread if the receiver is closed. Takes the pending batch's reference. */
  void (*fail)(struct mw_http_lane *lane);
};

struct mw_http_seat {
  pthread_mutex_t lock;          /* guards the members up to `post` */
  struct mw_http_engine *engine; /* its user, opaque here; NULL for a free slot */
  struct mw_loop *loop;          /* of the engine */
  struct mw_list box;            /* struct mw_http_lane.arrived */
  struct mw_list taken;          /* the same: lanes to handle in this turn of the loop */
  bool posted;
  struct mw_post post;
  struct mw_list drafts; /* struct mw_http_lane.drafted: batches to send; on its own thread */
  atomic_bool waiting;   /* its thread is idle */
  atomic_size_t guests;  /* number of other engines' calls that run here */
};

struct mw_engine_team {
  unsigned size;
  struct mw_http_seat seats[];
};

struct mw_engine_team *mw_http_team_new(unsigned size);
void mw_http_team_free(struct mw_engine_team *team);

/* Gives the engine a free slot. From then on other engines may run calls there. Returns NULL if there is none. */
struct mw_http_seat *mw_http_team_join(struct mw_engine_team *team, struct mw_http_engine *engine,
                                       struct mw_loop *loop);

/* Handles the rest of the inbox, sends the pending batches, and frees the slot: sending to it fails from then on. */
void mw_http_team_leave(struct mw_http_seat *seat);

/* Chooses a slot to run a call, other than `self`: the one with the fewest guests of those that are idle or have guests
 * already. Returns NULL if none has fewer than `below`. */
struct mw_http_seat *mw_http_team_choose(struct mw_engine_team *team, const struct mw_http_seat *self, size_t below);

void mw_http_lane_init(struct mw_http_lane *lane, struct mw_http_seat *to, atomic_uint *refs,
                       void (*take)(struct mw_http_lane *lane, struct mw_http_parcel *parcel),
                       void (*fail)(struct mw_http_lane *lane));

/* Frees batches that were not handled. Neither side uses the lane any more. */
void mw_http_lane_fini(struct mw_http_lane *lane);

/* Returns the pending batch, which the sender's next mw_http_team_send() sends. */
struct mw_http_parcel *mw_http_lane_draft(struct mw_http_lane *lane, struct mw_http_seat *sender);

/* Adds a message to a parcel; takes the message. */
void mw_http_parcel_add(struct mw_http_parcel *parcel, struct mw_http_block *message);

/* Removes the oldest message. Returns owned, NULL if there is none. */
struct mw_http_block *mw_http_parcel_shift(struct mw_http_parcel *parcel);

/* Frees the messages and clears the parcel. */
void mw_http_parcel_empty(struct mw_http_parcel *parcel);

/* Sends all pending batches of the slot. */
void mw_http_team_send(struct mw_http_seat *sender);

#endif
