/* The unsent bytes of a connection: which calls wait, and which one continues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/backlog.h"

enum { LIMIT = 100, SHARES = 3 };

static struct mw_send_backlog backlog;
static struct mw_send_backlog_share shares[SHARES];
static unsigned woken[SHARES];

static void wake(struct mw_send_backlog_share *share) { woken[share - shares]++; }

static int setup(void **state) {
  mw_send_backlog_init(&backlog, LIMIT);
  for (size_t i = 0; i < SHARES; i++) {
    mw_send_backlog_share_init(&shares[i], wake);
    shares[i].backlog = &backlog;
    woken[i] = 0;
  }
  return 0;
}

static void calls_wait_in_order_for_room(void **state) {
  mw_send_backlog_count(&shares[0], LIMIT);
  assert_false(mw_send_backlog_has_room(&shares[1]));
  assert_false(mw_send_backlog_has_room(&shares[2]));
  mw_send_backlog_count(&shares[0], LIMIT - 1);
  assert_int_equal(woken[1], 1);
  assert_int_equal(woken[2], 0);
  mw_send_backlog_count(&shares[0], LIMIT - 2);
  assert_int_equal(woken[2], 1);
}

/* The client reads one stream but not the other. */
static void the_call_whose_bytes_have_all_left_goes_on(void **state) {
  mw_send_backlog_count(&shares[0], LIMIT);
  mw_send_backlog_count(&shares[1], 20);
  assert_false(mw_send_backlog_has_room(&shares[2]));
  assert_false(mw_send_backlog_has_room(&shares[1]));
  mw_send_backlog_count(&shares[1], 10);
  assert_int_equal(woken[1], 0);
  mw_send_backlog_count(&shares[1], 0);
  assert_int_equal(woken[1], 1);
  assert_int_equal(woken[2], 0);
  assert_true(mw_send_backlog_has_room(&shares[1]));
}

static void a_call_that_is_over_gives_its_room(void **state) {
  mw_send_backlog_count(&shares[0], LIMIT);
  assert_false(mw_send_backlog_has_room(&shares[1]));
  mw_send_backlog_leave(&shares[0]);
  assert_int_equal(woken[1], 1);
  assert_true(mw_send_backlog_has_room(&shares[1]));
  assert_int_equal(backlog.bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(calls_wait_in_order_for_room, setup),
      cmocka_unit_test_setup(the_call_whose_bytes_have_all_left_goes_on, setup),
      cmocka_unit_test_setup(a_call_that_is_over_gives_its_room, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
