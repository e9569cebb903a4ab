/* The completion queue of an engine that is a guest in a loop which others run: a thread of its own waits in the queue,
 * and hands what it takes to the loop in batches, by mw_loop_post(). All tags run on the loop's thread.
 *
 * The thread takes what is there, up to a batch, and wakes the loop once; while the loop is busy a batch fills up, and a
 * full one makes the thread wait. What the tags and others of the loop's callbacks ask for is flushed before the loop
 * waits again, in whichever phase of a turn it is asked: a loop with an active idle handle does not wait. */
#ifndef MW_ENGINE_CORE_GUEST_H
#define MW_ENGINE_CORE_GUEST_H

#include "engine/core/queue.h"
#include "loop/loop.h"

struct mw_core_guest;

/* Starts the thread. Borrows queue and loop. `flush(arg)` runs when it is asked for. The loop's thread. Returns 0, MW_EIO
 * or MW_ENOMEM. */
int mw_core_guest_new(struct mw_core_guest **out, struct mw_core_queue *queue, struct mw_loop *loop,
                      void (*flush)(void *arg), void *arg, struct mw_err *err);

/* Has `flush` run before the loop waits; once, however often it is called. The loop's thread. */
void mw_core_guest_ask(struct mw_core_guest *guest);

/* Without the loop: waits for events and runs them. The loop's thread, outside of any tag. */
void mw_core_guest_wait(struct mw_core_guest *guest);

/* After mw_core_queue_shutdown(), with no more events to come: ends the thread, and gives the loop a handle to close. */
void mw_core_guest_free(struct mw_core_guest *guest);

#endif
