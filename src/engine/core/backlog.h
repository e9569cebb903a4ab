/* The backlogs of connections (rpc/backlog.h). Core does not show its connections: the calls of a connection have the same peer.
 * A call joins with its first large message. */
#ifndef MW_ENGINE_CORE_BACKLOG_H
#define MW_ENGINE_CORE_BACKLOG_H

#include "base/map.h"
#include "rpc/backlog.h"

struct mw_core_backlogs {
  struct mw_map by_peer;
  size_t buffer_bytes;
};

/* Gives the share, which has none, the backlog of `peer`. Without memory it has none afterwards. */
void mw_core_backlog_join(struct mw_core_backlogs *backlogs, struct mw_backlog_share *share, const char *peer);

/* The call is over. A share without a backlog is allowed. */
void mw_core_backlog_leave(struct mw_core_backlogs *backlogs, struct mw_backlog_share *share);

/* All have left. */
void mw_core_backlogs_fini(struct mw_core_backlogs *backlogs);

#endif
