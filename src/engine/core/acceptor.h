/* Admits connections: the engine's acceptors (loop/acceptor.h) hand them over here, and core gets those within the limit of
 * connections. Core's own listeners are not used: after an accept() without descriptors they accept nothing more. */
#ifndef MW_ENGINE_CORE_ACCEPTOR_H
#define MW_ENGINE_CORE_ACCEPTOR_H

#include "engine/core/engine.h"

void mw_core_acceptors_init(struct mw_core_engine *engine);

#endif
