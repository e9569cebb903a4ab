/* Metrics: counters, gauges and histograms of the runtime and the scripts.
 *
 * A family has a name, a help text and label names (Prometheus conventions); a series is a family with label values.
 * Any thread. A series is updated without a lock and lives as long as its registry. */
#ifndef MW_OBSERVE_METRICS_H
#define MW_OBSERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum mw_metric_kind { MW_METRIC_COUNTER, MW_METRIC_GAUGE, MW_METRIC_HISTOGRAM };

struct mw_metrics;
struct mw_metric_family;
struct mw_metric; /* a series */

struct mw_metrics *mw_metrics_new(void);
void mw_metrics_free(struct mw_metrics *metrics);

/* Most bytes that a registry takes of the heap. */
enum { MW_METRICS_BYTES = 64 * 1024 * 1024 };

struct mw_metric_definition {
  enum mw_metric_kind kind;
  const char *name, *help; /* `help` may be NULL */
  const char *const *labels;
  size_t n_labels;
  const double *bounds; /* ascending upper bounds of a histogram; NULL for the default latency bounds in seconds */
  size_t n_bounds;
};

/* Finds or creates a family. Borrows the definition. Returns 0; MW_EINVAL (a name or label that Prometheus does not
 * allow, bounds not ascending), MW_EEXIST (the family has another kind, labels or bounds), MW_ELIMIT (MW_METRICS_BYTES)
 * or MW_ENOMEM. */
int mw_metrics_family(struct mw_metrics *metrics, const struct mw_metric_definition *definition,
                      struct mw_metric_family **out, struct mw_err *err);

/* Name and labels of a family; they live as long as the registry. */
const char *mw_metric_family_name(const struct mw_metric_family *family);
const char *const *mw_metric_family_labels(const struct mw_metric_family *family, size_t *count);

/* Sums the values of all series of the family `name`, and for a histogram their counts in `count` (may be NULL).
 * Returns false if there is no such family. */
bool mw_metrics_total(struct mw_metrics *metrics, const char *name, double *total, uint64_t *count);

/* Finds or creates the series with these label values, one for each label of the family. A family holds at most
 * 10,000 series, so that a label taken from input cannot exhaust memory. Returns 0, MW_ELIMIT or MW_ENOMEM. */
int mw_metric_series(struct mw_metric_family *family, const char *const *values, struct mw_metric **out,
                     struct mw_err *err);

/* Finds or creates a family, and its series with these label values. For metrics of the runtime, which does without
 * those that it cannot create: returns NULL on failure. */
struct mw_metric *mw_metrics_open(struct mw_metrics *metrics, const struct mw_metric_definition *definition,
                                  const char *const *values);

/* Counters: by >= 0. Gauges: any. Not for histograms. */
void mw_metric_add(struct mw_metric *metric, double by);
/* Gauges only. */
void mw_metric_set(struct mw_metric *metric, double value);
/* Histograms only. */
void mw_metric_observe(struct mw_metric *metric, double value);

/* Creates a part of a counter or histogram for one thread that updates it often: an update needs no atomic
 * read-modify-write and no cache line of another processor. The value of the series includes its parts. A part lives
 * as long as the registry. Returns NULL without memory or over MW_METRICS_BYTES. */
struct mw_metric *mw_metric_shard(struct mw_metric *metric);

/* Update a part, on its thread only. Counters: by >= 0. */
void mw_metric_shard_add(struct mw_metric *part, double by);
void mw_metric_shard_observe(struct mw_metric *part, double value);

/* Returns a counter's or gauge's value, or a histogram's sum with its count in `count` (may be NULL). */
double mw_metric_value(const struct mw_metric *metric, uint64_t *count);

/* Appends all metrics in the Prometheus text format 0.0.4. Returns 0 or MW_ENOMEM. */
int mw_metrics_write(struct mw_metrics *metrics, struct mw_buf *out);

/* Like mw_metrics_write(), but returns MW_ELIMIT once is_over(arg) returns true. Calls it every 256 series, under a
 * family's lock. */
int mw_metrics_write_within(struct mw_metrics *metrics, struct mw_buf *out, bool (*is_over)(void *arg), void *arg);

#endif
