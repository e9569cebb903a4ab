#include "rpc/disconnect.h"

#include <stdio.h>

#include "base/clock.h"
#include "observe/log.h"

static void count(struct mw_metrics *metrics, const char *reason) {
  static const char *const labels[] = {"reason"};
  const struct mw_metric_definition connections = {
      .kind = MW_METRIC_COUNTER,
      .name = "moonwire_connections_ended_total",
      .help = "Connections that were ended or refused because of the client's behaviour.",
      .labels = labels,
      .n_labels = 1};
  struct mw_metric *series = mw_metrics_open(metrics, &connections, &reason);
  if (series) mw_metric_add(series, 1);
}

void mw_disconnect_report(struct mw_disconnects *past, struct mw_metrics *metrics, const char *reason, const char *text,
                          const char *peer, const char *detail) {
  int64_t now = mw_clock_real();
  if (metrics && reason) count(metrics, reason);
  if (past->count++ > 0 && now - past->logged < MW_NS_PER_S) return;
  past->logged = now;
  char total[24];
  snprintf(total, sizeof total, "%llu", (unsigned long long)past->count);
  const struct mw_log_field fields[] = {{"peer", peer}, {"reason", reason}, {"detail", detail}, {"count", total}, {0}};
  mw_log(MW_LOG_WARN, fields, "%s", text);
}
