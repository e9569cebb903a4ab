/* Trace ids: valid traceparent headers, and the form of new ids. */
#include "observe/trace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void the_id_of_a_traceparent_is_read(void **state) {
  static const char *const headers[] = {
      "00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-00",      "00-" TRACE "-" SPAN "-fe",
      "01-" TRACE "-" SPAN "-01", "cc-" TRACE "-" SPAN "-01-more",
  };
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    char id[MW_TRACE_ID_LEN + 1];
    assert_true(mw_trace_read_id(mw_slice_str(headers[i]), id));
    assert_string_equal(id, TRACE);
  }
}

static void a_malformed_one_is_refused(void **state) {
  static const char *const malformed[] = {
      "",
      "00",
      "00-" TRACE "-" SPAN "-0",
      "00-" TRACE "-" SPAN "-01-more",
      "00-" TRACE "-" SPAN "-01 ",
      "cc-" TRACE "-" SPAN "-01.more",
      "ff-" TRACE "-" SPAN "-01",
      "0x-" TRACE "-" SPAN "-01",
      "00-" TRACE "-" SPAN "-0g",
      "00_" TRACE "-" SPAN "-01",
      "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
      "00-00000000000000000000000000000000-" SPAN "-01",
      "00-" TRACE "-0000000000000000-01",
  };
  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
    char id[MW_TRACE_ID_LEN + 1] = "untouched";
    assert_false(mw_trace_read_id(mw_slice_str(malformed[i]), id));
    assert_string_equal(id, "untouched");
  }
}

static void new_ids_differ(void **state) {
  char one[MW_TRACE_ID_LEN + 1], two[MW_TRACE_ID_LEN + 1];
  mw_trace_new_id(one);
  mw_trace_new_id(two);
  assert_int_equal(strlen(one), MW_TRACE_ID_LEN);
  assert_int_equal(strspn(one, "0123456789abcdef"), MW_TRACE_ID_LEN);
  assert_string_not_equal(one, two);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_id_of_a_traceparent_is_read),
      cmocka_unit_test(a_malformed_one_is_refused),
      cmocka_unit_test(new_ids_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
