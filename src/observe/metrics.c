/* The registry has a lock for its families, a family one for its series. Finding and creating take both; updating
 * takes neither. Families and series are only added, so that pointers to them stay valid. Their lists keep the order
 * of creation. Values are atomics; doubles change by compare-and-swap. A part has one writer, which loads and
 * stores; readers add a series and its parts. */
#include "observe/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "observe/metrics_impl.h"

enum {
  MAX_SERIES = 10000,
  CACHE_LINE = 64, /* and at most as much goes to waste beside a block that is aligned to one */
  MAP_ENTRY = 128, /* bytes: most that an entry takes of a map's array, also while that is replaced by a larger one */
  MAP_FIRST = 528  /* bytes of a map's first array */
};

/* The default buckets of Prometheus clients, for latencies in seconds. */
static const double default_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

const char *mw_metric_kind_name(enum mw_metric_kind kind) { return kind_names[kind]; }

struct mw_metrics *mw_metrics_new(void) {
  struct mw_metrics *metrics = calloc(1, sizeof *metrics);
  if (!metrics) return NULL;
  pthread_mutex_init(&metrics->lock, NULL);
  mw_list_init(&metrics->families);
  return metrics;
}

static void free_strings(char **strings, size_t count) {
  for (size_t i = 0; strings && i < count; i++) free(strings[i]);
  free(strings);
}

static void series_free(struct mw_metric *metric) {
  free_strings(metric->values, metric->family->n_labels);
  for (struct mw_metric *next; metric; metric = next) {
    next = atomic_load_explicit(&metric->part, memory_order_relaxed);
    free(metric);
  }
}

static void family_free(struct mw_metric_family *family) {
  if (!family) return;
  struct mw_list *node;
  while ((node = mw_list_shift(&family->series))) series_free(MW_CONTAINER(node, struct mw_metric, link));
  mw_map_fini(&family->by_values);
  pthread_mutex_destroy(&family->lock);
  free_strings(family->labels, family->n_labels);
  free(family->bounds);
  free(family->help);
  free(family->name);
  free(family);
}

void mw_metrics_free(struct mw_metrics *metrics) {
  if (!metrics) return;
  struct mw_list *node;
  while ((node = mw_list_shift(&metrics->families))) family_free(MW_CONTAINER(node, struct mw_metric_family, link));
  mw_map_fini(&metrics->by_name);
  pthread_mutex_destroy(&metrics->lock);
  free(metrics);
}

/* Reserves bytes for a new object, which is never freed. Returns 0 or MW_ELIMIT. */
static int reserve_bytes(struct mw_metrics *metrics, const char *name, size_t bytes, struct mw_err *err) {
  if (bytes <= MW_METRICS_BYTES && atomic_fetch_add(&metrics->bytes, bytes) + bytes <= MW_METRICS_BYTES) return 0;
  if (bytes <= MW_METRICS_BYTES) atomic_fetch_sub(&metrics->bytes, bytes);
  return mw_err_set(err, MW_ELIMIT,
                    "metric %.100s: all metrics take %d bytes, the maximum: is a name or label taken from input?", name,
                    MW_METRICS_BYTES);
}

/* Bytes that the heap takes for a block of `size`. */
static size_t block(size_t size) {
  enum { HEAD = 8, STEP = 16, LEAST = 32 };
  size_t taken = (size + HEAD + STEP - 1) / STEP * STEP;
  return taken < LEAST ? LEAST : taken;
}

/* The same for copy_strings(). */
static size_t size_of(const char *const *strings, size_t count) {
  size_t size = block((count + 1) * sizeof *strings);
  for (size_t i = 0; i < count; i++) size += block(strlen(strings[i]) + 1);
  return size;
}

/* ---- families ---- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_name(const char *name, bool colons) {
  if (*name == '\0' || is_digit(*name)) return false;
  for (; *name; name++) {
    if (!is_letter(*name) && !is_digit(*name) && !(colons && *name == ':')) return false;
  }
  return true;
}

static int check_labels(const struct mw_metric_definition *definition, struct mw_err *err) {
  const char *name = definition->name, *const *labels = definition->labels;
  for (size_t i = 0; i < definition->n_labels; i++) {
    if (!is_name(labels[i], false) || strncmp(labels[i], "__", 2) == 0) {
      return mw_err_set(err, MW_EINVAL,
                        "metric %s: \"%s\" cannot be a label: letters, digits and _, neither a digit nor __ first",
                        name, labels[i]);
    }
    if (definition->kind == MW_METRIC_HISTOGRAM && strcmp(labels[i], "le") == 0) {
      return mw_err_set(err, MW_EINVAL, "metric %s: the label \"le\" is reserved for the buckets of a histogram", name);
    }
    for (size_t j = 0; j < i; j++) {
      if (strcmp(labels[i], labels[j]) == 0) {
        return mw_err_set(err, MW_EINVAL, "metric %s: the label \"%s\" is given twice", name, labels[i]);
      }
    }
  }
  return 0;
}

static int check_bounds(const struct mw_metric_definition *definition, struct mw_err *err) {
  const char *name = definition->name;
  const double *bounds = definition->bounds;
  for (size_t i = 0; i < definition->n_bounds; i++) {
    if (!isfinite(bounds[i])) {
      return mw_err_set(err, MW_EINVAL,
                        "metric %s: bucket %zu is not a finite number; the infinite bucket is always added", name,
                        i + 1);
    }
    if (i > 0 && bounds[i] <= bounds[i - 1]) {
      return mw_err_set(err, MW_EINVAL, "metric %s: buckets must ascend, but %g follows %g", name, bounds[i],
                        bounds[i - 1]);
    }
  }
  return 0;
}

static char **copy_strings(const char *const *strings, size_t count) {
  char **copy = calloc(count + 1, sizeof *copy);
  for (size_t i = 0; copy && i < count; i++) {
    copy[i] = strdup(strings[i]);
    if (!copy[i]) {
      free_strings(copy, i);
      return NULL;
    }
  }
  return copy;
}

static struct mw_metric_family *family_new(const struct mw_metric_definition *definition) {
  size_t n_labels = definition->n_labels, n_bounds = definition->n_bounds;
  struct mw_metric_family *family = calloc(1, sizeof *family);
  if (!family) return NULL;
  pthread_mutex_init(&family->lock, NULL);
  mw_list_init(&family->link);
  mw_list_init(&family->series);
  family->kind = definition->kind;
  family->n_bounds = n_bounds;
  family->name = strdup(definition->name);
  family->help = strdup(definition->help ? definition->help : "");
  family->bounds = calloc(n_bounds + 1, sizeof *family->bounds);
  family->labels = copy_strings(definition->labels, n_labels);
  if (family->labels) family->n_labels = n_labels;
  if (!family->name || !family->help || !family->bounds || !family->labels) {
    family_free(family);
    return NULL;
  }
  if (n_bounds > 0) memcpy(family->bounds, definition->bounds, n_bounds * sizeof *family->bounds);
  return family;
}

static int set_other(const struct mw_metric_family *family, const char *what, struct mw_err *err) {
  return mw_err_set(err, MW_EEXIST,
                    "metric %s exists with other %s; use the same ones everywhere, and restart the server "
                    "to change them",
                    family->name, what);
}

static int check_same(const struct mw_metric_family *family, const struct mw_metric_definition *definition,
                      struct mw_err *err) {
  if (family->kind != definition->kind) {
    return mw_err_set(err, MW_EEXIST, "metric %s is a %s already, so it cannot be a %s", family->name,
                      kind_names[family->kind], kind_names[definition->kind]);
  }
  bool same = family->n_labels == definition->n_labels;
  for (size_t i = 0; same && i < family->n_labels; i++) same = strcmp(family->labels[i], definition->labels[i]) == 0;
  if (!same) return set_other(family, "labels", err);
  same = family->n_bounds == definition->n_bounds;
  for (size_t i = 0; same && i < family->n_bounds; i++) same = family->bounds[i] == definition->bounds[i];
  return same ? 0 : set_other(family, "buckets", err);
}

/* Bytes of a new family in the heap. */
static size_t family_size(const struct mw_metric_definition *definition) {
  const char *help = definition->help ? definition->help : "";
  return block(sizeof(struct mw_metric_family)) + 2 * block(strlen(definition->name) + 1) + block(strlen(help) + 1) +
         size_of(definition->labels, definition->n_labels) +
         block((definition->n_bounds + 1) * sizeof *definition->bounds) + MAP_ENTRY + MAP_FIRST;
}

/* Under the registry's lock. */
static int add_family(struct mw_metrics *metrics, const struct mw_metric_definition *definition,
                      struct mw_metric_family **out, struct mw_err *err) {
  const char *name = definition->name;
  if (reserve_bytes(metrics, name, family_size(definition), err) != 0) return MW_ELIMIT;
  struct mw_metric_family *family = family_new(definition);
  if (!family || mw_map_set(&metrics->by_name, mw_slice_str(name), family) != 0) {
    family_free(family);
    return mw_err_set(err, MW_ENOMEM, "metric %s: out of memory", name);
  }
  family->metrics = metrics;
  mw_list_push(&metrics->families, &family->link);
  *out = family;
  return 0;
}

/* Returns the definition with the bounds that apply to its kind. */
static struct mw_metric_definition with_bounds(const struct mw_metric_definition *definition) {
  struct mw_metric_definition full = *definition;
  if (full.kind != MW_METRIC_HISTOGRAM) {
    full.n_bounds = 0;
  } else if (!full.bounds) {
    full.bounds = default_bounds;
    full.n_bounds = sizeof default_bounds / sizeof *default_bounds;
  }
  return full;
}

int mw_metrics_family(struct mw_metrics *metrics, const struct mw_metric_definition *definition,
                      struct mw_metric_family **out, struct mw_err *err) {
  const struct mw_metric_definition full = with_bounds(definition);
  const char *name = full.name;
  if (!is_name(name, true)) {
    return mw_err_set(err, MW_EINVAL, "\"%s\" cannot name a metric: letters, digits, _ and :, no digit first", name);
  }
  int rc = check_labels(&full, err);
  if (rc == 0) rc = check_bounds(&full, err);
  if (rc != 0) return rc;

  pthread_mutex_lock(&metrics->lock);
  struct mw_metric_family *family = mw_map_get(&metrics->by_name, mw_slice_str(name));
  if (family) {
    rc = check_same(family, &full, err);
  } else {
    rc = add_family(metrics, &full, &family, err);
  }
  pthread_mutex_unlock(&metrics->lock);
  if (rc == 0) *out = family;
  return rc;
}

const char *mw_metric_family_name(const struct mw_metric_family *family) { return family->name; }

const char *const *mw_metric_family_labels(const struct mw_metric_family *family, size_t *count) {
  *count = family->n_labels;
  return (const char *const *)family->labels;
}

/* ---- series ---- */

/* Label values as one key, each with its zero byte, which no value contains. */
static int series_key(struct mw_buf *key, const struct mw_metric_family *family, const char *const *values) {
  int rc = mw_buf_reserve(key, 1);
  for (size_t i = 0; rc == 0 && i < family->n_labels; i++) rc = mw_buf_append(key, values[i], strlen(values[i]) + 1);
  return rc;
}

static size_t n_buckets(const struct mw_metric_family *family) {
  return family->kind == MW_METRIC_HISTOGRAM ? family->n_bounds + 1 : 0;
}

/* Bytes of a series without its label values, or of a part, rounded up to cache lines. */
static size_t size_of_values(const struct mw_metric_family *family) {
  size_t size = sizeof(struct mw_metric) + n_buckets(family) * sizeof(uint64_t);
  return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static struct mw_metric *part_new(struct mw_metric_family *family) {
  struct mw_metric *metric = aligned_alloc(CACHE_LINE, size_of_values(family));
  if (!metric) return NULL;
  *metric = (struct mw_metric){.family = family};
  mw_list_init(&metric->link);
  atomic_init(&metric->part, NULL);
  atomic_init(&metric->value, 0.0);
  for (size_t i = 0; i < n_buckets(family); i++) atomic_init(&metric->buckets[i], 0);
  return metric;
}

static struct mw_metric *series_new(struct mw_metric_family *family, const char *const *values) {
  struct mw_metric *metric = part_new(family);
  if (!metric) return NULL;
  metric->values = copy_strings(values, family->n_labels);
  if (!metric->values) {
    free(metric);
    return NULL;
  }
  return metric;
}

/* Under the family's lock. */
static int add_series(struct mw_metric_family *family, struct mw_slice key, const char *const *values,
                      struct mw_metric **out, struct mw_err *err) {
  if (family->by_values.len >= MAX_SERIES) {
    return mw_err_set(err, MW_ELIMIT, "metric %s has %d series, the maximum: is a label taken from input?",
                      family->name, MAX_SERIES);
  }
  size_t size = CACHE_LINE + size_of_values(family) + block(key.len + 1) + size_of(values, family->n_labels) +
                MAP_ENTRY;
  if (reserve_bytes(family->metrics, family->name, size, err) != 0) return MW_ELIMIT;
  struct mw_metric *metric = series_new(family, values);
  if (!metric || mw_map_set(&family->by_values, key, metric) != 0) {
    if (metric) series_free(metric);
    return mw_err_set(err, MW_ENOMEM, "metric %s: out of memory", family->name);
  }
  mw_list_push(&family->series, &metric->link);
  *out = metric;
  return 0;
}

int mw_metric_series(struct mw_metric_family *family, const char *const *values, struct mw_metric **out,
                     struct mw_err *err) {
  struct mw_buf key = MW_BUF_INIT;
  int rc = series_key(&key, family, values);
  if (rc == 0) {
    pthread_mutex_lock(&family->lock);
    struct mw_metric *metric = mw_map_get(&family->by_values, mw_buf_slice(&key));
    if (metric) {
      *out = metric;
    } else {
      rc = add_series(family, mw_buf_slice(&key), values, out, err);
    }
    pthread_mutex_unlock(&family->lock);
  } else {
    mw_err_set(err, rc, "metric %s: out of memory", family->name);
  }
  mw_buf_fini(&key);
  return rc;
}

struct mw_metric *mw_metrics_open(struct mw_metrics *metrics, const struct mw_metric_definition *definition,
                                  const char *const *values) {
  struct mw_metric_family *family;
  struct mw_metric *metric = NULL;
  if (mw_metrics_family(metrics, definition, &family, NULL) == 0) mw_metric_series(family, values, &metric, NULL);
  return metric;
}

struct mw_metric *mw_metric_shard(struct mw_metric *metric) {
  struct mw_metric_family *family = metric->family;
  assert(family->kind != MW_METRIC_GAUGE);
  if (reserve_bytes(family->metrics, family->name, CACHE_LINE + size_of_values(family), NULL) != 0) return NULL;
  struct mw_metric *part = part_new(family);
  if (!part) return NULL;
  pthread_mutex_lock(&family->lock);
  atomic_store_explicit(&part->part, atomic_load_explicit(&metric->part, memory_order_relaxed), memory_order_relaxed);
  atomic_store_explicit(&metric->part, part, memory_order_release);
  pthread_mutex_unlock(&family->lock);
  return part;
}

/* ---- values ---- */

static void add(_Atomic double *value, double by) {
  double seen = atomic_load_explicit(value, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(value, &seen, seen + by, memory_order_relaxed, memory_order_relaxed)) {
  }
}

void mw_metric_add(struct mw_metric *metric, double by) {
  assert(metric->family->kind != MW_METRIC_HISTOGRAM);
  assert(metric->family->kind != MW_METRIC_COUNTER || by >= 0);
  add(&metric->value, by);
}

void mw_metric_set(struct mw_metric *metric, double value) {
  assert(metric->family->kind == MW_METRIC_GAUGE);
  atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

static size_t bucket_of(const struct mw_metric_family *family, double value) {
  assert(family->kind == MW_METRIC_HISTOGRAM);
  size_t bucket = 0;
  while (bucket < family->n_bounds && !(value <= family->bounds[bucket])) bucket++;
  return bucket;
}

void mw_metric_observe(struct mw_metric *metric, double value) {
  atomic_fetch_add_explicit(&metric->buckets[bucket_of(metric->family, value)], 1, memory_order_relaxed);
  add(&metric->value, value);
}

void mw_metric_shard_add(struct mw_metric *part, double by) {
  double value = atomic_load_explicit(&part->value, memory_order_relaxed);
  atomic_store_explicit(&part->value, value + by, memory_order_relaxed);
}

void mw_metric_shard_observe(struct mw_metric *part, double value) {
  _Atomic uint64_t *bucket = &part->buckets[bucket_of(part->family, value)];
  atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
  mw_metric_shard_add(part, value);
}

static const struct mw_metric *part_of(const struct mw_metric *metric) {
  return atomic_load_explicit(&metric->part, memory_order_acquire);
}

uint64_t mw_metric_bucket(const struct mw_metric *metric, size_t bucket) {
  uint64_t count = 0;
  for (; metric; metric = part_of(metric)) {
    count += atomic_load_explicit(&metric->buckets[bucket], memory_order_relaxed);
  }
  return count;
}

double mw_metric_value(const struct mw_metric *metric, uint64_t *count) {
  if (count) {
    *count = 0;
    for (size_t i = 0; i < n_buckets(metric->family); i++) *count += mw_metric_bucket(metric, i);
  }
  double value = 0;
  for (; metric; metric = part_of(metric)) value += atomic_load_explicit(&metric->value, memory_order_relaxed);
  return value;
}

bool mw_metrics_total(struct mw_metrics *metrics, const char *name, double *total, uint64_t *count) {
  pthread_mutex_lock(&metrics->lock);
  struct mw_metric_family *family = mw_map_get(&metrics->by_name, mw_slice_str(name));
  pthread_mutex_unlock(&metrics->lock);
  if (!family) return false;
  double sum = 0;
  uint64_t counts = 0, n;
  pthread_mutex_lock(&family->lock);
  for (struct mw_list *node = family->series.next; node != &family->series; node = node->next) {
    sum += mw_metric_value(MW_CONTAINER(node, struct mw_metric, link), &n);
    counts += n;
  }
  pthread_mutex_unlock(&family->lock);
  *total = sum;
  if (count) *count = counts;
  return true;
}
