/* One mutexed queue and one wake-up are the only door into the loop from other threads; see loop.h.
 *
 * A timer belongs to exactly one of the lists free_timers and live_timers from its first start to the loop's end. Its
 * due time is computed from the monotonic clock itself, not from the loop's cached time, which may be old: an engine
 * that embeds the loop runs it rarely. */
#include "loop/loop.h"

#include <stdlib.h>

#include "base/clock.h"

struct mw_timer {
  uv_timer_t uv;
  struct mw_list link;
  struct mw_loop *loop;
  void (*fire)(void *arg);
  void *arg;
};

static void on_async(uv_async_t *async) { mw_loop_run_posts(MW_CONTAINER(async, struct mw_loop, async)); }

static void wake_by_async(void *arg) {
  struct mw_loop *loop = arg;
  uv_async_send(&loop->async);
}

int mw_loop_init(struct mw_loop *loop, struct mw_err *err) {
  int status = uv_loop_init(&loop->uv);
  if (status == 0) {
    status = uv_async_init(&loop->uv, &loop->async, on_async);
    if (status != 0) uv_loop_close(&loop->uv);
  }
  if (status != 0) {
    int code = status == UV_ENOMEM ? MW_ENOMEM : MW_EIO;
    return mw_err_set(err, code, "cannot make an event loop: %s", uv_strerror(status));
  }
  pthread_mutex_init(&loop->lock, NULL);
  mw_list_init(&loop->posts);
  loop->woken = false;
  mw_loop_set_wake(loop, NULL, NULL);
  mw_list_init(&loop->free_timers);
  mw_list_init(&loop->live_timers);
  return 0;
}

/* ---- posts ---- */

void mw_loop_set_wake(struct mw_loop *loop, void (*wake)(void *arg), void *arg) {
  pthread_mutex_lock(&loop->lock);
  loop->wake = wake ? wake : wake_by_async;
  loop->wake_arg = wake ? arg : loop;
  if (loop->woken) loop->wake(loop->wake_arg); /* the old way's wake may not be heard any more */
  pthread_mutex_unlock(&loop->lock);
}

void mw_loop_post(struct mw_loop *loop, struct mw_post *post) {
  pthread_mutex_lock(&loop->lock);
  mw_list_push(&loop->posts, &post->link);
  bool wake = !loop->woken;
  loop->woken = true;
  if (wake) loop->wake(loop->wake_arg); /* under the lock: see mw_loop_set_wake() */
  pthread_mutex_unlock(&loop->lock);
}

void mw_loop_unpost(struct mw_loop *loop, struct mw_post *post) {
  pthread_mutex_lock(&loop->lock);
  mw_list_remove(&post->link); /* from the queue, or from those that this thread has taken */
  pthread_mutex_unlock(&loop->lock);
}

/* Moves all queued posts to `taken`. From now on the next post wakes the loop again. */
static void take_posts(struct mw_loop *loop, struct mw_list *taken) {
  mw_list_init(taken);
  pthread_mutex_lock(&loop->lock);
  if (!mw_list_empty(&loop->posts)) {
    taken->next = loop->posts.next;
    taken->prev = loop->posts.prev;
    taken->next->prev = taken->prev->next = taken;
    mw_list_init(&loop->posts);
  }
  loop->woken = false;
  pthread_mutex_unlock(&loop->lock);
}

void mw_loop_run_posts(struct mw_loop *loop) {
  struct mw_list taken, *node;
  take_posts(loop, &taken);
  while ((node = mw_list_shift(&taken))) {
    struct mw_post *post = MW_CONTAINER(node, struct mw_post, link);
    post->run(post);
  }
}

static bool has_posts(struct mw_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  bool has = !mw_list_empty(&loop->posts);
  pthread_mutex_unlock(&loop->lock);
  return has;
}

static void run_all_posts(struct mw_loop *loop) {
  while (has_posts(loop)) mw_loop_run_posts(loop);
}

/* ---- timers ---- */

static void retire(struct mw_timer *timer) {
  mw_list_remove(&timer->link);
  mw_list_push(&timer->loop->free_timers, &timer->link);
}

static void on_timer(uv_timer_t *uv) {
  struct mw_timer *timer = MW_CONTAINER(uv, struct mw_timer, uv);
  retire(timer); /* before it fires: what fires may start a timer, and that may be this one again */
  timer->fire(timer->arg);
}

static struct mw_timer *timer_new(struct mw_loop *loop) {
  struct mw_list *node = mw_list_shift(&loop->free_timers);
  if (node) return MW_CONTAINER(node, struct mw_timer, link);
  struct mw_timer *timer = calloc(1, sizeof *timer);
  if (!timer) return NULL;
  uv_timer_init(&loop->uv, &timer->uv);
  mw_list_init(&timer->link);
  timer->loop = loop;
  return timer;
}

/* Milliseconds from the loop's cached time to the first whole millisecond that is not before now + delay. */
static uint64_t timeout_ms(struct mw_loop *loop, int64_t delay_ns) {
  if (delay_ns <= 0) return 0;
  int64_t now = mw_clock_mono();
  int64_t due = delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns;
  uint64_t due_ms = (uint64_t)(due / MW_NS_PER_MS) + (due % MW_NS_PER_MS != 0);
  uint64_t cached_ms = uv_now(&loop->uv);
  return due_ms > cached_ms ? due_ms - cached_ms : 0;
}

struct mw_timer *mw_timer_start(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg) {
  struct mw_timer *timer = timer_new(loop);
  if (!timer) return NULL;
  timer->fire = fire;
  timer->arg = arg;
  uv_timer_start(&timer->uv, on_timer, timeout_ms(loop, delay_ns), 0);
  mw_list_push(&loop->live_timers, &timer->link);
  return timer;
}

void mw_timer_stop(struct mw_timer *timer) {
  if (!timer) return;
  uv_timer_stop(&timer->uv);
  retire(timer);
}

/* ---- the end ---- */

static void free_timer(uv_handle_t *handle) { free(MW_CONTAINER(handle, struct mw_timer, uv)); }

static void close_timers(struct mw_list *timers) {
  struct mw_list *node;
  while ((node = mw_list_shift(timers))) {
    uv_close((uv_handle_t *)&MW_CONTAINER(node, struct mw_timer, link)->uv, free_timer);
  }
}

static void close_handle(uv_handle_t *handle, void *arg) {
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void wake_nobody(void *arg) {}

void mw_loop_fini(struct mw_loop *loop) {
  mw_loop_set_wake(loop, wake_nobody, NULL); /* from here on this thread looks for posts itself */
  do {
    run_all_posts(loop);
    close_timers(&loop->live_timers);
    close_timers(&loop->free_timers);
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
  } while (has_posts(loop) || uv_loop_close(&loop->uv) == UV_EBUSY);
  pthread_mutex_destroy(&loop->lock);
}
