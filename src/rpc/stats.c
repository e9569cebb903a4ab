#include "rpc/stats.h"

#include <stdlib.h>

#include "base/clock.h"

/* This worker's parts of the series. */
struct method_stats {
  struct mw_metric *calls[MW_CODE_COUNT]; /* created when a code is first seen */
  struct mw_metric *seconds, *wait, *received, *sent;
};

static struct mw_metric_family *family(struct mw_metrics *metrics, enum mw_metric_kind kind, const char *name,
                                       const char *help, size_t n_labels) {
  static const char *const labels[] = {"method", "code"};
  const struct mw_metric_definition definition = {
      .kind = kind, .name = name, .help = help, .labels = labels, .n_labels = n_labels};
  struct mw_metric_family *out;
  return mw_metrics_family(metrics, &definition, &out, NULL) == 0 ? out : NULL;
}

static void open_families(struct mw_call_stats *stats, struct mw_metrics *metrics) {
  stats->metrics = metrics;
  stats->calls = family(metrics, MW_METRIC_COUNTER, "moonwire_calls_total", "Calls that ended, by status code.", 2);
  stats->seconds = family(metrics, MW_METRIC_HISTOGRAM, "moonwire_call_seconds",
                          "Time from a call's headers to its status.", 1);
  stats->wait = family(metrics, MW_METRIC_HISTOGRAM, "moonwire_call_wait_seconds",
                       "Time from a call's arrival until it began, for calls that waited a millisecond or longer.", 1);
  stats->received = family(metrics, MW_METRIC_COUNTER, "moonwire_messages_received_total",
                           "Messages that clients sent.", 1);
  stats->sent = family(metrics, MW_METRIC_COUNTER, "moonwire_messages_sent_total", "Messages sent to clients.", 1);
}

static struct mw_metric *part(struct mw_metric_family *family, const char *method, const char *code) {
  const char *const values[] = {method, code};
  struct mw_metric *out = NULL;
  if (!family || mw_metric_series(family, values, &out, NULL) != 0) return NULL;
  return mw_metric_shard(out);
}

static struct method_stats *method_of(struct mw_call_stats *stats, const char *path) {
  struct method_stats *method = mw_map_get(&stats->methods, mw_slice_str(path));
  if (method) return method;
  method = calloc(1, sizeof *method);
  if (!method || mw_map_set(&stats->methods, mw_slice_str(path), method) != 0) {
    free(method);
    return NULL;
  }
  method->seconds = part(stats->seconds, path, NULL);
  method->wait = part(stats->wait, path, NULL);
  method->received = part(stats->received, path, NULL);
  method->sent = part(stats->sent, path, NULL);
  return method;
}

void mw_call_stats_fini(struct mw_call_stats *stats) {
  size_t cursor = 0;
  struct method_stats *method;
  while ((method = mw_map_next(&stats->methods, &cursor, NULL))) free(method);
  mw_map_fini(&stats->methods);
  *stats = (struct mw_call_stats)MW_CALL_STATS_INIT;
}

void mw_call_stats_add(struct mw_call_stats *stats, struct mw_metrics *metrics, const char *path, enum mw_code code,
                       int64_t duration_ns, int64_t wait_ns, uint64_t received, uint64_t sent) {
  if (!stats->metrics) open_families(stats, metrics);
  struct method_stats *method = method_of(stats, path);
  if (!method) return;
  if ((unsigned)code >= MW_CODE_COUNT) code = MW_CODE_UNKNOWN;
  if (!method->calls[code]) method->calls[code] = part(stats->calls, path, mw_code_name(code));
  if (method->calls[code]) mw_metric_shard_add(method->calls[code], 1);
  if (method->seconds) mw_metric_shard_observe(method->seconds, (double)duration_ns / MW_NS_PER_S);
  if (method->wait && wait_ns >= MW_NS_PER_MS) mw_metric_shard_observe(method->wait, (double)wait_ns / MW_NS_PER_S);
  if (method->received && received > 0) mw_metric_shard_add(method->received, (double)received);
  if (method->sent && sent > 0) mw_metric_shard_add(method->sent, (double)sent);
}
