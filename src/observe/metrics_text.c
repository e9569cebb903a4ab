/* The Prometheus text format 0.0.4: families sorted by name, series in order of creation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "observe/metrics_impl.h"
#include "observe/utf8.h"

#define TRY(expression)       \
  do {                        \
    int rc_ = (expression);   \
    if (rc_ != 0) return rc_; \
  } while (0)

/* Escapes newline, backslash and, in label values, the quote; replaces malformed UTF-8 by U+FFFD. */
static int put_escaped(struct mw_buf *out, const char *text, bool quotes) {
  struct mw_slice left = mw_slice_str(text);
  while (left.len > 0) {
    size_t step = mw_utf8_step(left);
    if (step == 0) {
      step = 1;
      TRY(mw_buf_puts(out, "\xef\xbf\xbd")); /* U+FFFD */
    } else if (left.data[0] == '\n') {
      TRY(mw_buf_puts(out, "\\n"));
    } else {
      if (left.data[0] == '\\' || (quotes && left.data[0] == '"')) TRY(mw_buf_putc(out, '\\'));
      TRY(mw_buf_append(out, left.data, step));
    }
    left = mw_slice(left.data + step, left.len - step);
  }
  return 0;
}

/* Writes the shortest form that reads back as the same number. */
static int put_number(struct mw_buf *out, double value) {
  if (isnan(value)) return mw_buf_puts(out, "NaN");
  if (isinf(value)) return mw_buf_puts(out, value > 0 ? "+Inf" : "-Inf");
  char text[32];
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, value);
    if (strtod(text, NULL) == value) break;
  }
  return mw_buf_puts(out, text);
}

/* Writes {label="value",...}, with `le` as the last label unless it is NULL; nothing without labels. */
static int put_labels(struct mw_buf *out, const struct mw_metric *metric, const double *le) {
  const struct mw_metric_family *family = metric->family;
  if (family->n_labels == 0 && !le) return 0;
  TRY(mw_buf_putc(out, '{'));
  for (size_t i = 0; i < family->n_labels; i++) {
    TRY(mw_buf_printf(out, "%s%s=\"", i > 0 ? "," : "", family->labels[i]));
    TRY(put_escaped(out, metric->values[i], true));
    TRY(mw_buf_putc(out, '"'));
  }
  if (le) {
    TRY(mw_buf_printf(out, "%sle=\"", family->n_labels > 0 ? "," : ""));
    TRY(put_number(out, *le));
    TRY(mw_buf_putc(out, '"'));
  }
  return mw_buf_putc(out, '}');
}

static int put_sample(struct mw_buf *out, const struct mw_metric *metric, const char *suffix, const double *le,
                      double value) {
  TRY(mw_buf_printf(out, "%s%s", metric->family->name, suffix));
  TRY(put_labels(out, metric, le));
  TRY(mw_buf_putc(out, ' '));
  TRY(put_number(out, value));
  return mw_buf_putc(out, '\n');
}

/* The count is the sum of the buckets as read, so that it equals the infinite bucket. */
static int put_histogram(struct mw_buf *out, const struct mw_metric *metric) {
  const struct mw_metric_family *family = metric->family;
  uint64_t count = 0;
  for (size_t i = 0; i <= family->n_bounds; i++) {
    double bound = i < family->n_bounds ? family->bounds[i] : (double)INFINITY;
    count += mw_metric_bucket(metric, i);
    TRY(put_sample(out, metric, "_bucket", &bound, (double)count));
  }
  TRY(put_sample(out, metric, "_sum", NULL, mw_metric_value(metric, NULL)));
  return put_sample(out, metric, "_count", NULL, (double)count);
}

/* Ends the export: put_all_series() calls is_over(arg), unless it is NULL, every SERIES series. */
struct limit {
  bool (*is_over)(void *arg);
  void *arg;
  size_t n; /* series so far */
};

enum { SERIES = 256 }; /* between two calls of is_over() */

/* Under the family's lock. */
static int put_all_series(struct mw_buf *out, struct mw_metric_family *family, struct limit *limit) {
  for (struct mw_list *node = family->series.next; node != &family->series; node = node->next) {
    const struct mw_metric *metric = MW_CONTAINER(node, struct mw_metric, link);
    if (limit->is_over && ++limit->n % SERIES == 0 && limit->is_over(limit->arg)) return MW_ELIMIT;
    if (family->kind == MW_METRIC_HISTOGRAM) {
      TRY(put_histogram(out, metric));
    } else {
      TRY(put_sample(out, metric, "", NULL, mw_metric_value(metric, NULL)));
    }
  }
  return 0;
}

static int put_family(struct mw_buf *out, struct mw_metric_family *family, struct limit *limit) {
  if (family->help[0]) {
    TRY(mw_buf_printf(out, "# HELP %s ", family->name));
    TRY(put_escaped(out, family->help, false));
    TRY(mw_buf_putc(out, '\n'));
  }
  TRY(mw_buf_printf(out, "# TYPE %s %s\n", family->name, mw_metric_kind_name(family->kind)));
  pthread_mutex_lock(&family->lock);
  int rc = put_all_series(out, family, limit);
  pthread_mutex_unlock(&family->lock);
  return rc;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(struct mw_metric_family *const *)a)->name, (*(struct mw_metric_family *const *)b)->name);
}

/* All families, sorted, as an owned array; NULL without memory. */
static struct mw_metric_family **sorted_families(struct mw_metrics *metrics, size_t *count) {
  pthread_mutex_lock(&metrics->lock);
  *count = 0;
  struct mw_metric_family **families = calloc(metrics->by_name.len + 1, sizeof *families);
  for (struct mw_list *node = metrics->families.next; families && node != &metrics->families; node = node->next) {
    families[(*count)++] = MW_CONTAINER(node, struct mw_metric_family, link);
  }
  pthread_mutex_unlock(&metrics->lock);
  if (families) qsort(families, *count, sizeof *families, by_name);
  return families;
}

int mw_metrics_write_within(struct mw_metrics *metrics, struct mw_buf *out, bool (*is_over)(void *arg), void *arg) {
  size_t count, before = out->len;
  struct limit limit = {is_over, arg, 0};
  struct mw_metric_family **families = sorted_families(metrics, &count);
  int rc = families ? 0 : MW_ENOMEM;
  for (size_t i = 0; rc == 0 && i < count; i++) rc = put_family(out, families[i], &limit);
  free(families);
  if (rc != 0) out->len = before;
  return rc;
}

int mw_metrics_write(struct mw_metrics *metrics, struct mw_buf *out) {
  return mw_metrics_write_within(metrics, out, NULL, NULL);
}
