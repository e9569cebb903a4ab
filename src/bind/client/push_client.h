/* Clients on a given engine. */
#ifndef MW_BIND_CLIENT_PUSH_CLIENT_H
#define MW_BIND_CLIENT_PUSH_CLIENT_H

#include "bind/base/bind.h"
#include "rpc/channel.h"

/* Pushes a client, as mw.client() does, on a channel of its own of `engine`. */
void mw_bind_push_client(lua_State *L, struct mw_program *program, struct mw_engine *engine,
                         const struct mw_channel_config *config);

#endif
