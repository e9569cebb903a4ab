/* Threads: the guest's thread uses only `queue` and the members under the lock; all others belong to the loop's thread.
 * Only the loop's thread reads tags. So operations start and complete on one thread, and need no lock. */
#include "engine/core/embedded.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { BATCH = 64, EVENTS_NS = 4 * MW_NS_PER_MS /* longest run of events within a turn of the loop */ };

struct event {
  struct mw_core_tag *tag;
  bool ok;
};

struct events {
  struct event items[BATCH];
  size_t n, ran;
};

struct mw_core_embedded {
  struct mw_core_queue *queue;
  struct mw_loop *loop;
  void (*flush)(void *arg);
  void *flush_arg;
  uv_idle_t asked; /* active while `flush` is scheduled */
  struct mw_post post;
  struct events running; /* on the loop's thread */
  pthread_t thread;

  pthread_mutex_t lock; /* guards the members below */
  pthread_cond_t changed;
  struct events ready; /* between the threads */
  bool posted;         /* `post` is on its way */
};

/* ---- the guest's thread ---- */

/* Waits for events and takes those that are available. Returns false once the queue is shut down. */
static bool take(struct mw_core_queue *queue, struct events *taken) {
  taken->n = taken->ran = 0;
  for (int64_t timeout = -1; taken->n < BATCH; timeout = 0) {
    grpc_event event = mw_core_queue_take(queue, timeout);
    if (event.type == GRPC_QUEUE_SHUTDOWN) return false;
    if (event.type == GRPC_QUEUE_TIMEOUT) break;
    taken->items[taken->n++] = (struct event){event.tag, event.success != 0};
  }
  return true;
}

static void hand_over(struct mw_core_embedded *guest, const struct events *taken) {
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
  struct mw_core_embedded *guest = arg;
  struct events taken;
  bool more;
  do {
    more = take(guest->queue, &taken);
    hand_over(guest, &taken);
  } while (more);
  return NULL;
}

/* ---- the loop's thread ---- */

static bool has_events(const struct mw_core_embedded *guest) { return guest->running.ran < guest->running.n; }

static void run_event(struct mw_core_embedded *guest) {
  struct event event = guest->running.items[guest->running.ran++];
  event.tag->done(event.tag, event.ok);
}

/* Moves `ready` to `running`, whose events have all run. The lock is held. */
static void take_ready(struct mw_core_embedded *guest) {
  struct events *running = &guest->running;
  running->ran = 0;
  running->n = guest->ready.n;
  memcpy(running->items, guest->ready.items, running->n * sizeof *running->items);
  guest->ready.n = 0;
  pthread_cond_broadcast(&guest->changed);
}

/* Posts again if events are left. */
static void post_again(struct mw_core_embedded *guest) {
  pthread_mutex_lock(&guest->lock);
  bool post = !guest->posted && (has_events(guest) || guest->ready.n > 0);
  if (post) mw_loop_post(guest->loop, &guest->post);
  guest->posted |= post;
  pthread_mutex_unlock(&guest->lock);
}

static void on_post(struct mw_post *post) {
  struct mw_core_embedded *guest = MW_CONTAINER(post, struct mw_core_embedded, post);
  int64_t until = mw_clock_real() + EVENTS_NS;
  pthread_mutex_lock(&guest->lock);
  guest->posted = false;
  if (!has_events(guest)) take_ready(guest);
  pthread_mutex_unlock(&guest->lock);
  while (has_events(guest)) {
    run_event(guest);
    if (mw_clock_real() >= until) break;
  }
  post_again(guest);
}

void mw_core_embedded_wait(struct mw_core_embedded *guest) {
  pthread_mutex_lock(&guest->lock);
  while (!has_events(guest) && guest->ready.n == 0) pthread_cond_wait(&guest->changed, &guest->lock);
  if (!has_events(guest)) take_ready(guest);
  pthread_mutex_unlock(&guest->lock);
  while (has_events(guest)) run_event(guest);
}

static void on_asked(uv_idle_t *asked) {
  struct mw_core_embedded *guest = MW_CONTAINER(asked, struct mw_core_embedded, asked);
  guest->flush(guest->flush_arg);
  uv_idle_stop(asked);
}

void mw_core_embedded_ask(struct mw_core_embedded *guest) { uv_idle_start(&guest->asked, on_asked); }

/* ---- opening and closing ---- */

static void destroy(struct mw_core_embedded *guest) {
  pthread_cond_destroy(&guest->changed);
  pthread_mutex_destroy(&guest->lock);
  free(guest);
}

static void on_closed(uv_handle_t *handle) {
  destroy(MW_CONTAINER((uv_idle_t *)handle, struct mw_core_embedded, asked));
}

int mw_core_embedded_new(struct mw_core_embedded **out, struct mw_core_queue *queue, struct mw_loop *loop,
                         void (*flush)(void *arg), void *arg, struct mw_err *err) {
  struct mw_core_embedded *guest = calloc(1, sizeof *guest);
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

void mw_core_embedded_free(struct mw_core_embedded *guest) {
  if (!guest) return;
  pthread_join(guest->thread, NULL);
  while (has_events(guest)) run_event(guest);
  assert(guest->ready.n == 0);
  if (guest->posted) mw_loop_unpost(guest->loop, &guest->post);
  uv_close((uv_handle_t *)&guest->asked, on_closed);
}
