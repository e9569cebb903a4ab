/* Accepts from a listening socket that the workers share, in the loop, and gives core the connections one by one. Core
 * takes them in plain text only, and knows their peers by the number of the descriptor: the names are kept here. */
#ifndef MW_ENGINE_CORE_ACCEPTOR_H
#define MW_ENGINE_CORE_ACCEPTOR_H

#include "engine/core/engine.h"
#include "rpc/peer.h"

struct mw_core_peer {
  char name[MW_PEER_MAX];
};

/* As in rpc/engine.h. */
int mw_core_accept_from(struct mw_core_engine *engine, int fd, const char *address, struct mw_err *err);

/* Accepts no more. */
void mw_core_acceptors_close(struct mw_core_engine *engine);

/* The name of core's peer "fd:NUMBER"; NULL for another one. Borrowed until the next connection comes. */
const char *mw_core_acceptor_peer(const struct mw_core_engine *engine, const char *peer);

#endif
