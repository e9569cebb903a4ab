/* The histogram of the benchmark's client: the error of its buckets. */
#include "bench/load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void assert_near(double us, int64_t ns) {
  double exact = (double)ns / 1e3;
  assert_true(us >= exact && us <= exact * (1 + 1.0 / HISTOGRAM_STEPS));
}

static void every_value_is_told_within_a_64th(void **state) {
  for (int64_t ns = 1; ns < INT64_C(1) << 62; ns += ns / 50 + 1) {
    struct histogram histogram = {.max = INT64_MAX};
    histogram_add(&histogram, ns);
    assert_near(histogram_us(&histogram, 1), ns);
  }
}

static void shares_are_counted_from_below(void **state) {
  static struct histogram histogram;
  for (int64_t ms = 1; ms <= 1000; ms++) histogram_add(&histogram, ms * 1000000);
  assert_near(histogram_us(&histogram, 0.5), 500 * INT64_C(1000000));
  assert_near(histogram_us(&histogram, 0.99), 990 * INT64_C(1000000));
  assert_near(histogram_us(&histogram, 0.001), INT64_C(1000000));
}

static void nothing_is_beyond_the_largest(void **state) {
  struct histogram histogram = {.total = 0};
  histogram_add(&histogram, 1000001);
  histogram_add(&histogram, -5);
  assert_true(histogram_us(&histogram, 1) == 1000.001);
  assert_true(histogram_us(&histogram, 0.5) == 0);
}

static void an_empty_one_tells_zero(void **state) {
  struct histogram histogram = {.total = 0};
  assert_true(histogram_us(&histogram, 0.99) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_value_is_told_within_a_64th),
      cmocka_unit_test(shares_are_counted_from_below),
      cmocka_unit_test(nothing_is_beyond_the_largest),
      cmocka_unit_test(an_empty_one_tells_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
