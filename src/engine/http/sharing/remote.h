/* A call that arrived on one worker, the owner, and runs on another, the guest. So one connection can use more than one
 * processor.
 *
 * The owner has the stream, as for any call; its handler forwards all events to the guest (remote_owner.c). The guest
 * has a `struct mw_call` whose engine operations forward everything to the owner (remote_guest.c). Two lanes
 * (worker_pool.h), one in each direction, keep the order of the events.
 *
 *   struct mw_http_call (owner's) <---to_owner--- struct mw_http_remote ---to_guest---> mw_call, dispatch, handler
 *
 * The request's metadata moves to the guest with its arena. Messages move by pointer. Headers and trailers belong to
 * the guest; the owner reads them after the event that completes them. References: the owner's call holds one until it
 * is over, the guest until its handler has finished, and every batch under way. */
#ifndef MW_ENGINE_HTTP_SHARING_REMOTE_H
#define MW_ENGINE_HTTP_SHARING_REMOTE_H

#include "engine/http/conn/call.h"
#include "engine/http/sharing/worker_pool.h"

struct mw_http_remote {
  atomic_uint refs;
  struct mw_http_lane to_guest, to_owner;

  /* The owner's. */
  struct mw_http_call *home; /* NULL once the call is over */
  uint64_t reported;         /* sent messages that are reported to the guest */
  size_t room_wanted;        /* bytes of the guest's message that waits for room; 0 for none */
  char verdict[256];         /* message of the cancel status; the guest reads it after that event */

  /* The guest's. */
  struct mw_call call;
  struct mw_http_engine *at;     /* the engine that runs the call */
  struct mw_list link;           /* in at->guests */
  struct mw_run_item item;       /* in at->turn.guests */
  struct mw_http_block *arrived; /* owned; not delivered yet */
  const char *encoding;          /* of `arrived` */
  bool no_more;                  /* the request ends after `arrived` */
  bool wanted;                   /* the handler waits for a message or the end */
  bool asked;                    /* a request for the next message is on its way to the owner */
  bool begun;                    /* passed to the dispatch */
  bool running;                  /* its item runs */
  bool room_asked;               /* a request for room is on its way to the owner */
  size_t room;                   /* bytes that the owner has reserved for the next message */
  struct mw_http_block *reserved;
  char peer[MW_PEER_MAX];
};

/* ---- remote.c ---- */

void mw_http_remote_unref(struct mw_http_remote *remote);

/* ---- remote_owner.c: the owner's side ---- */

/* Initialises the engine's members for work sharing. Its dispatch must be set. */
void mw_http_remote_init(struct mw_http_engine *engine);

/* Turns work sharing on, if the team has a free slot. */
void mw_http_remote_join(struct mw_http_engine *engine, struct mw_engine_team *team);

/* Turns it off; no effect if it is not on. */
void mw_http_remote_leave(struct mw_http_engine *engine);

/* `fail` of to_guest: the guest's engine is closed. */
void mw_http_remote_owner_fail(struct mw_http_lane *lane);

/* `take` of to_owner: handles a batch of the guest. */
void mw_http_remote_owner_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel);

/* ---- remote_guest.c: the guest's side ---- */

/* `take` of to_guest: handles a batch of the owner. */
void mw_http_remote_guest_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel);

/* `fail` of to_owner: the owner's engine is closed. */
void mw_http_remote_guest_fail(struct mw_http_lane *lane);

/* Begins the call, or delivers messages or the end to its handler. */
void mw_http_remote_run(struct mw_run_item *item);

/* The engine closes: ends the calls of other engines that run here. */
void mw_http_remote_guests_close(struct mw_http_engine *engine);

#endif
