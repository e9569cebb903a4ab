#include "engine/core/poll.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Most events between two looks at the loop. */
enum { BATCH = 256 };

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
                      void (*flush)(void *arg), void *arg, struct mw_err *err) {
  *poll = (struct mw_core_poll){.queue = queue,
                                .loop = loop,
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

/* Milliseconds until the loop wants to run; -1 when only an event can make it. */
static int64_t loop_timeout(struct mw_core_poll *poll) {
  uv_loop_t *uv = &poll->loop->uv;
  if (!uv_loop_alive(uv)) return -1; /* libuv says 0 then, as uv_run() would return */
  uv_update_time(uv);
  return uv_backend_timeout(uv);
}

/* libuv tells the kernel of new and changed descriptors only when it runs, so it runs after every round in which
 * anything could have changed some. */
static void run_loop(struct mw_core_poll *poll) {
  uv_run(&poll->loop->uv, UV_RUN_NOWAIT);
  if (!poll->fired) return;
  poll->fired = false;
  sem_post(&poll->rearm);
}

void mw_core_poll_turn(struct mw_core_poll *poll, int64_t most_ms) {
  poll->flush(poll->flush_arg); /* what was asked for before, by the loop's callbacks among others */
  int64_t timeout = loop_timeout(poll);
  if (most_ms >= 0 && (timeout < 0 || timeout > most_ms)) timeout = most_ms;
  bool more = mw_core_queue_next(poll->queue, timeout);
  uv_update_time(&poll->loop->uv);
  for (int i = 1; more && i < BATCH; i++) more = mw_core_queue_next(poll->queue, 0);
  if (poll->has_posts) {
    poll->has_posts = false;
    mw_loop_run_posts(poll->loop);
  }
  poll->flush(poll->flush_arg);
  run_loop(poll);
}
