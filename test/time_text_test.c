/* Timestamp and Duration as text, in both directions and at their limits. */
#include "schema/json/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void check_timestamp(const char *text, int64_t seconds, int32_t nanos) {
  int64_t s = 0;
  int32_t n = 0;
  assert_true(mw_timestamp_parse(mw_slice_str(text), &s, &n));
  assert_int_equal(s, seconds);
  assert_int_equal(n, nanos);
}

static void check_duration(const char *text, int64_t seconds, int32_t nanos) {
  int64_t s = 0;
  int32_t n = 0;
  assert_true(mw_duration_parse(mw_slice_str(text), &s, &n));
  assert_int_equal(s, seconds);
  assert_int_equal(n, nanos);
}

static void test_timestamp_reads(void **state) {
  check_timestamp("1970-01-01T00:00:00Z", 0, 0);
  check_timestamp("2026-11-21T10:33:54.123Z", 1795257234, 123000000);
  check_timestamp("1972-01-01T10:00:20.000000021+01:00", 63104420, 21);
  check_timestamp("1969-12-31T23:59:59.5-00:30", 1799, 500000000);
  check_timestamp("2000-02-29T00:00:00Z", 951782400, 0);
  check_timestamp("0001-01-01T00:00:00Z", -62135596800, 0);
  check_timestamp("9999-12-31T23:59:59.999999999Z", 253402300799, 999999999);
}

static void test_timestamp_refuses(void **state) {
  static const char *const wrong[] = {
      "",
      "1970-01-01",
      "1970-01-01T00:00:00",
      "1970-01-01t00:00:00Z",
      "1970-01-01T00:00:00z",
      "1970-01-01 00:00:00Z",
      "1900-02-29T00:00:00Z",
      "1970-13-01T00:00:00Z",
      "1970-00-01T00:00:00Z",
      "1970-04-31T00:00:00Z",
      "1970-01-01T24:00:00Z",
      "1970-01-01T00:60:00Z",
      "1970-01-01T00:00:60Z",
      "1970-01-01T00:00:00.Z",
      "1970-01-01T00:00:00.0000000001Z",
      "1970-01-01T00:00:00+1:00",
      "1970-01-01T00:00:00Z ",
      "0000-12-31T23:59:59Z",
      "0001-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01",
      "10000-01-01T00:00:00Z",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    int64_t s = 7;
    int32_t n = 7;
    if (mw_timestamp_parse(mw_slice_str(wrong[i]), &s, &n)) fail_msg("\"%s\" was taken", wrong[i]);
    assert_true(s == 7 && n == 7);
  }
}

static void test_timestamp_round_trips(void **state) {
  /* Steps of 11 days, 1 hour and 7 s: every month of every year, at changing times of the day. */
  for (int64_t s = -62135596800; s <= 253402300799; s += 86400 * 11 + 3607) {
    char text[MW_TIME_TEXT];
    size_t len = mw_timestamp_format(s, 0, text);
    assert_int_equal(len, strlen("2026-11-21T10:33:54Z"));
    check_timestamp(text, s, 0);
  }
}

static void test_timestamp_digits(void **state) {
  static const struct {
    int32_t nanos;
    const char *text;
  } cases[] = {{0, "1970-01-01T00:00:00Z"},
               {100000000, "1970-01-01T00:00:00.100Z"},
               {1000, "1970-01-01T00:00:00.000001Z"},
               {1, "1970-01-01T00:00:00.000000001Z"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[MW_TIME_TEXT];
    mw_timestamp_format(0, cases[i].nanos, text);
    assert_string_equal(text, cases[i].text);
  }
}

static void test_duration(void **state) {
  check_duration("0s", 0, 0);
  check_duration("1.5s", 1, 500000000);
  check_duration("-1.5s", -1, -500000000);
  check_duration("-0.000000001s", 0, -1);
  check_duration("315576000000s", 315576000000, 0);
  static const char *const wrong[] = {"",
                                      "s",
                                      "1",
                                      "1.s",
                                      ".5s",
                                      "+1s",
                                      "1 s",
                                      "1s ",
                                      "--1s",
                                      "1.0000000001s",
                                      "1S",
                                      "315576000001s",
                                      "1e3s",
                                      "-315576000001s",
                                      "99999999999999999999s"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    int64_t s;
    int32_t n;
    if (mw_duration_parse(mw_slice_str(wrong[i]), &s, &n)) fail_msg("\"%s\" was taken", wrong[i]);
  }
  char text[MW_TIME_TEXT];
  mw_duration_format(0, -500000000, text);
  assert_string_equal(text, "-0.500s");
  mw_duration_format(-3, 0, text);
  assert_string_equal(text, "-3s");
  mw_duration_format(1, 1001, text);
  assert_string_equal(text, "1.000001001s");
}

static void test_validity(void **state) {
  assert_false(mw_timestamp_valid(0, -1));
  assert_false(mw_timestamp_valid(0, 1000000000));
  assert_false(mw_timestamp_valid(253402300800, 0));
  assert_true(mw_duration_valid(0, -5));
  assert_false(mw_duration_valid(1, -1));
  assert_false(mw_duration_valid(-1, 1));
  assert_false(mw_duration_valid(0, 1000000000));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_timestamp_reads),
      cmocka_unit_test(test_timestamp_refuses),
      cmocka_unit_test(test_timestamp_round_trips),
      cmocka_unit_test(test_timestamp_digits),
      cmocka_unit_test(test_duration),
      cmocka_unit_test(test_validity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
