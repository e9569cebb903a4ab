/* The backlogs of connections (rpc/backlog.h). Core does not expose connections, so all calls of a peer address share a
 * backlog. A call joins with its first large message. */
#ifndef MW_ENGINE_CORE_BACKLOG_H
#define MW_ENGINE_CORE_BACKLOG_H

#include "base/map.h"
#include "rpc/backlog.h"

struct mw_core_backlogs {
  struct mw_map by_peer;
  size_t buffer_bytes;
};

/* Adds a share without a backlog to the backlog of `peer`. Without memory does nothing. */
void mw_core_backlog_join(struct mw_core_backlogs *backlogs, struct mw_send_backlog_share *share, const char *peer);

/* Takes the share of a call that is over out of its backlog. A share without a backlog is allowed. */
void mw_core_backlog_leave(struct mw_core_backlogs *backlogs, struct mw_send_backlog_share *share);

/* Call after all shares have left. */
void mw_core_backlogs_fini(struct mw_core_backlogs *backlogs);

#endif
