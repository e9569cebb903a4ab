/* Counts the connections of all engines of a server, for `limits.connections`. Any thread.
 *
 * Core closes its sockets itself and does not report the end of a connection. So the team keeps the descriptor and the
 * socket cookie of each connection. At the limit it sweeps: it drops connections whose descriptor is no longer the same
 * socket. The pause after a sweep is at least ten times its duration. */
#ifndef MW_ENGINE_CORE_CONNECTIONS_H
#define MW_ENGINE_CORE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/engine.h"

/* Operations of rpc/engine.h. */
struct mw_engine_team *mw_core_team_new(unsigned size);
void mw_core_team_free(struct mw_engine_team *team);

/* Returns the cookie of a socket, unique since the machine was started; 0 if the descriptor is not a socket. */
uint64_t mw_core_socket_cookie(int fd);

/* Counts the connection of the socket `fd`. Returns 0, MW_EBUSY (there are `most` already) or MW_ENOMEM. */
int mw_core_team_admit(struct mw_engine_team *team, int fd, unsigned most);

#endif
