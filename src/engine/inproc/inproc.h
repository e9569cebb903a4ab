/* The in-process engine: its channels pass calls to a dispatch on the same thread. Specs use it to call the handlers of
 * a project without a network.
 *
 * It is embedded in a loop that others run: it has no thread, does not listen, and implements only `open`, `close` and
 * `channels` of rpc/engine.h. Messages are passed as bytes. A call advances in steps, each a post of the loop, so that
 * concurrent calls always run in the same order.
 *
 * It differs from a network, for the benefit of specs, in that nothing is in flight. A message is sent when the other
 * side takes it, so the limit of unsent messages is reached exactly. Messages that were sent before an error status
 * arrive before it. Message sizes are limited, metadata is not. `compression` and `wait_for_ready` have no effect. */
#ifndef MW_ENGINE_INPROC_INPROC_H
#define MW_ENGINE_INPROC_INPROC_H

#include "rpc/engine.h"

/* `dispatch` is required and must outlive the loop's posts. `max_metadata_bytes` and `tls` are ignored. */
extern const struct mw_engine_ops mw_engine_inproc;

/* Ends all calls as a lost connection does: clients get UNAVAILABLE, handlers are cancelled. */
void mw_inproc_disconnect(struct mw_engine *engine);

#endif
