/* A call that came in on one worker, the owner, and runs on another, the guest's: so that one busy connection keeps
 * more than one processor busy.
 *
 * The owner has the stream, as for any call: for it the call's handler is one that sends everything on (remote_owner.c). The
 * guest has a `struct mw_call` like any other, whose engine sends everything back (remote_guest.c). Between them are two
 * lanes (team.h), so that each side keeps the order of what it says.
 *
 *   struct mw_http_call (owner's) <---to_owner--- struct mw_http_remote ---to_guest---> mw_call, dispatch, handler
 *
 * The request's metadata moves to the guest with its arena. Messages move by pointer. Headers and trailers are the
 * guest's; the owner reads them when it is told that they are complete. Whoever has a reference keeps it: the
 * owner's call until it is over, the guest until its handler has finished, and every lane that is under way. */
#ifndef MW_ENGINE_HTTP_REMOTE_H
#define MW_ENGINE_HTTP_REMOTE_H

#include "engine/http/call.h"
#include "engine/http/team.h"

struct mw_http_remote {
  atomic_uint refs;
  struct mw_http_lane to_guest, to_owner;

  /* The owner's. */
  struct mw_http_call *home; /* NULL once that is gone */
  uint64_t reported;         /* messages that the guest knows to have left */
  size_t room_wanted;        /* bytes of a message of the guest's that there is no room for; 0 for none */
  char verdict[256];         /* why the call was cancelled; the guest's to read when it is told */

  /* The guest's. */
  struct mw_call call;
  struct mw_http_engine *at; /* where it runs */
  struct mw_list link;       /* in at->guests */
  struct mw_run_item item;   /* in at->turn.guests */
  struct mw_http_message *arrived;  /* owned; not yet asked for */
  const char *encoding;      /* of that one */
  bool no_more;              /* nothing comes after it */
  bool wanted;               /* the handler waits */
  bool asked;                /* the owner was asked for the next message */
  bool begun;                /* the dispatch has had it */
  bool running;              /* its item runs */
  bool room_asked;           /* the owner was asked for room */
  size_t room;               /* bytes that the owner has kept free for the next message */
  struct mw_http_message *reserved;
  char peer[MW_PEER_MAX];
};

void mw_http_remote_unref(struct mw_http_remote *remote);

/* ---- remote_owner.c: the owner's side ---- */

/* Makes the engine's part of this empty; its dispatch is set. */
void mw_http_remote_init(struct mw_http_engine *engine);

/* A call that has just begun, judged to be fine: passes it on if this worker is busy and another is not. Returns whether
 * it did; the caller then goes on as if a handler had started. */
bool mw_http_remote_start(struct mw_http_call *call);

/* The owner's call is over, or abandoned: its reference goes. */
void mw_http_remote_end(struct mw_http_remote *remote);

/* Parcels of the guest; there is no guest any more. */
void mw_http_remote_owner_fail(struct mw_http_lane *lane);
void mw_http_remote_owner_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel);

/* ---- remote_guest.c: the guest's side ---- */

/* Parcels of the owner; there is no owner any more. */
void mw_http_remote_guest_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel);
void mw_http_remote_guest_fail(struct mw_http_lane *lane);

/* Begins the call, or gives the handler what it waits for. */
void mw_http_remote_run(struct mw_run_item *item);

/* The engine closes: its guests are sent home. */
void mw_http_remote_guests_close(struct mw_http_engine *engine);

#endif
