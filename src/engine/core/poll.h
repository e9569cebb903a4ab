/* The poll of a serving engine's thread: a completion queue with a libuv loop embedded in it. (engine/core/embedded.h
 * is for an engine that is embedded in a loop which others run.)
 *
 * The thread waits in the queue until libuv's next timer is due. Everything else wakes it by an artificial event of the
 * queue:
 *   - mw_loop_post() of other threads, through mw_loop_set_wake();
 *   - a small watcher thread that polls uv_backend_fd(), for descriptors, processes and finished file operations.
 * The watcher fires once and then waits until the loop has run.
 *
 * A turn processes events for a few milliseconds at most, and then the dispatch's run queue for a few. While calls are
 * left in the run queue, the next turn takes the events of all connections before handlers run, and does not wait. */
#ifndef MW_ENGINE_CORE_POLL_H
#define MW_ENGINE_CORE_POLL_H

#include <pthread.h>
#include <semaphore.h>

#include "engine/core/queue.h"
#include "loop/loop.h"
#include "rpc/dispatch.h"

struct mw_core_poll {
  struct mw_core_queue *queue;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch; /* its run queue runs in each turn */
  void (*flush)(void *arg);     /* runs after each round of events, before the thread waits again */
  void *flush_arg;

  struct mw_core_tag posted;   /* tag of a wake by mw_loop_post() */
  struct mw_core_tag readable; /* tag of a wake by the watcher */
  bool has_posts;
  int64_t left; /* mw_clock_real() of the last check for events */
  int64_t away; /* nanoseconds from that check to the next one */

  pthread_t watcher;
  int stop_fd; /* eventfd: ends the watcher */
  sem_t rearm;
  bool fired; /* the watcher waits for the loop to run */
};

/* Starts the watcher. Borrows queue, loop and dispatch. Returns 0 or MW_EIO. */
int mw_core_poll_init(struct mw_core_poll *poll, struct mw_core_queue *queue, struct mw_loop *loop,
                      struct mw_dispatch *dispatch, void (*flush)(void *arg), void *arg, struct mw_err *err);

/* Stops the watcher and gives the loop back to uv_run(). `poll` must live until the queue is empty, because the queue
 * may still hold its events. */
void mw_core_poll_fini(struct mw_core_poll *poll);

/* Runs one turn: waits for events, at most `most_ms` (-1: without limit), and runs them, the posts and the loop. */
void mw_core_poll_turn(struct mw_core_poll *poll, int64_t most_ms);

#endif
