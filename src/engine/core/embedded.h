/* The completion queue of an embedded engine, whose loop others run. A thread of its own waits in the queue and passes
 * the events to the loop in batches, by mw_loop_post(). All tags run on the loop's thread.
 *
 * The thread takes the available events, up to a batch, and wakes the loop once. While the loop is busy the batch fills
 * up; if it is full the thread waits. Operations that any callback of the loop starts are flushed before the loop polls
 * again: an active idle handle keeps it from blocking. */
#ifndef MW_ENGINE_CORE_EMBEDDED_H
#define MW_ENGINE_CORE_EMBEDDED_H

#include "engine/core/queue.h"
#include "loop/loop.h"

struct mw_core_embedded;

/* Starts the thread. Borrows queue and loop. mw_core_embedded_ask() schedules `flush(arg)`. Call on the loop's thread.
 * Returns 0, MW_EIO or MW_ENOMEM. */
int mw_core_embedded_new(struct mw_core_embedded **out, struct mw_core_queue *queue, struct mw_loop *loop,
                         void (*flush)(void *arg), void *arg, struct mw_err *err);

/* Schedules `flush` to run once before the loop polls. Call on the loop's thread. */
void mw_core_embedded_ask(struct mw_core_embedded *guest);

/* Waits for events and runs them, without running the loop. Call on the loop's thread, outside of any tag. */
void mw_core_embedded_wait(struct mw_core_embedded *guest);

/* Ends the thread after mw_core_queue_shutdown(), when no more events follow. The loop still has to close a handle. */
void mw_core_embedded_free(struct mw_core_embedded *guest);

#endif
