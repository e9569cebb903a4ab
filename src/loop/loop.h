/* A worker's event loop: libuv, a queue of posts from other threads, and pooled timers.
 *
 * In one turn the loop fires timers for at most MW_LOOP_TURN_NS and runs posts for at most MW_LOOP_TURN_NS. The rest
 * follows in the next turns, in order, so that many timers due at once do not delay the sockets.
 *
 * Everything here belongs to the thread that runs the loop, except mw_loop_post(), which any thread may call. A post
 * is a node that the caller embeds in its own struct; posts of one thread run in the order they were made. The code
 * that runs the loop (uv_run(), or an engine that embeds it) calls mw_loop_run_posts_bounded() when it is woken. */
#ifndef MW_LOOP_LOOP_H
#define MW_LOOP_LOOP_H

#include <pthread.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"

enum { MW_LOOP_TURN_NS = 4000000 };

struct mw_post {
  struct mw_list link;
  void (*run)(struct mw_post *post); /* runs on the loop's thread, once for each mw_loop_post() */
};

struct mw_loop {
  uv_loop_t uv;
  uv_async_t async;
  pthread_mutex_t lock; /* guards posts, woken */
  struct mw_list posts;
  struct mw_list taken; /* posts about to run; the loop's thread only */
  bool woken;
  void (*wake)(void *arg); /* wakes the loop from another thread; uv_async_send() by default */
  void *wake_arg;
  struct mw_list free_timers; /* stopped timers, kept for reuse */
  struct mw_list live_timers; /* in the order they were started */
  struct mw_list due_timers;  /* timers due in the next turn, and timers that this turn had no time for */
  uint64_t firing;            /* uv_now() of the turn that fires timers */
  int64_t fired_since;        /* mw_clock_real() of the first timer of that turn */
  uv_idle_t next_turn;        /* active while due_timers is not empty */
  bool held;                  /* timers wait for mw_loop_fire_next() */
  size_t n_remote;            /* calls under way whose peer, in another process, may report events */
};

/* Returns 0, MW_EIO or MW_ENOMEM. */
int mw_loop_init(struct mw_loop *loop, struct mw_err *err);

/* Runs all queued posts, closes every handle and runs the close callbacks. */
void mw_loop_fini(struct mw_loop *loop);

/* Sets the function with which other threads wake this loop; NULL for uv_async_send(). Call it before another thread
 * uses the loop. */
void mw_loop_set_wake(struct mw_loop *loop, void (*wake)(void *arg), void *arg);

/* Queues `post`, whose `run` is set, to run on the loop's thread. Any thread. Borrows `post` until it runs. */
void mw_loop_post(struct mw_loop *loop, struct mw_post *post);

/* Removes a post that is queued and has not run. The loop's thread. */
void mw_loop_unpost(struct mw_loop *loop, struct mw_post *post);

/* Runs the posts queued so far, in order. If a post calls it, it also runs the posts that were to follow that post. */
void mw_loop_run_posts(struct mw_loop *loop);

/* Runs queued posts for at most MW_LOOP_TURN_NS, and wakes the loop again for the rest. Not from within a post. */
void mw_loop_run_posts_bounded(struct mw_loop *loop);

/* True if posts are queued. The loop's thread. */
bool mw_loop_has_posts(struct mw_loop *loop);

struct mw_timer;

/* Runs `fire(arg)` once after `delay_ns` nanoseconds, rounded up to a millisecond, so never early; zero or less: in
 * the next turn. The timer must not be used after it fired. Returns it, or NULL without memory. Code that embeds the
 * loop calls uv_update_time() before uv_backend_timeout(), because the loop caches the time of its last turn. */
struct mw_timer *mw_timer_start(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg);

/* Like mw_timer_start(), but by mw_clock_real(), also while the clocks are stopped. */
struct mw_timer *mw_timer_start_real(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg);

/* Stops a timer that has not fired. NULL is allowed. */
void mw_timer_stop(struct mw_timer *timer);

/* True while a timer will fire without mw_loop_fire_next(). */
bool mw_loop_has_due(const struct mw_loop *loop);

/* ---- while the clocks are stopped (base/clock.h) ---- */

/* mw_loop_freeze_timers() follows mw_clock_stop(); mw_loop_thaw_timers() precedes mw_clock_go(). Between them, only
 * timers of mw_timer_start_real() and timers started with no delay fire by themselves. mw_loop_thaw_timers() restarts
 * the others with their remaining time. */
void mw_loop_freeze_timers(struct mw_loop *loop);
void mw_loop_thaw_timers(struct mw_loop *loop);

/* Advances the stopped clocks to the earliest timer (of several, the one started first) and fires it. Returns false,
 * with nothing done, if none is due by `until`. */
bool mw_loop_fire_next(struct mw_loop *loop, int64_t until);

#endif
