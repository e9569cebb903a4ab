/* Of the guest's thread are `queue` and nothing else; under the lock are the events handed over and `posted`; the rest is
 * the loop's thread's. Tags are looked into by the loop's thread alone: whoever started an operation also sees its end,
 * without a lock. */
#include "engine/core/guest.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 };

struct event {
  struct mw_core_tag *tag;
  bool ok;
};

struct events {
  struct event items[BATCH];
  size_t n;
};

struct mw_core_guest {
  struct mw_core_queue *queue;
  struct mw_loop *loop;
  void (*flush)(void *arg);
  void *flush_arg;
  uv_idle_t asked; /* active while `flush` is asked for */
  struct mw_post post;
  pthread_t thread;

  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t changed;
  struct events ready; /* taken off the queue, not yet by the loop */
  bool posted;         /* `post` is on its way */
};

/* ---- the guest's thread ---- */

/* Waits for events and takes those that are there. Returns whether any will come after them. */
static bool take(struct mw_core_queue *queue, struct events *taken) {
  taken->n = 0;
  for (int64_t timeout = -1; taken->n < BATCH; timeout = 0) {
    grpc_event event = mw_core_queue_take(queue, timeout);
    if (event.type == GRPC_QUEUE_SHUTDOWN) return false;
    if (event.type == GRPC_QUEUE_TIMEOUT) break;
    taken->items[taken->n++] = (struct event){event.tag, event.success != 0};
  }
  return true;
}

static void hand_over(struct mw_core_guest *guest, const struct events *taken) {
  struct events *ready = &guest->ready;
  pthread_mutex_lock(&guest->lock);
  for (size_t i = 0; i < taken->n; i++) {
    while (ready->n == BATCH) pthread_cond_wait(&guest->changed, &guest->lock);
    ready->items[ready->n++] = taken->items[i];
    if (guest->posted) continue;
    guest->posted = true;
    mw_loop_post(guest->loop, &guest->post);
  }
  pthread_cond_broadcast(&guest->changed);
  pthread_mutex_unlock(&guest->lock);
}

static void *serve(void *arg) {
  struct mw_core_guest *guest = arg;
  struct events taken;
  bool more;
  do {
    more = take(guest->queue, &taken);
    hand_over(guest, &taken);
  } while (more);
  return NULL;
}

/* ---- the loop's thread ---- */

static void run(const struct events *events) {
  for (size_t i = 0; i < events->n; i++) events->items[i].tag->done(events->items[i].tag, events->items[i].ok);
}

/* The lock is held. */
static void take_ready(struct mw_core_guest *guest, struct events *taken) {
  taken->n = guest->ready.n;
  memcpy(taken->items, guest->ready.items, taken->n * sizeof *taken->items);
  guest->ready.n = 0;
  pthread_cond_broadcast(&guest->changed);
}

static void on_post(struct mw_post *post) {
  struct mw_core_guest *guest = MW_CONTAINER(post, struct mw_core_guest, post);
  struct events taken;
  pthread_mutex_lock(&guest->lock);
  guest->posted = false;
  take_ready(guest, &taken);
  pthread_mutex_unlock(&guest->lock);
  run(&taken);
}

void mw_core_guest_wait(struct mw_core_guest *guest) {
  struct events taken;
  pthread_mutex_lock(&guest->lock);
  while (guest->ready.n == 0) pthread_cond_wait(&guest->changed, &guest->lock);
  take_ready(guest, &taken);
  pthread_mutex_unlock(&guest->lock);
  run(&taken);
}

static void on_asked(uv_idle_t *asked) {
  struct mw_core_guest *guest = MW_CONTAINER(asked, struct mw_core_guest, asked);
  guest->flush(guest->flush_arg);
  uv_idle_stop(asked);
}

void mw_core_guest_ask(struct mw_core_guest *guest) { uv_idle_start(&guest->asked, on_asked); }

/* ---- opening and closing ---- */

static void destroy(struct mw_core_guest *guest) {
  pthread_cond_destroy(&guest->changed);
  pthread_mutex_destroy(&guest->lock);
  free(guest);
}

static void on_closed(uv_handle_t *handle) {
  destroy(MW_CONTAINER((uv_idle_t *)handle, struct mw_core_guest, asked));
}

int mw_core_guest_new(struct mw_core_guest **out, struct mw_core_queue *queue, struct mw_loop *loop,
                      void (*flush)(void *arg), void *arg, struct mw_err *err) {
  struct mw_core_guest *guest = calloc(1, sizeof *guest);
  if (!guest) return mw_err_set(err, MW_ENOMEM, "out of memory");
  guest->queue = queue;
  guest->loop = loop;
  guest->flush = flush;
  guest->flush_arg = arg;
  guest->post.run = on_post;
  pthread_mutex_init(&guest->lock, NULL);
  pthread_cond_init(&guest->changed, NULL);
  int error = pthread_create(&guest->thread, NULL, serve, guest);
  if (error != 0) {
    destroy(guest);
    return mw_err_set(err, MW_EIO, "cannot start a thread: %s", strerror(error));
  }
  uv_idle_init(&loop->uv, &guest->asked);
  *out = guest;
  return 0;
}

void mw_core_guest_free(struct mw_core_guest *guest) {
  if (!guest) return;
  pthread_join(guest->thread, NULL);
  assert(guest->ready.n == 0);
  if (guest->posted) mw_loop_unpost(guest->loop, &guest->post);
  uv_close((uv_handle_t *)&guest->asked, on_closed);
}
