/* The connections of all engines of a server, for `limits.connections`. Any thread.
 *
 * Core closes its sockets itself and reports no end of a connection. So the team keeps descriptor and socket cookie of
 * each connection; when they reach the limit, it drops those whose descriptor is no longer that socket. The time between two
 * such sweeps is ten times that which a sweep takes. */
#ifndef MW_ENGINE_CORE_TEAM_H
#define MW_ENGINE_CORE_TEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/engine.h"

/* As in rpc/engine.h. */
struct mw_engine_team *mw_core_team_new(unsigned size);
void mw_core_team_free(struct mw_engine_team *team);

/* The cookie of a socket, unique since the machine was started; 0 for a descriptor that is no socket. */
uint64_t mw_core_socket_cookie(int fd);

/* Counts the connection of the socket `fd`, while there are fewer than `most`. Returns 0, MW_EBUSY (there are not) or
 * MW_ENOMEM. */
int mw_core_team_admit(struct mw_engine_team *team, int fd, unsigned most);

#endif
