/* The order in which a run queue runs items, and the time they get. The clock is stopped; each test sets the time of
 * its items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/run_queue.h"

enum { MS = MW_NS_PER_MS, ITEMS = 64 };

struct work {
  struct mw_run_item item;
  char name;
  int64_t takes;
};

static struct mw_run_queue queue;
static struct mw_run_lane a, b;
static struct work works[ITEMS];
static size_t n_works;
static char ran[ITEMS + 1];

static int64_t now(void) { return mw_clock_mono(); }

static void pass(int64_t ns) { mw_clock_move(now() + ns); }

static void run(struct mw_run_item *item) {
  struct work *work = MW_CONTAINER(item, struct work, item);
  size_t n = strlen(ran);
  ran[n] = work->name;
  ran[n + 1] = '\0';
  pass(work->takes);
}

static struct work *add(struct mw_run_lane *lane, char name, int64_t takes, int64_t timeout) {
  struct work *work = &works[n_works++];
  *work = (struct work){.name = name, .takes = takes};
  mw_run_item_init(&work->item, run);
  work->item.arrived = now();
  work->item.deadline = mw_time_add(now(), timeout);
  mw_run_lane_add(lane, &work->item);
  return work;
}

static int setup(void **state) {
  mw_clock_stop(MW_NEVER);
  mw_run_queue_init(&queue);
  mw_run_lane_init(&a, &queue);
  mw_run_lane_init(&b, &queue);
  n_works = 0;
  ran[0] = '\0';
  return 0;
}

static int teardown(void **state) {
  mw_clock_go();
  return 0;
}

/* Runs turns until nothing is left. */
static void run_all(void) {
  while (queue.n > 0) {
    mw_run_queue_run(&queue);
    mw_run_queue_begin_turn(&queue);
  }
}

static void test_lanes_take_turns(void **state) {
  for (char name = '1'; name <= '4'; name++) add(&a, name, 0, MW_NEVER);
  add(&b, 'b', 0, MW_NEVER);
  add(&b, 'c', 0, MW_NEVER);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "1b2c34");
  assert_int_equal(queue.n, 0);
}

static void test_a_turn_has_its_time(void **state) {
  for (char name = '1'; name <= '5'; name++) add(&a, name, MW_RUN_TURN_NS / 2, MW_NEVER);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "12");
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "12");
  assert_true(queue.over);
  mw_run_queue_begin_turn(&queue);
  assert_true(queue.behind && !queue.over);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "1234");
  assert_int_equal(mw_run_queue_mean(&queue), MW_RUN_TURN_NS / 2);
  run_all();
  assert_string_equal(ran, "12345");
  assert_false(queue.behind);
}

static void test_first_ones_go_first(void **state) {
  add(&a, '1', MW_RUN_TURN_NS, MW_NEVER);
  add(&a, '2', 0, MW_NEVER);
  mw_run_queue_run(&queue);
  add(&queue.first, 'f', 0, MW_NEVER);
  mw_run_queue_run(&queue); /* although the time of the turn is used up */
  assert_string_equal(ran, "1f");
}

/* The others still get all of their time. */
static void test_first_ones_have_half_a_turn(void **state) {
  for (int i = 0; i < 8; i++) add(&queue.first, 'f', MW_RUN_TURN_NS / 4, MW_NEVER);
  for (int i = 0; i < 8; i++) add(&a, 'a', MW_RUN_TURN_NS / 4, MW_NEVER);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "ffaaaa");
}

/* The limit holds for a whole turn, however often the queue runs in it. */
static void test_first_ones_that_go_on_coming_have_half_a_turn(void **state) {
  for (int i = 0; i < 8; i++) add(&a, 'a', MW_RUN_TURN_NS / 4, MW_NEVER);
  for (int i = 0; i < 8; i++) {
    add(&queue.first, 'f', MW_RUN_TURN_NS / 4, MW_NEVER);
    mw_run_queue_run(&queue);
  }
  assert_string_equal(ran, "faaaaf");
  mw_run_queue_begin_turn(&queue);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "faaaafffaaaa");
}

static void test_requests_run_in_the_order_of_their_arrival(void **state) {
  add(&a, '1', 0, 100 * MS);
  pass(MS);
  add(&a, '2', 0, MW_NEVER);
  pass(MS);
  add(&a, '3', 0, 10 * MS);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "123");
}

/* The oldest has used up half of its time: items that wait as long would be late. */
static void test_the_newest_request_goes_first_once_they_wait_too_long(void **state) {
  for (char name = '1'; name <= '3'; name++) {
    add(&a, name, 0, 100 * MS);
    pass(20 * MS);
  }
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "321");
}

static void test_others_take_turns_with_the_newest(void **state) {
  for (char name = '1'; name <= '3'; name++) add(&a, name, 0, 100 * MS);
  for (char name = 'x'; name <= 'z'; name++) add(&a, name, 0, MW_NEVER);
  pass(60 * MS);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "x3y2z1");
}

/* In any lane. */
static void test_expired_requests_run_out_of_their_order(void **state) {
  add(&a, '1', MW_RUN_TURN_NS, MW_NEVER);
  for (char name = 'p'; name <= 's'; name++) add(&a, name, MW_RUN_TURN_NS, 1000 * MS);
  add(&a, 'e', 0, 10 * MS);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "1");
  pass(10 * MS);
  mw_run_queue_begin_turn(&queue);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "1ep");
  run_all();
  assert_string_equal(ran, "1epqrs");
}

/* Many of them: they take turns with the others, within the time of the turn. */
static void test_expired_requests_have_no_more_than_their_turns(void **state) {
  for (int i = 0; i < 6; i++) add(&a, 'e', MW_RUN_TURN_NS / 4, 10 * MS);
  pass(10 * MS);
  for (int i = 0; i < 3; i++) add(&b, 'b', MW_RUN_TURN_NS / 4, MW_NEVER);
  mw_run_queue_begin_turn(&queue);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "ebeb");
  run_all();
  assert_string_equal(ran, "ebebebeee");
}

/* Handlers take much longer than the end of an expired request. */
static void test_expired_requests_end_many_beside_each_handler(void **state) {
  for (int i = 0; i < 50; i++) add(&a, 'e', MW_RUN_TURN_NS / 200, 10 * MS);
  pass(10 * MS);
  for (int i = 0; i < 3; i++) add(&b, 'B', MW_RUN_TURN_NS, MW_NEVER);
  for (int turn = 0; turn < 2; turn++) {
    mw_run_queue_begin_turn(&queue);
    mw_run_queue_run(&queue);
  }
  assert_int_equal(queue.n, 1);
}

static void test_items_can_be_taken_out(void **state) {
  struct work *only = add(&a, '1', 0, MW_NEVER), *timed = add(&b, '2', 0, MS);
  add(&b, '3', 0, MW_NEVER);
  mw_run_item_remove(&only->item);
  mw_run_item_remove(&timed->item);
  mw_run_item_remove(&timed->item);
  assert_int_equal(queue.n, 1);
  mw_run_lane_add(&a, &only->item);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "31");
}

static void remove_second(struct mw_run_item *item) {
  run(item);
  mw_run_item_remove(&works[1].item);
}

/* An expired item may remove another one. */
static void test_items_can_be_taken_out_by_others(void **state) {
  add(&a, '1', 0, MS)->item.run = remove_second;
  add(&a, '2', 0, MS);
  add(&a, '3', 0, MS);
  mw_run_queue_begin_turn(&queue);
  pass(10 * MS);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "13");
  assert_int_equal(queue.n, 0);
}

static void add_again(struct mw_run_item *item) {
  run(item);
  item->run = run;
  mw_run_lane_add(&a, item);
}

static void test_an_item_may_queue_itself_again(void **state) {
  add(&a, '1', 0, MW_NEVER)->item.run = add_again;
  add(&a, '2', 0, MW_NEVER);
  mw_run_queue_run(&queue);
  assert_string_equal(ran, "121");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_lanes_take_turns),
      TEST(test_a_turn_has_its_time),
      TEST(test_first_ones_go_first),
      TEST(test_first_ones_have_half_a_turn),
      TEST(test_first_ones_that_go_on_coming_have_half_a_turn),
      TEST(test_requests_run_in_the_order_of_their_arrival),
      TEST(test_the_newest_request_goes_first_once_they_wait_too_long),
      TEST(test_others_take_turns_with_the_newest),
      TEST(test_expired_requests_run_out_of_their_order),
      TEST(test_expired_requests_have_no_more_than_their_turns),
      TEST(test_expired_requests_end_many_beside_each_handler),
      TEST(test_items_can_be_taken_out),
      TEST(test_items_can_be_taken_out_by_others),
      TEST(test_an_item_may_queue_itself_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
