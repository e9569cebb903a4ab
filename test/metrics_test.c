/* Metrics: validation of families, counting from many threads, and the Prometheus text. */
#include "observe/metrics.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failmalloc.h"

enum { THREADS = 4, EACH = 5000 };

static int setup(void **state) {
  *state = mw_metrics_new();
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  mw_metrics_free(*state);
  return 0;
}

static struct mw_metric_family *family(void **state, enum mw_metric_kind kind, const char *name, const char *label) {
  struct mw_metric_family *made = NULL;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_metrics_family(*state, &(struct mw_metric_definition){kind, name, "", &label, label ? 1 : 0, NULL, 0},
                             &made, &err);
  if (rc != 0) fail_msg("%s", mw_err_text(&err));
  return made;
}

static struct mw_metric *series(struct mw_metric_family *of, const char *value) {
  struct mw_metric *made = NULL;
  assert_int_equal(mw_metric_series(of, &value, &made, NULL), 0);
  return made;
}

static void assert_text(void **state, const char *expected) {
  struct mw_buf text = MW_BUF_INIT;
  assert_int_equal(mw_metrics_write(*state, &text), 0);
  assert_string_equal(mw_buf_str(&text), expected);
  mw_buf_fini(&text);
}

static void assert_refused(void **state, int code, enum mw_metric_kind kind, const char *name,
                           const char *const *labels, size_t n_labels, const double *bounds, size_t n_bounds,
                           const char *words) {
  struct mw_metric_family *made = NULL;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(
      mw_metrics_family(*state, &(struct mw_metric_definition){kind, name, "", labels, n_labels, bounds, n_bounds},
                        &made, &err),
      code);
  assert_null(made);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
}

static void the_text_is_what_prometheus_reads(void **state) {
  static const char *const labels[] = {"method", "code"};
  static const double bounds[] = {0.1, 1};
  struct mw_metric_family *calls, *latency;
  struct mw_metric *metric;
  assert_int_equal(mw_metrics_family(*state,
                                     &(struct mw_metric_definition){MW_METRIC_HISTOGRAM, "latency_seconds",
                                                                    "Time\nspent", NULL, 0, bounds, 2},
                                     &latency, NULL),
                   0);
  assert_int_equal(mw_metric_series(latency, NULL, &metric, NULL), 0);
  mw_metric_observe(metric, 0.1);
  mw_metric_observe(metric, 0.5);
  mw_metric_observe(metric, 7);
  assert_int_equal(
      mw_metrics_family(*state,
                        &(struct mw_metric_definition){MW_METRIC_COUNTER, "calls_total", "Calls", labels, 2, NULL, 0},
                        &calls, NULL),
      0);
  const char *values[] = {"a\"b\\c\nd\xff\xc3\xa9", "OK"};
  assert_int_equal(mw_metric_series(calls, values, &metric, NULL), 0);
  mw_metric_add(metric, 3);
  mw_metric_set(series(family(state, MW_METRIC_GAUGE, "load", NULL), NULL), 0.1);
  assert_text(state,
              "# HELP calls_total Calls\n"
              "# TYPE calls_total counter\n"
              "calls_total{method=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\",code=\"OK\"} 3\n"
              "# HELP latency_seconds Time\\nspent\n"
              "# TYPE latency_seconds histogram\n"
              "latency_seconds_bucket{le=\"0.1\"} 1\n"
              "latency_seconds_bucket{le=\"1\"} 2\n"
              "latency_seconds_bucket{le=\"+Inf\"} 3\n"
              "latency_seconds_sum 7.6\n"
              "latency_seconds_count 3\n"
              "# TYPE load gauge\n"
              "load 0.1\n");
}

static void gauges_take_any_number(void **state) {
  struct mw_metric *gauge = series(family(state, MW_METRIC_GAUGE, "g", NULL), NULL);
  mw_metric_add(gauge, -2.5);
  assert_text(state, "# TYPE g gauge\ng -2.5\n");
  mw_metric_set(gauge, (double)INFINITY);
  assert_text(state, "# TYPE g gauge\ng +Inf\n");
  mw_metric_set(gauge, (double)NAN);
  assert_text(state, "# TYPE g gauge\ng NaN\n");
}

static void a_name_means_one_family_and_values_one_series(void **state) {
  struct mw_metric_family *one = family(state, MW_METRIC_COUNTER, "n", "l");
  assert_ptr_equal(family(state, MW_METRIC_COUNTER, "n", "l"), one);
  assert_ptr_equal(series(one, "x"), series(one, "x"));
  assert_ptr_not_equal(series(one, "x"), series(one, "y"));
}

static void values_that_look_alike_joined_differ(void **state) {
  static const char *const labels[] = {"a", "b"};
  const char *left[] = {"x", "yz"}, *right[] = {"xy", "z"};
  struct mw_metric_family *made;
  struct mw_metric *one, *two;
  assert_int_equal(
      mw_metrics_family(*state, &(struct mw_metric_definition){MW_METRIC_COUNTER, "n", "", labels, 2, NULL, 0}, &made,
                        NULL),
      0);
  assert_int_equal(mw_metric_series(made, left, &one, NULL), 0);
  assert_int_equal(mw_metric_series(made, right, &two, NULL), 0);
  assert_ptr_not_equal(one, two);
}

static void a_name_keeps_its_kind_labels_and_buckets(void **state) {
  static const char *const labels[] = {"l"};
  static const double bounds[] = {1, 2};
  family(state, MW_METRIC_COUNTER, "c", NULL);
  family(state, MW_METRIC_HISTOGRAM, "h", NULL);
  assert_refused(state, MW_EEXIST, MW_METRIC_GAUGE, "c", NULL, 0, NULL, 0,
                 "metric c is a counter already, so it cannot be a gauge");
  assert_refused(state, MW_EEXIST, MW_METRIC_COUNTER, "c", labels, 1, NULL, 0,
                 "metric c exists with other labels; use the same ones everywhere, and restart the server "
                 "to change them");
  assert_refused(state, MW_EEXIST, MW_METRIC_HISTOGRAM, "h", NULL, 0, bounds, 2,
                 "metric h exists with other buckets; use the same ones everywhere, and restart the server "
                 "to change them");
}

static void names_are_prometheus_names(void **state) {
  static const char *const label[] = {"a-b"}, *const reserved[] = {"__a"};
  static const char *const twice[] = {"a", "a"}, *const le[] = {"le"};
  static const double equal[] = {1, 1}, endless[] = {1, (double)INFINITY};
  assert_refused(state, MW_EINVAL, MW_METRIC_COUNTER, "9lives", NULL, 0, NULL, 0,
                 "\"9lives\" cannot name a metric: letters, digits, _ and :, no digit first");
  assert_refused(state, MW_EINVAL, MW_METRIC_COUNTER, "", NULL, 0, NULL, 0,
                 "\"\" cannot name a metric: letters, digits, _ and :, no digit first");
  assert_refused(state, MW_EINVAL, MW_METRIC_COUNTER, "c", label, 1, NULL, 0,
                 "metric c: \"a-b\" cannot be a label: letters, digits and _, neither a digit nor __ first");
  assert_refused(state, MW_EINVAL, MW_METRIC_COUNTER, "c", reserved, 1, NULL, 0,
                 "metric c: \"__a\" cannot be a label: letters, digits and _, neither a digit nor __ first");
  assert_refused(state, MW_EINVAL, MW_METRIC_COUNTER, "c", twice, 2, NULL, 0,
                 "metric c: the label \"a\" is given twice");
  assert_refused(state, MW_EINVAL, MW_METRIC_HISTOGRAM, "h", le, 1, NULL, 0,
                 "metric h: the label \"le\" is reserved for the buckets of a histogram");
  assert_refused(state, MW_EINVAL, MW_METRIC_HISTOGRAM, "h", NULL, 0, equal, 2,
                 "metric h: buckets must ascend, but 1 follows 1");
  assert_refused(state, MW_EINVAL, MW_METRIC_HISTOGRAM, "h", NULL, 0, endless, 2,
                 "metric h: bucket 2 is not a finite number; the infinite bucket is always added");
}

static void a_family_holds_ten_thousand_series(void **state) {
  struct mw_metric_family *of = family(state, MW_METRIC_COUNTER, "n", "l");
  struct mw_err err = MW_ERR_INIT;
  struct mw_metric *metric;
  char value[16];
  const char *values[] = {value};
  for (int i = 0; i < 10000; i++) {
    snprintf(value, sizeof value, "%d", i);
    assert_int_equal(mw_metric_series(of, values, &metric, NULL), 0);
  }
  snprintf(value, sizeof value, "more");
  assert_int_equal(mw_metric_series(of, values, &metric, &err), MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), "metric n has 10000 series, the maximum: is a label taken from input?");
  mw_err_fini(&err);
  snprintf(value, sizeof value, "7");
  assert_int_equal(mw_metric_series(of, values, &metric, NULL), 0);
}

static void a_registry_holds_so_many_bytes(void **state) {
  struct mw_metric_family *of = family(state, MW_METRIC_COUNTER, "n", "l");
  struct mw_err err = MW_ERR_INIT;
  struct mw_metric *metric;
  static char value[MW_METRICS_BYTES / 8];
  const char *values[] = {value};
  memset(value, 'x', sizeof value - 1);
  static const char words[] =
      "metric n: all metrics take 67108864 bytes, the maximum: is a name or label taken from "
      "input?";
  int n = 0;
  for (; mw_metric_series(of, values, &metric, &err) == 0; n++) value[n] = 'y';
  assert_int_equal(n, 3); /* a value is stored twice, also in its key */
  assert_int_equal(err.code, MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
  struct mw_metric_family *other;
  assert_int_equal(
      mw_metrics_family(*state, &(struct mw_metric_definition){MW_METRIC_GAUGE, "m", value, NULL, 0, NULL, 0}, &other,
                        &err),
      0);
  assert_int_equal(
      mw_metrics_family(*state, &(struct mw_metric_definition){MW_METRIC_GAUGE, "o", value, NULL, 0, NULL, 0}, &other,
                        &err),
      MW_ELIMIT);
  mw_err_fini(&err);
}

/* Makes a family and up to 9,000 series of it; false once the registry refuses. */
static bool fill_family(struct mw_metrics *metrics, enum mw_metric_kind kind, int number, int n_series) {
  char name[16], value[16];
  const char *const labels[] = {"l"}, *values[] = {value};
  struct mw_metric_family *of;
  struct mw_metric *metric;
  snprintf(name, sizeof name, "n%d", number);
  bool fine = mw_metrics_family(metrics,
                                &(struct mw_metric_definition){kind, name, NULL, labels, n_series > 0, NULL, 0}, &of,
                                NULL) == 0;
  for (int i = 0; i < n_series && fine; i++) {
    snprintf(value, sizeof value, "%d", i);
    fine = mw_metric_series(of, values, &metric, NULL) == 0 &&
           (kind != MW_METRIC_COUNTER || mw_metric_shard(metric) != NULL);
  }
  return fine;
}

static void small_series_and_families_count_what_they_take(void **state) {
  static const struct {
    enum mw_metric_kind kind;
    int n_series;
  } cases[] = {{MW_METRIC_GAUGE, 9000},
               {MW_METRIC_COUNTER, 9000},
               {MW_METRIC_HISTOGRAM, 9000},
               {MW_METRIC_GAUGE, 1},
               {MW_METRIC_GAUGE, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mw_metrics *metrics = mw_metrics_new();
    size_t before = mallinfo2().uordblks;
    for (int n = 0; fill_family(metrics, cases[i].kind, n, cases[i].n_series); n++) continue;
    size_t taken = mallinfo2().uordblks - before;
    mw_metrics_free(metrics);
    assert_true(taken <= MW_METRICS_BYTES);
  }
}

static void a_total_sums_all_series(void **state) {
  struct mw_metric_family *calls = family(state, MW_METRIC_COUNTER, "c", "l");
  struct mw_metric_family *times = family(state, MW_METRIC_HISTOGRAM, "h", "l");
  double total;
  uint64_t count;
  assert_true(mw_metrics_total(*state, "c", &total, NULL));
  assert_true(total == 0);
  mw_metric_add(series(calls, "x"), 1);
  mw_metric_add(series(calls, "y"), 2);
  mw_metric_observe(series(times, "x"), 0.5);
  mw_metric_observe(series(times, "y"), 0.5);
  assert_true(mw_metrics_total(*state, "c", &total, &count));
  assert_true(total == 3);
  assert_int_equal(count, 0);
  assert_true(mw_metrics_total(*state, "h", &total, &count));
  assert_true(total == 1);
  assert_int_equal(count, 2);
  assert_false(mw_metrics_total(*state, "none", &total, NULL));
}

static void *count_all(void *arg) {
  void **state = arg;
  for (int i = 0; i < EACH; i++) {
    mw_metric_add(series(family(state, MW_METRIC_COUNTER, "c", "l"), i % 2 ? "odd" : "even"), 1);
    mw_metric_observe(series(family(state, MW_METRIC_HISTOGRAM, "h", NULL), NULL), 2);
  }
  return NULL;
}

/* The same with a part for each thread. */
static void *count_in_parts(void *arg) {
  void **state = arg;
  struct mw_metric *odd = mw_metric_shard(series(family(state, MW_METRIC_COUNTER, "c", "l"), "odd"));
  struct mw_metric *even = mw_metric_shard(series(family(state, MW_METRIC_COUNTER, "c", "l"), "even"));
  struct mw_metric *h = mw_metric_shard(series(family(state, MW_METRIC_HISTOGRAM, "h", NULL), NULL));
  for (int i = 0; i < EACH; i++) {
    mw_metric_shard_add(i % 2 ? odd : even, 1);
    mw_metric_shard_observe(h, 2);
  }
  return NULL;
}

static void no_update_is_lost_between_threads(void **state) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? count_in_parts : count_all, state), 0);
  }
  struct mw_buf text = MW_BUF_INIT;
  for (int i = 0; i < 20; i++) {
    mw_buf_clear(&text);
    assert_int_equal(mw_metrics_write(*state, &text), 0);
  }
  mw_buf_fini(&text);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  uint64_t count;
  assert_true(mw_metric_value(series(family(state, MW_METRIC_COUNTER, "c", "l"), "odd"), NULL) == THREADS * EACH / 2);
  struct mw_metric *h = series(family(state, MW_METRIC_HISTOGRAM, "h", NULL), NULL);
  assert_true(mw_metric_value(h, &count) == 2.0 * THREADS * EACH);
  assert_int_equal(count, THREADS * EACH);
}

static void parts_count_in_their_series(void **state) {
  struct mw_metric *h = series(family(state, MW_METRIC_HISTOGRAM, "h", "l"), "x");
  struct mw_metric *parts[] = {mw_metric_shard(h), mw_metric_shard(h)};
  mw_metric_observe(h, 0.5);
  mw_metric_shard_observe(parts[0], 0.007);
  mw_metric_shard_observe(parts[1], 0.007);
  double total;
  uint64_t count;
  assert_true(mw_metrics_total(*state, "h", &total, &count));
  assert_int_equal(count, 3);
  assert_true(total == 0.5 + 0.007 + 0.007);
  struct mw_buf text = MW_BUF_INIT;
  assert_int_equal(mw_metrics_write(*state, &text), 0);
  assert_int_equal(mw_buf_putc(&text, '\0'), 0);
  assert_non_null(
      strstr((const char *)text.data, "h_bucket{l=\"x\",le=\"0.005\"} 0\nh_bucket{l=\"x\",le=\"0.01\"} 2\n"));
  assert_non_null(strstr((const char *)text.data, "h_count{l=\"x\"} 3\n"));
  assert_null(strstr(strstr((const char *)text.data, "h_count") + 1, "h_count"));
  mw_buf_fini(&text);
}

static bool is_second(void *n) { return ++*(int *)n == 2; }

static void a_text_ends_early(void **state) {
  struct mw_metric_family *f = family(state, MW_METRIC_GAUGE, "g", "l");
  char label[16];
  for (int i = 0; i < 2000; i++) {
    snprintf(label, sizeof label, "%d", i);
    series(f, label);
  }
  struct mw_buf text = MW_BUF_INIT;
  int looks = 0;
  assert_int_equal(mw_metrics_write_within(*state, &text, is_second, &looks), MW_ELIMIT);
  assert_int_equal(looks, 2);
  assert_int_equal(text.len, 0);
  assert_int_equal(mw_metrics_write(*state, &text), 0);
  mw_buf_fini(&text);
}

static int use_all(void *arg) {
  static const char *const labels[] = {"a", "b"}, *const values[] = {"x", "y"};
  struct mw_metrics *metrics = mw_metrics_new();
  struct mw_metric_family *made;
  struct mw_metric *metric;
  struct mw_buf text = MW_BUF_INIT;
  int rc = metrics ? 0 : MW_ENOMEM;
  for (int i = 0; rc == 0 && i < 2; i++) { /* found again the second time */
    rc = mw_metrics_family(
        metrics, &(struct mw_metric_definition){MW_METRIC_HISTOGRAM, "h", "Help.", labels, 2, NULL, 0}, &made, NULL);
    if (rc == 0) rc = mw_metric_series(made, values, &metric, NULL);
    if (rc == 0) mw_metric_observe(metric, 1);
  }
  if (rc == 0) rc = mw_metrics_write(metrics, &text);
  if (rc != 0) assert_int_equal(text.len, 0);
  mw_buf_fini(&text);
  mw_metrics_free(metrics);
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(use_all, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_text_is_what_prometheus_reads),
      TEST(gauges_take_any_number),
      TEST(a_name_means_one_family_and_values_one_series),
      TEST(values_that_look_alike_joined_differ),
      TEST(a_name_keeps_its_kind_labels_and_buckets),
      TEST(names_are_prometheus_names),
      TEST(a_family_holds_ten_thousand_series),
      TEST(a_registry_holds_so_many_bytes),
      TEST(small_series_and_families_count_what_they_take),
      TEST(a_total_sums_all_series),
      TEST(no_update_is_lost_between_threads),
      TEST(parts_count_in_their_series),
      TEST(a_text_ends_early),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
