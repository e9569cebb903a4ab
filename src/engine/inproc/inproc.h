/* The in-process engine: a channel whose calls come in through a dispatch of the same thread, for specs that call the
 * handlers of a folder without a network.
 *
 * It is a guest in a loop that others run: it has no thread, listens nowhere, and has only `open`, `close` and
 * `channels` of rpc/engine.h. A call carries messages as bytes and goes on step by step, each step a post of the loop,
 * so that calls take turns in an order that is the same each time.
 *
 * It differs from a network where a spec is better off: nothing is in flight. A message has left the one side when the
 * other takes it, so that the limit of unsent messages is met exactly; and messages that were sent before an error
 * status arrive before it. Message sizes are limited, metadata is not; `compression` and `wait_for_ready` mean nothing. */
#ifndef MW_ENGINE_INPROC_INPROC_H
#define MW_ENGINE_INPROC_INPROC_H

#include "rpc/engine.h"

/* `dispatch` is required and outlives the loop's posts; `max_metadata_bytes` and `tls` are not used. */
extern const struct mw_engine_ops mw_engine_inproc;

/* Loses the connection under all calls: clients see UNAVAILABLE, handlers what they see of one that has vanished. */
void mw_inproc_disconnect(struct mw_engine *engine);

#endif
