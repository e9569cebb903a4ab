#include "server/reload/reload_stats.h"

#include "base/clock.h"

static const char *const outcome_names[MW_RELOAD_OUTCOMES] = {"committed", "rolled_back", "unchanged", "refused"};

static struct mw_metric *gauge(struct mw_metrics *metrics, const char *name, const char *help) {
  return mw_metrics_open(metrics, &(struct mw_metric_definition){.kind = MW_METRIC_GAUGE, .name = name, .help = help},
                         NULL);
}

static void open_outcomes(struct mw_reload_stats *stats, struct mw_metrics *metrics) {
  static const char *const labels[] = {"outcome"};
  const struct mw_metric_definition reloads = {.kind = MW_METRIC_COUNTER,
                                               .name = "moonwire_reloads_total",
                                               .help = "Reloads, by what became of them.",
                                               .labels = labels,
                                               .n_labels = 1};
  for (int i = 0; i < MW_RELOAD_OUTCOMES; i++) {
    stats->outcomes[i] = mw_metrics_open(metrics, &reloads, &outcome_names[i]);
  }
}

void mw_reload_stats_init(struct mw_reload_stats *stats, struct mw_metrics *metrics, uint64_t generation) {
  *stats = (struct mw_reload_stats){0};
  stats->generation = gauge(metrics, "moonwire_generation", "The number of the running generation.");
  stats->time = gauge(metrics, "moonwire_last_reload_timestamp_seconds",
                      "When the running generation came into force by a reload, in Unix time; 0 before the first.");
  open_outcomes(stats, metrics);
  if (stats->generation) mw_metric_set(stats->generation, (double)generation);
}

void mw_reload_stats_count(struct mw_reload_stats *stats, enum mw_reload_outcome outcome, uint64_t generation) {
  if (stats->outcomes[outcome]) mw_metric_add(stats->outcomes[outcome], 1);
  if (outcome != MW_RELOAD_COMMITTED && outcome != MW_RELOAD_ROLLED_BACK) return;
  if (stats->generation) mw_metric_set(stats->generation, (double)generation);
  if (stats->time) mw_metric_set(stats->time, (double)mw_clock_wall() / MW_NS_PER_S);
}
