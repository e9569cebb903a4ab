/* Durations and times, which saturate at MW_NEVER. */
#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_span_ends_at_never(void **state) {
  const int64_t hour = 3600 * (int64_t)MW_NS_PER_S;
  assert_true(mw_duration(2, MW_NS_PER_S) == 2 * (int64_t)MW_NS_PER_S);
  assert_true(mw_duration(2562047, hour) == 2562047 * hour);
  assert_true(mw_duration(2562048, hour) == MW_NEVER);
  assert_true(mw_duration(INT64_MAX, hour) == MW_NEVER);
  assert_true(mw_duration(0, hour) == 0);
  assert_true(mw_duration(-1, hour) == 0);
}

static void so_does_one_of_seconds(void **state) {
  assert_true(mw_duration_from_seconds(1.5) == 1500 * (int64_t)MW_NS_PER_MS);
  assert_true(mw_duration_from_seconds(9.2e9) == INT64_C(9200000000) * MW_NS_PER_S);
  assert_true(mw_duration_from_seconds(0x1p63 / 1e9) == MW_NEVER);
  assert_true(mw_duration_from_seconds(1e300) == MW_NEVER);
  assert_true(mw_duration_from_seconds((double)INFINITY) == MW_NEVER);
  assert_true(mw_duration_from_seconds(-1) == 0);
  assert_true(mw_duration_from_seconds(-(double)INFINITY) == 0);
  assert_true(mw_duration_from_seconds((double)NAN) == 0);
}

static void so_does_a_point_in_time(void **state) {
  assert_true(mw_time_add(5, 7) == 12);
  assert_true(mw_time_add(5, MW_NEVER) == MW_NEVER);
  assert_true(mw_time_add(5, MW_NEVER - 5) == MW_NEVER);
  assert_true(mw_time_add(5, MW_NEVER - 6) == MW_NEVER - 1);
  assert_true(mw_time_add(MW_NEVER, 1) == MW_NEVER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_span_ends_at_never),
      cmocka_unit_test(so_does_one_of_seconds),
      cmocka_unit_test(so_does_a_point_in_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
