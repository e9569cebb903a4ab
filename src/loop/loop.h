/* A worker's event loop: libuv, with one door into it from other threads, and pooled timers.
 *
 * A turn of the loop fires timers and runs posts for MW_LOOP_TURN_NS each; the others follow in its next turns, in their
 * order: many that are due together do not keep the loop from its sockets.
 *
 * Everything here belongs to the thread that runs the loop, except mw_loop_post(), which any thread may call. A
 * post is a node that the caller embeds in its own struct; posts of one thread run in the order they were made.
 * Whoever runs the loop (uv_run(), or an engine that embeds it) calls mw_loop_turn_posts() when it is woken. */
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
  struct mw_list taken;     /* posts about to run, on the loop's thread */
  bool woken;
  void (*wake)(void *arg); /* how another thread wakes the loop's own; uv_async_send() at first */
  void *wake_arg;
  struct mw_list free_timers; /* stopped timers, kept for reuse */
  struct mw_list live_timers; /* in the order they were started */
  struct mw_list due_timers;  /* those for the next turn, and those for which this one had no time */
  uint64_t firing;            /* uv_now() of the turn that fires timers */
  int64_t fired_since;        /* mw_clock_real() of its first timer */
  uv_idle_t next_turn;        /* runs while there are some */
  bool held;                  /* timers wait for mw_loop_fire_next() */
  size_t n_remote;            /* calls under way of which the peer, in another process, may report events */
};

/* Returns 0, MW_EIO or MW_ENOMEM. */
int mw_loop_init(struct mw_loop *loop, struct mw_err *err);

/* Closes every handle and runs what is left of them; posts still queued are run. */
void mw_loop_fini(struct mw_loop *loop);

/* Replaces the way other threads wake this loop; NULL for uv_async_send(). Before any other thread knows the loop. */
void mw_loop_set_wake(struct mw_loop *loop, void (*wake)(void *arg), void *arg);

/* Queues `post`, whose `run` is set, to run on the loop's thread. Any thread. Borrows `post` until it has run. */
void mw_loop_post(struct mw_loop *loop, struct mw_post *post);

/* Takes back a post that was made and has not run. The loop's thread. */
void mw_loop_unpost(struct mw_loop *loop, struct mw_post *post);

/* Runs the posts queued so far, in order; also from within one, then with those that were to run after it. */
void mw_loop_run_posts(struct mw_loop *loop);

/* The same for a turn's time, and wakes the loop again for those that are left. Not from within a post. */
void mw_loop_turn_posts(struct mw_loop *loop);

/* Whether posts are queued. The loop's thread. */
bool mw_loop_has_posts(struct mw_loop *loop);

struct mw_timer;

/* Runs `fire(arg)` once after `delay_ns` nanoseconds (rounded up to a millisecond, so never early; zero and less: in
 * the next turn). The timer is gone once it fired. Returns it, or NULL without memory.
 * Whoever embeds the loop calls uv_update_time() before uv_backend_timeout(): the loop's own time is that of its last
 * turn. */
struct mw_timer *mw_timer_start(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg);

/* The same by the machine's clock, whether the clocks are stopped or not. */
struct mw_timer *mw_timer_start_real(struct mw_loop *loop, int64_t delay_ns, void (*fire)(void *arg), void *arg);

/* Stops a timer that has not fired. NULL is allowed. */
void mw_timer_stop(struct mw_timer *timer);

/* True while some timer will fire by itself. */
bool mw_loop_has_due(const struct mw_loop *loop);

/* ---- while the clocks are stopped (base/clock.h) ---- */

/* From mw_loop_hold(), right after mw_clock_stop(), to mw_loop_let_go(), right before mw_clock_go(), no timer fires by
 * itself but those of mw_timer_start_real(), and those due at once. Then the timers that are left go on with what time
 * they still had. */
void mw_loop_hold(struct mw_loop *loop);
void mw_loop_let_go(struct mw_loop *loop);

/* Moves the stopped clocks to the timer that is due first, of several the one started first, and fires it. Returns
 * false, with nothing done, when none is due by `until`. */
bool mw_loop_fire_next(struct mw_loop *loop, int64_t until);

#endif
