/* The engine on the gRPC C core, the reference implementation of the protocol: as a server, and for every outbound
 * channel. rpc/engine.h is the contract. */
#ifndef MW_ENGINE_CORE_CORE_H
#define MW_ENGINE_CORE_CORE_H

#include "rpc/engine.h"

extern const struct mw_engine_ops mw_engine_core;

#endif
