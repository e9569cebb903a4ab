/* Admits the connections that the engine's acceptors (loop/acceptor.h) accept, and passes those within the limit to
 * core. Core's own listeners are not used: once accept() fails for lack of descriptors, they accept nothing more. */
#ifndef MW_ENGINE_CORE_ACCEPTOR_H
#define MW_ENGINE_CORE_ACCEPTOR_H

#include "engine/core/engine.h"

void mw_core_acceptors_init(struct mw_core_engine *engine);

#endif
