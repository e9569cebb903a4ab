/* Trace context: what counts as a traceparent, and what becomes of one. */
#include "observe/trace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static struct mw_trace continued(const char *header) {
  struct mw_trace trace;
  mw_trace_continue(&trace, mw_slice_str(header));
  assert_int_equal(strlen(trace.trace_id), 32);
  assert_int_equal(strlen(trace.span_id), 16);
  return trace;
}

static void a_trace_is_continued_with_a_new_span(void **state) {
  struct mw_trace trace = continued("00-" TRACE "-" SPAN "-01");
  assert_string_equal(trace.trace_id, TRACE);
  assert_string_not_equal(trace.span_id, SPAN);
  assert_int_equal(trace.flags, 1);
}

static void only_the_sampled_flag_goes_on(void **state) {
  assert_int_equal(continued("00-" TRACE "-" SPAN "-fe").flags, 0);
  assert_int_equal(continued("00-" TRACE "-" SPAN "-ff").flags, 1);
}

static void a_later_version_may_be_longer(void **state) {
  assert_string_equal(continued("01-" TRACE "-" SPAN "-01").trace_id, TRACE);
  assert_string_equal(continued("cc-" TRACE "-" SPAN "-01-more").trace_id, TRACE);
}

static void what_is_malformed_starts_a_new_trace(void **state) {
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
    struct mw_trace trace = continued(malformed[i]);
    assert_string_not_equal(trace.trace_id, TRACE);
    assert_int_equal(trace.flags, 0);
  }
}

static void new_traces_differ(void **state) {
  struct mw_trace one = continued(""), two = continued("");
  assert_string_not_equal(one.trace_id, two.trace_id);
  assert_string_not_equal(one.span_id, two.span_id);
}

static void what_is_written_reads_back(void **state) {
  struct mw_trace trace = continued("00-" TRACE "-" SPAN "-01");
  char text[MW_TRACEPARENT_LEN + 1];
  mw_trace_write(&trace, text);
  assert_int_equal(strlen(text), MW_TRACEPARENT_LEN);
  assert_memory_equal(text, "00-" TRACE "-", 36);
  assert_memory_equal(text + 36, trace.span_id, 16);
  assert_string_equal(text + 52, "-01");
  assert_string_equal(continued(text).trace_id, TRACE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trace_is_continued_with_a_new_span),
      cmocka_unit_test(only_the_sampled_flag_goes_on),
      cmocka_unit_test(a_later_version_may_be_longer),
      cmocka_unit_test(what_is_malformed_starts_a_new_trace),
      cmocka_unit_test(new_traces_differ),
      cmocka_unit_test(what_is_written_reads_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
