/* A completion queue, and the tags of its operations.
 *
 * The C API has no alarm. So an empty batch on a call of a lame channel makes an artificial event: it completes at
 * once, can be started on any thread, and has no other effect. */
#ifndef MW_ENGINE_CORE_QUEUE_H
#define MW_ENGINE_CORE_QUEUE_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdint.h>

/* The tag of an event: its callback. The struct that has the operation's state embeds it. `ok` is false if the
 * operation failed. */
struct mw_core_tag {
  void (*done)(struct mw_core_tag *tag, bool ok);
};

struct mw_core_queue {
  grpc_completion_queue *cq;
  grpc_channel *lame;
  grpc_call *waker; /* never started; empty batches on it make events */
};

/* The library must be initialised. */
void mw_core_queue_init(struct mw_core_queue *queue);

/* Shuts the queue down: no more artificial events can be made. Events under way still arrive, then
 * GRPC_QUEUE_SHUTDOWN. */
void mw_core_queue_shutdown(struct mw_core_queue *queue);

/* Call after GRPC_QUEUE_SHUTDOWN. */
void mw_core_queue_fini(struct mw_core_queue *queue);

/* Makes an artificial event for `tag`, with ok = true. Any thread. */
void mw_core_queue_make_event(struct mw_core_queue *queue, struct mw_core_tag *tag);

/* Waits at most `timeout_ms` (-1: without limit) for the next event. */
grpc_event mw_core_queue_take(struct mw_core_queue *queue, int64_t timeout_ms);

/* Waits as above and runs the event's tag. Returns false on a timeout, or if the queue is shut down and empty. */
bool mw_core_queue_next(struct mw_core_queue *queue, int64_t timeout_ms);

#endif
