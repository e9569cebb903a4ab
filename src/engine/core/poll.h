/* The thread's one waiting place: a completion queue with a libuv loop embedded in it.
 *
 * The thread waits in grpc_completion_queue_next() until libuv's next timer is due. Everything else wakes the queue by
 * an event of its own, made by an empty batch on a call of a lame channel: it completes at once, on any thread, and
 * does nothing else. Two kinds of wakers use it:
 *   - mw_loop_post() of other threads, through mw_loop_set_wake();
 *   - a small watcher thread, which polls uv_backend_fd(), for descriptors, processes and finished file operations.
 * The watcher fires once and then waits until the loop has run. */
#ifndef MW_ENGINE_CORE_POLL_H
#define MW_ENGINE_CORE_POLL_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "loop/loop.h"

/* What every event of the queue carries as its tag: who it is for. Embedded where its state is. `ok` is 0 when the
 * operation failed. */
struct mw_core_tag {
  void (*done)(struct mw_core_tag *tag, bool ok);
};

struct mw_core_poll {
  grpc_completion_queue *cq;
  struct mw_loop *loop;
  void (*flush)(void *arg); /* runs after each round of events, before the thread waits again */
  void *flush_arg;

  grpc_channel *lame;
  grpc_call *waker;               /* never started; empty batches on it make events */
  struct mw_core_tag posted;      /* tag of a wake by mw_loop_post() */
  struct mw_core_tag readable;    /* tag of a wake by the watcher */
  bool has_posts;

  pthread_t watcher;
  int stop_fd;                    /* eventfd: ends the watcher */
  sem_t rearm;
  bool fired;                     /* the watcher waits for the loop to run */
};

/* Makes the queue and starts the watcher. Returns 0, MW_EIO or MW_ENOMEM. The library is initialised. */
int mw_core_poll_init(struct mw_core_poll *poll, struct mw_loop *loop, void (*flush)(void *arg), void *arg,
                      struct mw_err *err);

/* Stops the watcher, gives the loop back to uv_run(), drains and destroys the queue: what its last events belong to
 * must still be there. */
void mw_core_poll_fini(struct mw_core_poll *poll);

/* One round: waits for events, at most `most_ms` (-1: without limit), runs them, what was posted and what is due in the
 * loop. */
void mw_core_poll_turn(struct mw_core_poll *poll, int64_t most_ms);

/* Waits at most `timeout_ms` for the next event of the queue alone and runs it. Returns false on a timeout. */
bool mw_core_poll_next(struct mw_core_poll *poll, int64_t timeout_ms);

/* Has `tag` run with ok = 1 by the next turn. The queue's thread. */
void mw_core_poll_defer(struct mw_core_poll *poll, struct mw_core_tag *tag);

#endif
