#include "engine/http/sharing/worker_pool.h"

#include <stdlib.h>

#include "base/clock.h"

enum { SEND_EVERY_NS = 200 * 1000 };

/* ---- batches ---- */

void mw_http_events_add(struct mw_http_events *events, struct mw_http_block *message) {
  message->next = NULL;
  if (events->last) {
    events->last->next = message;
  } else {
    events->first = message;
  }
  events->last = message;
}

struct mw_http_block *mw_http_events_shift(struct mw_http_events *events) {
  struct mw_http_block *message = events->first;
  if (!message) return NULL;
  events->first = message->next;
  if (!events->first) events->last = NULL;
  message->next = NULL;
  return message;
}

void mw_http_events_clear(struct mw_http_events *events) {
  struct mw_http_block *message;
  while ((message = mw_http_events_shift(events))) mw_http_block_free(message);
  *events = (struct mw_http_events){0};
}

/* Moves the events of `from` to the end of `to`. */
static void merge(struct mw_http_events *to, struct mw_http_events *from) {
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
  to->sent += from->sent;
  to->begun |= from->begun;
  to->ended |= from->ended;
  to->cancelled |= from->cancelled;
  to->wanted |= from->wanted;
  to->headers |= from->headers;
  to->finished |= from->finished;
  to->with_last |= from->with_last;
  *from = (struct mw_http_events){0};
}

/* ---- channels ---- */

void mw_http_channel_init(struct mw_http_channel *channel, struct mw_http_slot *to, atomic_uint *refs,
                          void (*take)(struct mw_http_channel *channel, struct mw_http_events *events),
                          void (*fail)(struct mw_http_channel *channel)) {
  *channel = (struct mw_http_channel){.to = to, .refs = refs, .take = take, .fail = fail};
  mw_list_init(&channel->pending_link);
  mw_list_init(&channel->inbox_link);
}

void mw_http_channel_fini(struct mw_http_channel *channel) {
  mw_http_events_clear(&channel->pending);
  mw_http_events_clear(&channel->delivered);
}

struct mw_http_events *mw_http_channel_pending(struct mw_http_channel *channel, struct mw_http_slot *sender) {
  if (mw_list_empty(&channel->pending_link)) {
    mw_list_push(&sender->unsent, &channel->pending_link);
    atomic_fetch_add_explicit(channel->refs, 1, memory_order_relaxed);
  }
  return &channel->pending;
}

/* Delivers the pending batch. The inbox takes over its reference, or holds one already: then this drops one, which is
 * never the last. */
static void put(struct mw_http_channel *channel) {
  struct mw_http_slot *slot = channel->to;
  pthread_mutex_lock(&slot->lock);
  bool open = slot->engine != NULL;
  if (open) {
    merge(&channel->delivered, &channel->pending);
    if (mw_list_empty(&channel->inbox_link)) {
      mw_list_push(&slot->inbox, &channel->inbox_link);
    } else {
      atomic_fetch_sub(channel->refs, 1);
    }
    if (!slot->posted) mw_loop_post(slot->loop, &slot->post);
    slot->posted = true;
  }
  pthread_mutex_unlock(&slot->lock);
  if (open) return;
  mw_http_events_clear(&channel->pending);
  channel->fail(channel);
}

void mw_http_worker_pool_send(struct mw_http_slot *sender) {
  struct mw_list *node;
  while ((node = mw_list_shift(&sender->unsent))) put(MW_CONTAINER(node, struct mw_http_channel, pending_link));
}

/* ---- slots ---- */

/* Limits this turn to the batches that are in the inbox now, so that the loop also serves its own connections. */
static void open_inbox(struct mw_http_slot *slot) {
  pthread_mutex_lock(&slot->lock);
  mw_list_splice(&slot->current, &slot->inbox);
  slot->posted = false;
  pthread_mutex_unlock(&slot->lock);
}

/* Takes the oldest channel of this turn and its batch. Returns NULL after the last. */
static struct mw_http_channel *next(struct mw_http_slot *slot, struct mw_http_events *events) {
  struct mw_http_channel *channel = NULL;
  pthread_mutex_lock(&slot->lock);
  struct mw_list *node = mw_list_shift(&slot->current);
  if (node) {
    channel = MW_CONTAINER(node, struct mw_http_channel, inbox_link);
    *events = channel->delivered;
    channel->delivered = (struct mw_http_events){0};
  }
  pthread_mutex_unlock(&slot->lock);
  return channel;
}

/* Handles the inbox. Sends the results every SEND_EVERY_NS instead of at the end. */
static void take_all(struct mw_http_slot *slot) {
  struct mw_http_events events;
  struct mw_http_channel *channel;
  int64_t sent = mw_clock_mono();
  open_inbox(slot);
  while ((channel = next(slot, &events))) {
    channel->take(channel, &events);
    int64_t now = mw_clock_mono();
    if (now - sent < SEND_EVERY_NS) continue;
    mw_http_worker_pool_send(slot);
    sent = now;
  }
}

static void on_post(struct mw_post *post) {
  struct mw_http_slot *slot = MW_CONTAINER(post, struct mw_http_slot, post);
  if (!slot->engine) return; /* only this thread changes that */
  atomic_store_explicit(&slot->waiting, false, memory_order_relaxed);
  take_all(slot);
}

struct mw_engine_team *mw_http_worker_pool_new(unsigned size) {
  struct mw_engine_team *team = calloc(1, sizeof *team + size * sizeof *team->slots);
  if (!team) return NULL;
  team->size = size;
  for (unsigned i = 0; i < size; i++) {
    struct mw_http_slot *slot = &team->slots[i];
    pthread_mutex_init(&slot->lock, NULL);
    mw_list_init(&slot->inbox);
    mw_list_init(&slot->current);
    mw_list_init(&slot->unsent);
    slot->post.run = on_post;
  }
  return team;
}

void mw_http_worker_pool_free(struct mw_engine_team *team) {
  if (!team) return;
  for (unsigned i = 0; i < team->size; i++) pthread_mutex_destroy(&team->slots[i].lock);
  free(team);
}

/* Returns true if the slot was free. */
static bool take_slot(struct mw_http_slot *slot, struct mw_http_engine *engine, struct mw_loop *loop) {
  pthread_mutex_lock(&slot->lock);
  bool is_free = !slot->engine;
  if (is_free) {
    slot->engine = engine;
    slot->loop = loop;
  }
  pthread_mutex_unlock(&slot->lock);
  return is_free;
}

struct mw_http_slot *mw_http_worker_pool_join(struct mw_engine_team *team, struct mw_http_engine *engine,
                                              struct mw_loop *loop) {
  for (unsigned i = 0; i < team->size; i++) {
    if (take_slot(&team->slots[i], engine, loop)) return &team->slots[i];
  }
  return NULL;
}

/* Frees the slot if the inbox is empty. Returns true if it did. */
static bool close_inbox(struct mw_http_slot *slot) {
  pthread_mutex_lock(&slot->lock);
  bool closed = mw_list_empty(&slot->inbox);
  if (closed) slot->engine = NULL;
  pthread_mutex_unlock(&slot->lock);
  return closed;
}

void mw_http_worker_pool_leave(struct mw_http_slot *slot) {
  atomic_store(&slot->waiting, false);
  do take_all(slot);
  while (!close_inbox(slot));
  mw_http_worker_pool_send(slot);
}

struct mw_http_slot *mw_http_worker_pool_choose(struct mw_engine_team *team, const struct mw_http_slot *self,
                                                size_t below) {
  struct mw_http_slot *best = NULL;
  for (unsigned i = 0; i < team->size; i++) {
    struct mw_http_slot *slot = &team->slots[i];
    if (slot == self) continue;
    size_t remote_calls = atomic_load_explicit(&slot->remote_calls, memory_order_relaxed);
    if (remote_calls >= below) continue;
    if (remote_calls == 0 && !atomic_load_explicit(&slot->waiting, memory_order_relaxed)) continue;
    best = slot;
    below = remote_calls;
  }
  return best;
}
