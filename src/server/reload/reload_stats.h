/* Metrics of reloads, in the process's registry. On the control loop's thread. */
#ifndef MW_SERVER_RELOAD_RELOAD_STATS_H
#define MW_SERVER_RELOAD_RELOAD_STATS_H

#include "observe/metrics.h"

enum mw_reload_outcome { MW_RELOAD_COMMITTED, MW_RELOAD_ROLLED_BACK, MW_RELOAD_UNCHANGED, MW_RELOAD_REFUSED };
enum { MW_RELOAD_OUTCOMES = 4 };

/* The series. A series is NULL if there was no memory for it. */
struct mw_reload_stats {
  struct mw_metric *generation, *time, *outcomes[MW_RELOAD_OUTCOMES];
};

void mw_reload_stats_init(struct mw_reload_stats *stats, struct mw_metrics *metrics, uint64_t generation);

/* Counts a finished reload. `generation` is the running one. */
void mw_reload_stats_count(struct mw_reload_stats *stats, enum mw_reload_outcome outcome, uint64_t generation);

#endif
