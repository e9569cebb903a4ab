#include "engine/http/sharing/worker_pool.h"

#include <stdlib.h>

#include "base/clock.h"

enum { SEND_EVERY_NS = 200 * 1000 };

/* ---- parcels ---- */

void mw_http_parcel_add(struct mw_http_parcel *parcel, struct mw_http_block *message) {
  message->next = NULL;
  if (parcel->last) {
    parcel->last->next = message;
  } else {
    parcel->first = message;
  }
  parcel->last = message;
}

struct mw_http_block *mw_http_parcel_shift(struct mw_http_parcel *parcel) {
  struct mw_http_block *message = parcel->first;
  if (!message) return NULL;
  parcel->first = message->next;
  if (!parcel->first) parcel->last = NULL;
  message->next = NULL;
  return message;
}

void mw_http_parcel_empty(struct mw_http_parcel *parcel) {
  struct mw_http_block *message;
  while ((message = mw_http_parcel_shift(parcel))) mw_http_block_free(message);
  *parcel = (struct mw_http_parcel){0};
}

/* Moves the events of `from` to the end of `to`. */
static void merge(struct mw_http_parcel *to, struct mw_http_parcel *from) {
  if (from->first && to->last) {
    to->last->next = from->first;
    to->last = from->last;
  } else if (from->first) {
    to->first = from->first;
    to->last = from->last;
  }
  if (from->first) to->encoding = from->encoding;
  if (from->cancelled || from->finished) to->status = from->status;
  if (from->room > 0) to->room = from->room;
  to->departed += from->departed;
  to->begun |= from->begun;
  to->ended |= from->ended;
  to->cancelled |= from->cancelled;
  to->wanted |= from->wanted;
  to->headers |= from->headers;
  to->finished |= from->finished;
  to->with_last |= from->with_last;
  *from = (struct mw_http_parcel){0};
}

/* ---- lanes ---- */

void mw_http_lane_init(struct mw_http_lane *lane, struct mw_http_seat *to, atomic_uint *refs,
                       void (*take)(struct mw_http_lane *lane, struct mw_http_parcel *parcel),
                       void (*fail)(struct mw_http_lane *lane)) {
  *lane = (struct mw_http_lane){.to = to, .refs = refs, .take = take, .fail = fail};
  mw_list_init(&lane->drafted);
  mw_list_init(&lane->arrived);
}

void mw_http_lane_fini(struct mw_http_lane *lane) {
  mw_http_parcel_empty(&lane->draft);
  mw_http_parcel_empty(&lane->sent);
}

struct mw_http_parcel *mw_http_lane_draft(struct mw_http_lane *lane, struct mw_http_seat *sender) {
  if (mw_list_empty(&lane->drafted)) {
    mw_list_push(&sender->drafts, &lane->drafted);
    atomic_fetch_add_explicit(lane->refs, 1, memory_order_relaxed);
  }
  return &lane->draft;
}

/* Delivers the pending batch. The inbox takes over its reference, or holds one already: then this drops one, which is
 * never the last. */
static void put(struct mw_http_lane *lane) {
  struct mw_http_seat *seat = lane->to;
  pthread_mutex_lock(&seat->lock);
  bool open = seat->engine != NULL;
  if (open) {
    merge(&lane->sent, &lane->draft);
    if (mw_list_empty(&lane->arrived)) {
      mw_list_push(&seat->box, &lane->arrived);
    } else {
      atomic_fetch_sub(lane->refs, 1);
    }
    if (!seat->posted) mw_loop_post(seat->loop, &seat->post);
    seat->posted = true;
  }
  pthread_mutex_unlock(&seat->lock);
  if (open) return;
  mw_http_parcel_empty(&lane->draft);
  lane->fail(lane);
}

void mw_http_team_send(struct mw_http_seat *sender) {
  struct mw_list *node;
  while ((node = mw_list_shift(&sender->drafts))) put(MW_CONTAINER(node, struct mw_http_lane, drafted));
}

/* ---- seats ---- */

/* Limits this turn to the batches that are in the inbox now, so that the loop also serves its own connections. */
static void open_box(struct mw_http_seat *seat) {
  pthread_mutex_lock(&seat->lock);
  mw_list_splice(&seat->taken, &seat->box);
  seat->posted = false;
  pthread_mutex_unlock(&seat->lock);
}

/* Takes the oldest lane of this turn and its batch. Returns NULL after the last. */
static struct mw_http_lane *next(struct mw_http_seat *seat, struct mw_http_parcel *parcel) {
  struct mw_http_lane *lane = NULL;
  pthread_mutex_lock(&seat->lock);
  struct mw_list *node = mw_list_shift(&seat->taken);
  if (node) {
    lane = MW_CONTAINER(node, struct mw_http_lane, arrived);
    *parcel = lane->sent;
    lane->sent = (struct mw_http_parcel){0};
  }
  pthread_mutex_unlock(&seat->lock);
  return lane;
}

/* Handles the inbox. Sends the results every SEND_EVERY_NS instead of at the end. */
static void take_all(struct mw_http_seat *seat) {
  struct mw_http_parcel parcel;
  struct mw_http_lane *lane;
  int64_t sent = mw_clock_mono();
  open_box(seat);
  while ((lane = next(seat, &parcel))) {
    lane->take(lane, &parcel);
    int64_t now = mw_clock_mono();
    if (now - sent < SEND_EVERY_NS) continue;
    mw_http_team_send(seat);
    sent = now;
  }
}

static void on_post(struct mw_post *post) {
  struct mw_http_seat *seat = MW_CONTAINER(post, struct mw_http_seat, post);
  if (!seat->engine) return; /* only this thread changes that */
  atomic_store_explicit(&seat->waiting, false, memory_order_relaxed);
  take_all(seat);
}

struct mw_engine_team *mw_http_team_new(unsigned size) {
  struct mw_engine_team *team = calloc(1, sizeof *team + size * sizeof *team->seats);
  if (!team) return NULL;
  team->size = size;
  for (unsigned i = 0; i < size; i++) {
    struct mw_http_seat *seat = &team->seats[i];
    pthread_mutex_init(&seat->lock, NULL);
    mw_list_init(&seat->box);
    mw_list_init(&seat->taken);
    mw_list_init(&seat->drafts);
    seat->post.run = on_post;
  }
  return team;
}

void mw_http_team_free(struct mw_engine_team *team) {
  if (!team) return;
  for (unsigned i = 0; i < team->size; i++) pthread_mutex_destroy(&team->seats[i].lock);
  free(team);
}

/* Returns true if the slot was free. */
static bool take_seat(struct mw_http_seat *seat, struct mw_http_engine *engine, struct mw_loop *loop) {
  pthread_mutex_lock(&seat->lock);
  bool is_free = !seat->engine;
  if (is_free) {
    seat->engine = engine;
    seat->loop = loop;
  }
  pthread_mutex_unlock(&seat->lock);
  return is_free;
}

struct mw_http_seat *mw_http_team_join(struct mw_engine_team *team, struct mw_http_engine *engine,
                                       struct mw_loop *loop) {
  for (unsigned i = 0; i < team->size; i++) {
    if (take_seat(&team->seats[i], engine, loop)) return &team->seats[i];
  }
  return NULL;
}

/* Frees the slot if the inbox is empty. Returns true if it did. */
static bool close_box(struct mw_http_seat *seat) {
  pthread_mutex_lock(&seat->lock);
  bool closed = mw_list_empty(&seat->box);
  if (closed) seat->engine = NULL;
  pthread_mutex_unlock(&seat->lock);
  return closed;
}

void mw_http_team_leave(struct mw_http_seat *seat) {
  atomic_store(&seat->waiting, false);
  do take_all(seat);
  while (!close_box(seat));
  mw_http_team_send(seat);
}

struct mw_http_seat *mw_http_team_choose(struct mw_engine_team *team, const struct mw_http_seat *self, size_t below) {
  struct mw_http_seat *best = NULL;
  for (unsigned i = 0; i < team->size; i++) {
    struct mw_http_seat *seat = &team->seats[i];
    if (seat == self) continue;
    size_t guests = atomic_load_explicit(&seat->guests, memory_order_relaxed);
    if (guests >= below) continue;
    if (guests == 0 && !atomic_load_explicit(&seat->waiting, memory_order_relaxed)) continue;
    best = seat;
    below = guests;
  }
  return best;
}
