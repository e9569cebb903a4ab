/* Metrics of calls, per method: the number by status code, the duration, the messages. Each worker has its own part
 * of every series, looked up once and kept here, so that counting a call takes no lock and shares no cache line with
 * other workers. */
#ifndef MW_RPC_STATS_H
#define MW_RPC_STATS_H

#include "base/map.h"
#include "observe/metrics.h"
#include "rpc/status.h"

struct mw_call_stats {
  struct mw_metrics *metrics;                                        /* borrowed; NULL before the first count */
  struct mw_metric_family *calls, *seconds, *wait, *received, *sent; /* NULL if the registry refused them */
  struct mw_map methods;                                             /* path -> struct method_stats, owned */
};

#define MW_CALL_STATS_INIT \
  { NULL, NULL, NULL, NULL, NULL, NULL, MW_MAP_INIT }

void mw_call_stats_fini(struct mw_call_stats *stats);

/* Counts a call of `path` that has ended after it waited `wait_ns` to begin. `metrics` is the same each time.
 * Without memory the call is not counted. */
void mw_call_stats_add(struct mw_call_stats *stats, struct mw_metrics *metrics, const char *path, enum mw_code code,
                       int64_t duration_ns, int64_t wait_ns, uint64_t received, uint64_t sent);

#endif
