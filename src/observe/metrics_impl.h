/* The structs of the metrics, for metrics.c (registry and values) and metrics_text.c (export). */
#ifndef MW_OBSERVE_METRICS_IMPL_H
#define MW_OBSERVE_METRICS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "observe/metrics.h"

struct mw_metrics {
  pthread_mutex_t lock; /* guards the two below */
  struct mw_list families;
  struct mw_map by_name;
  atomic_size_t bytes; /* of all families and series */
};

struct mw_metric_family {
  struct mw_list link; /* in mw_metrics.families */
  struct mw_metrics *metrics;
  enum mw_metric_kind kind;
  char *name, *help;
  char **labels;
  size_t n_labels;
  double *bounds;
  size_t n_bounds;
  pthread_mutex_t lock; /* guards the two below; taken after the registry's */
  struct mw_list series;
  struct mw_map by_values;
};

struct mw_metric {
  struct mw_list link; /* in mw_metric_family.series; unused in a part */
  struct mw_metric_family *family;
  char **values;                  /* of the labels; NULL in a part */
  struct mw_metric *_Atomic part; /* the newest part; in a part, the one created before it; NULL for none; owned */
  _Atomic double value;           /* a histogram's sum */
  _Atomic uint64_t buckets[];     /* histograms: one for each bound and one for infinity, not cumulative */
};

/* The count of a histogram's bucket, with its parts. */
uint64_t mw_metric_bucket(const struct mw_metric *metric, size_t bucket);

/* "counter", "gauge", "histogram" */
const char *mw_metric_kind_name(enum mw_metric_kind kind);

#endif
