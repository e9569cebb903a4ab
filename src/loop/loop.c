/* A mutexed queue and one wake-up are the only way into the loop from other threads; see loop.h.
 *
 * A timer is in exactly one of the lists free_timers, live_timers and due_timers from its first start to the end of
 * the loop. Its due time is computed from the monotonic clock, not from the loop's cached time, which may be old: an
 * engine that embeds the loop runs it rarely. Held timers stay in live_timers but are stopped in libuv. Timers in
 * due_timers are not started in libuv either: libuv would fire a timer restarted by a callback in the same turn,
 * which might then never end. */
#include "loop/loop.h"

#include <stdlib.h>

#include "base/clock.h"

struct mw_timer {
  uv_timer_t uv;
  struct mw_list link;
  struct mw_loop *loop;
  int64_t due; /* mw_clock_mono() time; mw_clock_real() if `real` */
  bool real;
  void (*fire)(void *arg);
  void *arg;
};

static void fire_due(uv_idle_t *idle);

static void on_async(uv_async_t *async) { mw_loop_run_posts_bounded(MW_CONTAINER(async, struct mw_loop, async)); }

static void wake_by_async(void *arg) {
  struct mw_loop *loop = arg;
  uv_async_send(&loop->async);
}

int mw_loop_init(struct mw_loop *loop, struct mw_err *err) {
  int status = uv_loop_init(&loop->uv);
  if (status == 0) {
    status = uv_async_init(&loop->uv, &loop->async, on_async);
    if (status != 0) uv_loop_close(&loop->uv);
    else uv_idle_init(&loop->uv, &loop->next_turn);
  }
  if (status != 0) {
    int code = status == UV_ENOMEM ? MW_ENOMEM : MW_EIO;
    return mw_err_set(err, code, "cannot make an event loop: %s", uv_strerror(status));
  }
  pthread_mutex_init(&loop->lock, NULL);
  mw_list_init(&loop->posts);
  mw_list_init(&loop->taken);
  loop->woken = false;
  mw_loop_set_wake(loop, NULL, NULL);
  mw_list_init(&loop->free_timers);
  mw_list_init(&loop->live_timers);
  mw_list_init(&loop->due_timers);
  loop->firing = 0;
  loop->fired_since = 0;
  loop->held = false;
  return 0;
}

/* ---- posts ---- */

void mw_loop_set_wake(struct mw_loop *loop, void (*wake)(void *arg), void *arg) {
  pthread_mutex_lock(&loop->lock);
  loop->wake = wake ? wake : wake_by_async;
  loop->wake_arg = wake ? arg : loop;
  if (loop->woken) loop->wake(loop->wake_arg); /* a wake through the old function may be lost */
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
  mw_list_remove(&post->link); /* from the queue or from `taken` */
  pthread_mutex_unlock(&loop->lock);
}

/* Moves all queued posts to the end of `taken`. The next post then wakes the loop again. */
static void take_posts(struct mw_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  mw_list_splice(&loop->taken, &loop->posts);
  loop->woken = false;
  pthread_mutex_unlock(&loop->lock);
}

/* Runs the oldest post of `taken`. Returns false if there is none. */
static bool run_post(struct mw_loop *loop) {
  struct mw_list *node = mw_list_shift(&loop->taken);
  if (!node) return false;
  struct mw_post *post = MW_CONTAINER(node, struct mw_post, link);
  post->run(post);
  return true;
}

void mw_loop_run_posts(struct mw_loop *loop) {
  take_posts(loop);
  while (run_post(loop)) continue;
}

static void wake(struct mw_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  if (!loop->woken) loop->wake(loop->wake_arg);
  loop->woken = true;
  pthread_mutex_unlock(&loop->lock);
}

void mw_loop_run_posts_bounded(struct mw_loop *loop) {
  int64_t until = mw_clock_real() + MW_LOOP_TURN_NS;
  take_posts(loop);
  while (run_post(loop) && mw_clock_real() < until) continue;
  if (!mw_list_empty(&loop->taken)) wake(loop);
}

bool mw_loop_has_posts(struct mw_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  bool has = !mw_list_empty(&loop->posts) || !mw_list_empty(&loop->taken);
  pthread_mutex_unlock(&loop->lock);
  return has;
}

static void run_all_posts(struct mw_loop *loop) {
  while (mw_loop_has_posts(loop)) mw_loop_run_posts(loop);
}

/* ---- timers ---- */

static void retire(struct mw_timer *timer) {
  mw_list_remove(&timer->link);
  mw_list_push(&timer->loop->free_timers, &timer->link);
}

static void fire(struct mw_timer *timer) {
  retire(timer); /* before the callback, which may start a timer and so reuse this one */
  timer->fire(timer->arg);
}

static struct mw_timer *timer_at(struct mw_list *node) { return MW_CONTAINER(node, struct mw_timer, link); }

/* True once timers have fired for MW_LOOP_TURN_NS in this turn. uv_now() is the same throughout a turn. */
static bool is_over(struct mw_loop *loop) {
  if (loop->firing != uv_now(&loop->uv)) {
    loop->firing = uv_now(&loop->uv);
    loop->fired_since = mw_clock_real();
    return false;
  }
  return mw_clock_real() - loop->fired_since > MW_LOOP_TURN_NS;
}

static void wait_for_next_turn(struct mw_timer *timer) {
  mw_list_push(&timer->loop->due_timers, &timer->link);
  uv_idle_start(&timer->loop->next_turn, fire_due);
}

/* Once due_timers is not empty, every later timer joins it, which keeps the order. */
static void on_timer(uv_timer_t *uv) {
  struct mw_timer *timer = MW_CONTAINER(uv, struct mw_timer, uv);
  if (mw_list_empty(&timer->loop->due_timers) && !is_over(timer->loop)) {
    fire(timer);
  } else {
    mw_list_remove(&timer->link);
    wait_for_next_turn(timer);
  }
}

/* Fires the timers due now, as many as the turn has time for. Timers that they start are for the next turn. */
static void fire_due(uv_idle_t *idle) {
  struct mw_loop *loop = MW_CONTAINER(idle, struct mw_loop, next_turn);
  int64_t until = mw_clock_real() + MW_LOOP_TURN_NS;
  struct mw_list now;
  mw_list_init(&now);
  mw_list_splice(&now, &loop->due_timers);
  while (!mw_list_empty(&now)) {
    fire(timer_at(now.next));
    if (mw_clock_real() >= until) break;
  }
  mw_list_splice(&now, &loop->due_timers);
  mw_list_splice(&loop->due_timers, &now);
  if (mw_list_empty(&loop->due_timers)) uv_idle_stop(idle);
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

/* Milliseconds from the loop's cached time to the first whole millisecond at or after the due time. */
static uint64_t timeout_ms(const struct mw_timer *timer) {
  uint64_t due_ms = (uint64_t)(timer->due / MW_NS_PER_MS) + (timer->due % MW_NS_PER_MS != 0);
  uint64_t cached_ms = uv_now(&timer->loop->uv);
  return due_ms > cached_ms ? due_ms - cached_ms : 0;
}

static bool is_held(const struct mw_timer *timer) { return timer->loop->held && !timer->real; }

static struct mw_timer *start(struct mw_loop *loop, bool real, int64_t delay_ns, void (*fire)(void *arg), void *arg) {
  struct mw_timer *timer = timer_new(loop);
  if (!timer) return NULL;
  timer->fire = fire;
  timer->arg = arg;
  timer->real = real;
  if (delay_ns <= 0) {
    wait_for_next_turn(timer);
    return timer;
  }
  int64_t now = real ? mw_clock_real() : mw_clock_mono();
  timer->due = mw_time_add(now, delay_ns);
  if (!is_held(timer)) uv_timer_start(&timer->uv, on_timer, timeout_ms(timer), 0);
  mw_list_push(&loop->live_timers, &timer->link);
  return timer;
}

struct mw_timer *mw_timer_start(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg) {
  return start(loop, false, delay_ns, fire, arg);
}

struct mw_timer *mw_timer_start_real(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg) {
  return start(loop, true, delay_ns, fire, arg);
}

void mw_timer_stop(struct mw_timer *timer) {
  if (!timer) return;
  uv_timer_stop(&timer->uv);
  retire(timer);
}

bool mw_loop_has_due(const struct mw_loop *loop) {
  if (!mw_list_empty(&loop->due_timers)) return true;
  for (struct mw_list *node = loop->live_timers.next; node != &loop->live_timers; node = node->next) {
    if (!is_held(timer_at(node))) return true;
  }
  return false;
}

/* ---- while the clocks are stopped ---- */

void mw_loop_freeze_timers(struct mw_loop *loop) {
  loop->held = true;
  for (struct mw_list *node = loop->live_timers.next; node != &loop->live_timers; node = node->next) {
    if (is_held(timer_at(node))) uv_timer_stop(&timer_at(node)->uv);
  }
}

void mw_loop_thaw_timers(struct mw_loop *loop) {
  int64_t behind = mw_clock_real() - mw_clock_mono();
  for (struct mw_list *node = loop->live_timers.next; node != &loop->live_timers; node = node->next) {
    struct mw_timer *timer = timer_at(node);
    if (!is_held(timer)) continue;
    if (timer->due != INT64_MAX) timer->due += behind;
    uv_timer_start(&timer->uv, on_timer, timeout_ms(timer), 0);
  }
  loop->held = false;
}

bool mw_loop_fire_next(struct mw_loop *loop, int64_t until) {
  if (!mw_list_empty(&loop->due_timers)) {
    fire(timer_at(loop->due_timers.next));
    return true;
  }
  struct mw_timer *first = NULL;
  for (struct mw_list *node = loop->live_timers.next; node != &loop->live_timers; node = node->next) {
    struct mw_timer *timer = timer_at(node);
    if (!timer->real && timer->due <= until && (!first || timer->due < first->due)) first = timer;
  }
  if (!first) return false;
  if (first->due > mw_clock_mono()) mw_clock_move(first->due);
  fire(first);
  return true;
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
  mw_loop_set_wake(loop, wake_nobody, NULL); /* from here on this thread polls for posts */
  do {
    run_all_posts(loop);
    close_timers(&loop->due_timers);
    close_timers(&loop->live_timers);
    close_timers(&loop->free_timers);
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
  } while (mw_loop_has_posts(loop) || uv_loop_close(&loop->uv) == UV_EBUSY);
  pthread_mutex_destroy(&loop->lock);
}
