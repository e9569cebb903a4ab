/* A completion queue, and the tags of what is started on it.
 *
 * The plain C API has no alarm. So an event of our own is made by an empty batch on a call of a lame channel: it completes
 * at once, on any thread, and does nothing else. */
#ifndef MW_ENGINE_CORE_QUEUE_H
#define MW_ENGINE_CORE_QUEUE_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdint.h>

/* What every event of the queue carries as its tag: who it is for. Embedded where its state is. `ok` is false when the
 * operation failed. */
struct mw_core_tag {
  void (*done)(struct mw_core_tag *tag, bool ok);
};

struct mw_core_queue {
  grpc_completion_queue *cq;
  grpc_channel *lame;
  grpc_call *waker; /* never started; empty batches on it make events */
};

/* The library is initialised. */
void mw_core_queue_init(struct mw_core_queue *queue);

/* No more events of our own; those under way still come, then GRPC_QUEUE_SHUTDOWN. */
void mw_core_queue_shutdown(struct mw_core_queue *queue);

/* After GRPC_QUEUE_SHUTDOWN. */
void mw_core_queue_fini(struct mw_core_queue *queue);

/* Makes an event for `tag`, with ok = true. Any thread. */
void mw_core_queue_make_event(struct mw_core_queue *queue, struct mw_core_tag *tag);

/* Waits at most `timeout_ms` (-1: without limit) for the next event. */
grpc_event mw_core_queue_take(struct mw_core_queue *queue, int64_t timeout_ms);

/* The same, and runs it. Returns false on a timeout, or when the queue is shut down and empty. */
bool mw_core_queue_next(struct mw_core_queue *queue, int64_t timeout_ms);

#endif
