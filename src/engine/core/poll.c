#include "engine/core/poll.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* Of a turn: most events, and most time for them. MISSES: checks for events that may find none, after more than AWAY_NS
 * without a check. */
enum { BATCH = 1024, EVENTS_NS = 4 * MW_NS_PER_MS, MISSES = 64, AWAY_NS = MW_RUN_TURN_NS };

/* ---- waking the queue ---- */

static void wake_for_posts(void *arg) {
  struct mw_core_poll *poll = arg;
  mw_core_queue_make_event(poll->queue, &poll->posted);
}

static void on_posted(struct mw_core_tag *tag, bool ok) {
  MW_CONTAINER(tag, struct mw_core_poll, posted)->has_posts = true;
}

static void on_readable(struct mw_core_tag *tag, bool ok) {
  MW_CONTAINER(tag, struct mw_core_poll, readable)->fired = true;
}

static void *watch(void *arg) {
  struct mw_core_poll *core = arg;
  struct pollfd fds[2] = {{.fd = uv_backend_fd(&core->loop->uv), .events = POLLIN},
                          {.fd = core->stop_fd, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 2, -1) < 0) continue; /* a signal */
    if (fds[1].revents) return NULL;
    mw_core_queue_make_event(core->queue, &core->readable);
    while (sem_wait(&core->rearm) != 0) continue;
  }
}

static void stop_watcher(struct mw_core_poll *poll) {
  uint64_t one = 1;
  ssize_t written = write(poll->stop_fd, &one, sizeof one);
  assert(written == sizeof one);
  (void)written;
  sem_post(&poll->rearm);
  pthread_join(poll->watcher, NULL);
}

/* ---- opening and closing ---- */

int mw_core_poll_init(struct mw_core_poll *poll, struct mw_core_queue *queue, struct mw_loop *loop,
                      struct mw_dispatch *dispatch, void (*flush)(void *arg), void *arg, struct mw_err *err) {
  *poll = (struct mw_core_poll){.queue = queue,
                                .loop = loop,
                                .dispatch = dispatch,
                                .flush = flush,
                                .flush_arg = arg,
                                .posted = {on_posted},
                                .readable = {on_readable}};
  poll->stop_fd = eventfd(0, EFD_CLOEXEC);
  if (poll->stop_fd < 0) return mw_err_set(err, MW_EIO, "cannot make an eventfd: %s", strerror(errno));
  sem_init(&poll->rearm, 0, 0);
  int error = pthread_create(&poll->watcher, NULL, watch, poll);
  if (error != 0) {
    sem_destroy(&poll->rearm);
    close(poll->stop_fd);
    return mw_err_set(err, MW_EIO, "cannot start a thread: %s", strerror(error));
  }
  mw_loop_set_wake(loop, wake_for_posts, poll);
  return 0;
}

void mw_core_poll_fini(struct mw_core_poll *poll) {
  mw_loop_set_wake(poll->loop, NULL, NULL);
  stop_watcher(poll);
  sem_destroy(&poll->rearm);
  close(poll->stop_fd);
}

/* ---- turns ---- */

/* Returns the milliseconds until the loop has to run; -1 if only an event can make it. */
static int64_t loop_timeout(struct mw_core_poll *poll) {
  uv_loop_t *uv = &poll->loop->uv;
  if (!uv_loop_alive(uv)) return -1; /* libuv returns 0 then, because uv_run() would return at once */
  uv_update_time(uv);
  return uv_backend_timeout(uv);
}

/* Runs the loop in every turn: libuv registers new and changed descriptors with the kernel only when it runs. */
static void run_loop(struct mw_core_poll *poll) {
  uv_run(&poll->loop->uv, UV_RUN_NOWAIT);
  if (!poll->fired) return;
  poll->fired = false;
  sem_post(&poll->rearm);
}

/* Returns the number of checks for events that may find none. Such a check makes core serve one socket at most, and the
 * first one after an event none. So a thread that does not wait checks twice, and many times after a long absence. */
static int most_misses(const struct mw_core_poll *poll, bool waits) {
  if (poll->away >= AWAY_NS) return MISSES;
  return waits && !poll->has_posts ? 0 : 2;
}

/* If no call of an earlier turn waits, runs handlers at once, while their data is in the processor's cache. */
static void run_now(struct mw_core_poll *poll) {
  struct mw_run_queue *queue = &poll->dispatch->queue;
  if (queue->n > 0 && !queue->behind) mw_run_queue_run(queue);
}

static void take_events(struct mw_core_poll *poll, bool found, bool waits) {
  int misses = 0;
  int64_t until = mw_clock_real() + EVENTS_NS;
  for (int i = 1; i < BATCH; i++) {
    if (!found && misses++ >= most_misses(poll, waits)) break;
    run_now(poll);
    found = mw_core_queue_next(poll->queue, 0);
    if (mw_clock_real() >= until) break;
  }
  poll->left = mw_clock_real();
}

/* Runs handlers, then starts the batches for their replies. */
static void work(struct mw_core_poll *poll) {
  mw_run_queue_run(&poll->dispatch->queue);
  poll->flush(poll->flush_arg);
}

void mw_core_poll_turn(struct mw_core_poll *poll, int64_t most_ms) {
  work(poll); /* operations started before this turn, by the loop's callbacks among others */
  mw_dispatch_end_turn(poll->dispatch);
  poll->away = mw_clock_real() - poll->left;
  int64_t timeout = poll->dispatch->queue.n > 0 ? 0 : loop_timeout(poll);
  if (most_ms >= 0 && (timeout < 0 || timeout > most_ms)) timeout = most_ms;
  bool found = mw_core_queue_next(poll->queue, timeout);
  uv_update_time(&poll->loop->uv);
  take_events(poll, found, timeout != 0);
  if (poll->has_posts) {
    poll->has_posts = false;
    mw_loop_run_posts_bounded(poll->loop);
  }
  work(poll);
  run_loop(poll);
}
