/* The engines of one server, and how they pass calls on to each other: a seat for each, with a box for what others
 * have put there.
 *
 * A remote call (remote.h) goes back and forth between two seats. What one side has for the other gathers in a parcel until the
 * sender has done what it had to do; then all of its parcels go over at once, and the other loop is woken once. A
 * parcel that is not yet taken grows when there is more. Each box has its lock; nothing else is shared. */
#ifndef MW_ENGINE_HTTP_TEAM_H
#define MW_ENGINE_HTTP_TEAM_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/http/outbox.h"
#include "loop/loop.h"
#include "rpc/engine.h"

struct mw_http_engine;

/* One side's news of a call for the other. */
struct mw_http_parcel {
  struct mw_http_message *first, *last; /* owned; in their order */
  const char *encoding;     /* to the guest: how the newest message was compressed; static, NULL for not at all */
  uint32_t departed;        /* to the guest: messages that have left */
  size_t room;              /* bytes of a large message: to the owner, the guest has one; to the guest, there is room for it */
  bool begun;               /* to the guest: this is the first */
  bool ended;               /* to the guest: no messages follow */
  bool cancelled;           /* to the guest, with `status` */
  bool wanted;              /* to the owner: the next message is */
  bool headers;             /* to the owner: they can go */
  bool finished;            /* to the owner, with `status`; after it the guest does not touch the call */
  bool with_last;           /* to the owner: the last message goes out with the status */
  struct mw_status status;  /* its bytes live as long as the remote call */
};

/* One direction of a remote call. */
struct mw_http_lane {
  struct mw_http_seat *to;
  atomic_uint *refs;           /* of the remote call: a draft has one, and so has what lies in a box */
  struct mw_http_parcel draft; /* the sender's own */
  struct mw_list drafted;      /* in the sender's engine->drafts */
  struct mw_http_parcel sent;  /* guarded by to->lock */
  struct mw_list arrived;      /* in to->box or to->taken, guarded likewise */
  /* Runs at the receiver, which owns the messages and the box's reference then. */
  void (*take)(struct mw_http_lane *lane, struct mw_http_parcel *parcel);
  /* Runs at the sender, which gets the draft's reference: there is no receiver any more. */
  void (*fail)(struct mw_http_lane *lane);
};

struct mw_http_seat {
  pthread_mutex_t lock; /* guards what follows, up to `post` */
  struct mw_http_engine *engine; /* NULL before it is opened, and once it is closed */
  struct mw_list box;   /* struct mw_http_lane.arrived */
  struct mw_list taken; /* the same: those that this turn of its loop takes */
  bool posted;
  struct mw_post post;
  atomic_bool waiting;  /* its thread waits for something to do */
  atomic_size_t guests; /* calls of others that it has */
};

struct mw_engine_team {
  unsigned size;
  struct mw_http_seat seats[];
};

struct mw_engine_team *mw_http_team_new(unsigned size);
void mw_http_team_free(struct mw_engine_team *team);

/* Takes a seat for the engine, whose loop is set, if one is free: when it waits, others may have calls run there. */
void mw_http_team_join(struct mw_engine_team *team, struct mw_http_engine *engine);

/* Takes what is in its box a last time, sends its drafts, and has sending to it fail from now on. */
void mw_http_team_leave(struct mw_http_engine *engine);

/* The seat with the fewest guests of those whose thread waits or works for others already; NULL when there is none with
 * fewer than `below`. */
struct mw_http_seat *mw_http_team_choose(struct mw_engine_team *team, const struct mw_http_seat *self, size_t below);

void mw_http_lane_init(struct mw_http_lane *lane, struct mw_http_seat *to, atomic_uint *refs,
                       void (*take)(struct mw_http_lane *lane, struct mw_http_parcel *parcel),
                       void (*fail)(struct mw_http_lane *lane));

/* Frees what never arrived. Both sides are done with it. */
void mw_http_lane_fini(struct mw_http_lane *lane);

/* The draft, which will be sent with the sender's next mw_http_team_send(). */
struct mw_http_parcel *mw_http_lane_draft(struct mw_http_lane *lane, struct mw_http_engine *sender);

/* Adds a message to a parcel, which owns it then. */
void mw_http_parcel_add(struct mw_http_parcel *parcel, struct mw_http_message *message);

/* The oldest message, now the caller's; NULL when there is none. */
struct mw_http_message *mw_http_parcel_shift(struct mw_http_parcel *parcel);

/* Frees its messages, and forgets the rest. */
void mw_http_parcel_empty(struct mw_http_parcel *parcel);

/* Sends every draft of the engine. */
void mw_http_team_send(struct mw_http_engine *sender);

#endif
