/* The ready queue, and the pauses of a program's jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "observe/log.h"
#include "script/state/pause.h"

enum { PIECES = 64 };

struct piece {
  struct mw_ready ready;
  char name;
  int64_t takes; /* nanoseconds */
};

static struct fixture {
  struct mw_loop loop;
  struct mw_ready_queue queue;
  struct mw_pause pause;
  struct piece pieces[PIECES];
  unsigned ran;
  char order[PIECES + 1];
} f;

static void run_piece(struct mw_ready *ready) {
  struct piece *piece = MW_CONTAINER(ready, struct piece, ready);
  int64_t end = mw_clock_real() + piece->takes;
  f.order[f.ran++] = piece->name;
  while (mw_clock_real() < end) continue;
}

static struct mw_ready *piece(unsigned i, char name, int64_t takes) {
  f.pieces[i] = (struct piece){.ready.run = run_piece, .name = name, .takes = takes};
  mw_list_init(&f.pieces[i].ready.link);
  return &f.pieces[i].ready;
}

static int setup(void **state) {
  memset(&f, 0, sizeof f);
  if (mw_loop_init(&f.loop, NULL) != 0) return -1;
  mw_ready_init(&f.queue, &f.loop);
  mw_pause_init(&f.pause, &f.queue);
  mw_log_set_level(MW_LOG_OFF);
  return 0;
}

static int teardown(void **state) {
  mw_pause_stop(&f.pause);
  mw_ready_fini(&f.queue);
  mw_loop_fini(&f.loop);
  return 0;
}

static void work_runs_at_once_in_a_turn_that_has_time(void **state) {
  mw_ready_run(&f.queue, piece(0, 'a', 0), false);
  assert_string_equal("a", f.order);
}

static void work_beyond_the_time_of_a_turn_follows_in_order(void **state) {
  mw_ready_run(&f.queue, piece(0, 'a', 6 * MW_NS_PER_MS), false);
  for (unsigned i = 1; i < 4; i++) mw_ready_run(&f.queue, piece(i, (char)('a' + i), 6 * MW_NS_PER_MS), false);
  assert_string_equal("a", f.order);
  while (f.ran < 4) {
    unsigned before = f.ran;
    uv_run(&f.loop.uv, UV_RUN_ONCE);
    assert_true(f.ran <= before + 1);
  }
  assert_string_equal("abcd", f.order);
  assert_false(mw_loop_has_posts(&f.loop));
}

static void turn(void) {
  uint64_t before = uv_now(&f.loop.uv);
  while (uv_now(&f.loop.uv) == before) uv_run(&f.loop.uv, UV_RUN_NOWAIT);
}

/* Queues an event in each turn, as an engine that reads its sockets afterwards does. */
static void work_after_long_work_is_queued_in_later_turns_too(void **state) {
  assert_true(mw_ready_run(&f.queue, piece(0, 'a', 30 * MW_NS_PER_MS), true));
  turn();
  assert_false(mw_ready_run(&f.queue, piece(1, 'b', 0), true));
  assert_false(mw_ready_run(&f.queue, piece(2, 'c', 0), true));
  assert_string_equal("a", f.order);
  while (f.ran < 3) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_string_equal("abc", f.order);
  while (mw_clock_real() < f.queue.rested) turn();
  assert_true(mw_ready_run(&f.queue, piece(3, 'd', 0), true));
}

static void short_work_shares_a_turn(void **state) {
  for (unsigned i = 0; i < PIECES; i++) mw_ready_put(&f.queue, piece(i, 'x', 0), false);
  assert_int_equal(0, f.ran);
  mw_loop_run_posts(&f.loop);
  assert_int_equal(PIECES, f.ran);
}

static void calls_precede_jobs(void **state) {
  mw_ready_put(&f.queue, piece(0, 'j', 0), false);
  mw_ready_put(&f.queue, piece(1, 'c', 0), true);
  mw_loop_run_posts(&f.loop);
  assert_string_equal("cj", f.order);
}

static void jobs_rest_after_a_long_one_and_calls_do_not(void **state) {
  mw_ready_put(&f.queue, piece(0, 'a', 30 * MW_NS_PER_MS), false);
  mw_ready_put(&f.queue, piece(1, 'b', 0), false);
  mw_loop_run_posts(&f.loop);
  assert_string_equal("a", f.order);
  assert_false(mw_loop_has_posts(&f.loop));
  int64_t began = mw_clock_real();
  mw_ready_run(&f.queue, piece(2, 'c', 0), true);
  mw_ready_run(&f.queue, piece(3, 'd', 0), false);
  assert_string_equal("ac", f.order);
  while (f.ran < 4) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_string_equal("acbd", f.order);
  assert_true(mw_clock_real() - began > 15 * MW_NS_PER_MS);
}

static void jobs_rest_after_a_long_one_that_ran_at_once(void **state) {
  mw_ready_run(&f.queue, piece(0, 'a', 30 * MW_NS_PER_MS), false);
  mw_ready_run(&f.queue, piece(1, 'b', 0), false);
  mw_loop_run_posts(&f.loop);
  assert_string_equal("a", f.order);
  while (f.ran < 2) uv_run(&f.loop.uv, UV_RUN_ONCE);
  assert_string_equal("ab", f.order);
}

static void work_that_is_taken_out_does_not_run(void **state) {
  mw_ready_put(&f.queue, piece(0, 'a', 0), false);
  mw_ready_put(&f.queue, piece(1, 'b', 0), false);
  assert_true(mw_ready_is_queued(&f.pieces[0].ready));
  mw_ready_remove(&f.pieces[0].ready);
  assert_false(mw_ready_is_queued(&f.pieces[0].ready));
  mw_loop_run_posts(&f.loop);
  assert_string_equal("b", f.order);
}

/* ---- pauses ---- */

static void cut_jobs(unsigned n) {
  for (unsigned i = 0; i < n; i++) mw_pause_count(&f.pause, "a.lua:1");
}

/* Ends the pause at once: begin_trial() is the function of its timer. */
static void end_pause(void) {
  while (f.pause.timer) {
    assert_true(f.pause.length <= MW_NS_PER_S);
    uv_run(&f.loop.uv, UV_RUN_ONCE);
  }
}

static void jobs_pause_after_too_many_cuts(void **state) {
  cut_jobs(MW_PAUSE_CUTS - 1);
  mw_pause_count(&f.pause, NULL);
  cut_jobs(1);
  assert_false(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  cut_jobs(1);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  assert_string_equal("a.lua:1", f.pause.place);
}

static void one_job_runs_after_the_pause_and_the_others_if_it_does_well(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  assert_true(mw_pause_hold(&f.pause, piece(1, 'b', 0)));
  end_pause();
  assert_false(mw_pause_hold(&f.pause, &f.pieces[0].ready));
  assert_true(mw_pause_hold(&f.pause, piece(2, 'c', 0)));
  mw_loop_run_posts(&f.loop);
  assert_string_equal("a", f.order);
  mw_pause_end_trial(&f.pause, &f.pieces[0].ready);
  mw_loop_run_posts(&f.loop);
  assert_string_equal("abc", f.order);
  assert_false(f.pause.on);
}

static void the_next_pause_is_longer_if_that_one_is_cut(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  assert_true(mw_pause_hold(&f.pause, piece(1, 'b', 0)));
  int64_t length = f.pause.length;
  end_pause();
  mw_loop_run_posts(&f.loop);
  assert_false(mw_pause_hold(&f.pause, &f.pieces[0].ready));
  cut_jobs(1);
  mw_pause_end_trial(&f.pause, &f.pieces[0].ready);
  assert_int_equal(2 * length, f.pause.length);
  assert_true(mw_pause_hold(&f.pause, piece(2, 'c', 0)));
  assert_string_equal("a", f.order);
}

/* A job that runs once ends before the decision. */
static void a_trial_that_ends_well_counts_although_its_job_is_gone(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  end_pause();
  assert_false(mw_pause_hold(&f.pause, &f.pieces[0].ready));
  mw_pause_count(&f.pause, NULL);
  mw_pause_forget(&f.pause, &f.pieces[0].ready);
  mw_pause_end_trial(&f.pause, &f.pieces[0].ready);
  assert_int_equal(MW_PAUSE_CUTS / 2, f.pause.excess);
  assert_false(f.pause.on);
}

/* Waiting jobs end normally during the pause. */
static void a_trial_that_is_cut_counts_whatever_ended_well_meanwhile(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  for (unsigned i = 0; i < MW_PAUSE_CUTS; i++) mw_pause_count(&f.pause, NULL);
  int64_t length = f.pause.length;
  end_pause();
  assert_false(mw_pause_hold(&f.pause, &f.pieces[0].ready));
  cut_jobs(1);
  mw_pause_end_trial(&f.pause, &f.pieces[0].ready);
  assert_int_equal(2 * length, f.pause.length);
  assert_true(mw_pause_hold(&f.pause, piece(1, 'b', 0)));
}

static void a_pause_that_holds_nothing_ends(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  end_pause();
  assert_false(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
}

static void the_others_go_on_if_the_one_that_should_run_is_gone(void **state) {
  cut_jobs(MW_PAUSE_CUTS);
  assert_true(mw_pause_hold(&f.pause, piece(0, 'a', 0)));
  assert_true(mw_pause_hold(&f.pause, piece(1, 'b', 0)));
  end_pause();
  mw_pause_forget(&f.pause, &f.pieces[0].ready);
  mw_loop_run_posts(&f.loop);
  assert_string_equal("b", f.order);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(work_runs_at_once_in_a_turn_that_has_time, setup, teardown),
      cmocka_unit_test_setup_teardown(work_beyond_the_time_of_a_turn_follows_in_order, setup, teardown),
      cmocka_unit_test_setup_teardown(work_after_long_work_is_queued_in_later_turns_too, setup, teardown),
      cmocka_unit_test_setup_teardown(short_work_shares_a_turn, setup, teardown),
      cmocka_unit_test_setup_teardown(calls_precede_jobs, setup, teardown),
      cmocka_unit_test_setup_teardown(jobs_rest_after_a_long_one_and_calls_do_not, setup, teardown),
      cmocka_unit_test_setup_teardown(jobs_rest_after_a_long_one_that_ran_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(work_that_is_taken_out_does_not_run, setup, teardown),
      cmocka_unit_test_setup_teardown(jobs_pause_after_too_many_cuts, setup, teardown),
      cmocka_unit_test_setup_teardown(one_job_runs_after_the_pause_and_the_others_if_it_does_well, setup, teardown),
      cmocka_unit_test_setup_teardown(the_next_pause_is_longer_if_that_one_is_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(a_trial_that_ends_well_counts_although_its_job_is_gone, setup, teardown),
      cmocka_unit_test_setup_teardown(a_trial_that_is_cut_counts_whatever_ended_well_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(a_pause_that_holds_nothing_ends, setup, teardown),
      cmocka_unit_test_setup_teardown(the_others_go_on_if_the_one_that_should_run_is_gone, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
