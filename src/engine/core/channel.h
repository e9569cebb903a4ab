/* Outbound channels: implements the operations of rpc/channel.h. */
#ifndef MW_ENGINE_CORE_CHANNEL_H
#define MW_ENGINE_CORE_CHANNEL_H

#include "engine/core/engine.h"

struct mw_channel {
  struct mw_core_engine *engine; /* NULL once it is closed */
  struct mw_list link;           /* in engine->channels */
  grpc_channel *grpc;            /* NULL once the engine is closed */
  size_t max_receive_bytes;
  bool tls;
};

extern const struct mw_channel_ops mw_core_channel_ops;

/* The engine closes: ends every channel and call. Their owners still release them. */
void mw_core_channels_detach(struct mw_core_engine *engine);

#endif
