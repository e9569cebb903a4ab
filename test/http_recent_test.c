/* The states of a client's recent streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/http/h2/recent.h"

static void end(struct mw_http_recent *recent, int32_t stream) { (void)mw_http_recent_take(recent, stream, true); }

static void streams_to_come_are_nothing_special(void **state) {
  struct mw_http_recent recent = MW_HTTP_RECENT_INIT;
  assert_int_equal(mw_http_recent_find(&recent, 0), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 1), MW_HTTP_STREAM_LIVE);
  end(&recent, 1);
  mw_http_recent_open(&recent, 1);
  assert_int_equal(mw_http_recent_find(&recent, 1), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 0), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 2), MW_HTTP_STREAM_LIVE);
}

static void streams_end_one_by_one(void **state) {
  struct mw_http_recent recent = MW_HTTP_RECENT_INIT;
  for (int32_t stream = 1; stream <= 127; stream += 2) mw_http_recent_open(&recent, stream);
  for (int32_t stream = 1; stream <= 127; stream += 4) end(&recent, stream);
  for (int32_t stream = 1; stream <= 127; stream += 2) {
    assert_int_equal(mw_http_recent_find(&recent, stream),
                     stream % 4 == 1 ? MW_HTTP_STREAM_ENDED : MW_HTTP_STREAM_LIVE);
  }
}

static void a_reset_takes_precedence_over_an_end_and_is_answered_once(void **state) {
  struct mw_http_recent recent = MW_HTTP_RECENT_INIT;
  for (int32_t stream = 1; stream <= 7; stream += 2) mw_http_recent_open(&recent, stream);
  end(&recent, 1);
  mw_http_recent_reset(&recent, 1);
  mw_http_recent_reset(&recent, 3);
  mw_http_recent_reset(&recent, 9);
  mw_http_recent_close(&recent, 3);
  mw_http_recent_close(&recent, 5);
  mw_http_recent_open(&recent, 9);
  assert_int_equal(mw_http_recent_find(&recent, 1), MW_HTTP_STREAM_RESET);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_CLOSED);
  assert_int_equal(mw_http_recent_find(&recent, 5), MW_HTTP_STREAM_CLOSED);
  assert_int_equal(mw_http_recent_find(&recent, 7), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 9), MW_HTTP_STREAM_LIVE);
}

static void a_stream_that_was_left_out_is_skipped(void **state) {
  struct mw_http_recent recent = MW_HTTP_RECENT_INIT;
  mw_http_recent_open(&recent, 5);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_SKIPPED);
  mw_http_recent_open(&recent, 11);
  end(&recent, 5);
  mw_http_recent_open(&recent, 3);
  mw_http_recent_open(&recent, 12);
  assert_int_equal(mw_http_recent_find(&recent, 1), MW_HTTP_STREAM_SKIPPED);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_SKIPPED);
  assert_int_equal(mw_http_recent_find(&recent, 5), MW_HTTP_STREAM_ENDED);
  assert_int_equal(mw_http_recent_find(&recent, 9), MW_HTTP_STREAM_SKIPPED);
  assert_int_equal(mw_http_recent_find(&recent, 11), MW_HTTP_STREAM_LIVE);
}

static void streams_older_than_64_are_forgotten(void **state) {
  struct mw_http_recent recent = MW_HTTP_RECENT_INIT;
  mw_http_recent_open(&recent, 3);
  end(&recent, 3);
  mw_http_recent_open(&recent, 3 + 2 * 63);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_ENDED);
  assert_int_equal(mw_http_recent_find(&recent, 1), MW_HTTP_STREAM_LIVE);
  mw_http_recent_open(&recent, 3 + 2 * 64);
  assert_int_equal(mw_http_recent_find(&recent, 3), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, 5), MW_HTTP_STREAM_SKIPPED);
  mw_http_recent_open(&recent, INT32_MAX);
  end(&recent, 3 + 2 * 64);
  assert_int_equal(mw_http_recent_find(&recent, 3 + 2 * 64), MW_HTTP_STREAM_LIVE);
  assert_int_equal(mw_http_recent_find(&recent, INT32_MAX - 2), MW_HTTP_STREAM_SKIPPED);
  assert_int_equal(mw_http_recent_find(&recent, INT32_MAX), MW_HTTP_STREAM_LIVE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streams_to_come_are_nothing_special),
      cmocka_unit_test(streams_end_one_by_one),
      cmocka_unit_test(a_reset_takes_precedence_over_an_end_and_is_answered_once),
      cmocka_unit_test(a_stream_that_was_left_out_is_skipped),
      cmocka_unit_test(streams_older_than_64_are_forgotten),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
