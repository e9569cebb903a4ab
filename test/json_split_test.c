/* The ends of values in a text. They are independent of the cut into pieces. */
#include "schema/json/json_split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* Splits `text`, which arrives `step` bytes at a time. Writes the values, joined with '|'. */
static void split(const char *text, size_t step, char *out, size_t room) {
  size_t len = strlen(text), start = 0, known = 0, used = 0;
  struct mw_json_split state = {0};
  struct mw_slice value;
  out[0] = '\0';
  for (;;) {
    bool ended = known == len;
    if (mw_json_split_next(&state, mw_slice(text + start, known - start), ended, &value)) {
      used += (size_t)snprintf(out + used, room - used, "%s%.*s", used ? "|" : "", (int)value.len,
                               (const char *)value.data);
      start = (size_t)((const char *)value.data - text) + value.len;
      state = (struct mw_json_split){0};
    } else if (ended) {
      return;
    } else {
      known = known + step < len ? known + step : len;
    }
  }
}

static void check(const char *text, const char *values) {
  for (size_t step = 1; step <= strlen(text) + 1; step++) {
    char got[256];
    split(text, step, got, sizeof got);
    assert_string_equal(got, values);
  }
}

static void test_split(void **state) {
  check("", "");
  check(" \n\t ", "");
  check("{}", "{}");
  check("{\"a\":1}\n{\"b\":[{}]}\n", "{\"a\":1}|{\"b\":[{}]}");
  check("{}{}[] []", "{}|{}|[]|[]");
  check("{\"a\":\"}{\\\"]\"} {}", "{\"a\":\"}{\\\"]\"}|{}");
  check("\"a b\\\\\"\"c\"", "\"a b\\\\\"|\"c\"");
  check("1 -2.5e3\ntrue null", "1|-2.5e3|true|null");
  check("1{}2\"x\"3", "1|{}|2|\"x\"|3");
}

/* Malformed JSON is returned whole, for the reader to refuse. */
static void test_malformed(void **state) {
  check("{\"a\":", "{\"a\":");
  check("{} {\"a", "{}|{\"a");
  check("]x {}", "]x|{}");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_malformed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
