/* The loop: order and coalescing of posts, timers that are never early, and an end that leaves nothing open. */
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"

enum { POSTERS = 4, POSTS_EACH = 2000 };

static int setup(void **state) {
  struct mw_loop *loop = malloc(sizeof *loop);
  *state = loop;
  return mw_loop_init(loop, NULL);
}

static int teardown(void **state) {
  mw_loop_fini(*state);
  free(*state);
  return 0;
}

/* ---- posts ---- */

struct numbered {
  struct mw_post post;
  int poster, number;
  int *last; /* by poster */
  int *ran;
};

static void run_numbered(struct mw_post *post) {
  struct numbered *numbered = MW_CONTAINER(post, struct numbered, post);
  assert_int_equal(numbered->number, numbered->last[numbered->poster] + 1);
  numbered->last[numbered->poster] = numbered->number;
  ++*numbered->ran;
}

struct poster {
  struct mw_loop *loop;
  struct numbered *posts;
};

static void *post_all(void *arg) {
  struct poster *poster = arg;
  for (int i = 0; i < POSTS_EACH; i++) mw_loop_post(poster->loop, &poster->posts[i].post);
  return NULL;
}

static void posts_of_a_thread_run_in_order(void **state) {
  struct mw_loop *loop = *state;
  pthread_t threads[POSTERS];
  struct poster posters[POSTERS];
  int last[POSTERS], ran = 0;
  for (int p = 0; p < POSTERS; p++) {
    last[p] = -1;
    posters[p] = (struct poster){loop, calloc(POSTS_EACH, sizeof(struct numbered))};
    for (int i = 0; i < POSTS_EACH; i++) {
      posters[p].posts[i] = (struct numbered){{.run = run_numbered}, p, i, last, &ran};
    }
    assert_int_equal(pthread_create(&threads[p], NULL, post_all, &posters[p]), 0);
  }
  while (ran < POSTERS * POSTS_EACH) uv_run(&loop->uv, UV_RUN_ONCE);
  for (int p = 0; p < POSTERS; p++) {
    pthread_join(threads[p], NULL);
    free(posters[p].posts);
  }
}

static void count_wake(void *arg) { ++*(int *)arg; }

static void posts_until_they_run_wake_once(void **state) {
  struct mw_loop *loop = *state;
  int wakes = 0, last = -1, ran = 0;
  struct numbered posts[3];
  for (int i = 0; i < 3; i++) posts[i] = (struct numbered){{.run = run_numbered}, 0, i, &last, &ran};
  mw_loop_set_wake(loop, count_wake, &wakes);
  mw_loop_post(loop, &posts[0].post);
  mw_loop_post(loop, &posts[1].post);
  assert_int_equal(wakes, 1);
  mw_loop_run_posts(loop);
  assert_int_equal(ran, 2);
  mw_loop_post(loop, &posts[2].post);
  assert_int_equal(wakes, 2);
  mw_loop_run_posts(loop);
  assert_int_equal(ran, 3);
}

struct again {
  struct mw_post post;
  struct mw_loop *loop;
  int ran;
};

static void post_again(struct mw_post *post) {
  struct again *again = MW_CONTAINER(post, struct again, post);
  if (++again->ran < 3) mw_loop_post(again->loop, post);
}

static void a_post_made_by_a_post_runs_next_time(void **state) {
  struct again again = {{.run = post_again}, *state, 0};
  mw_loop_post(*state, &again.post);
  mw_loop_run_posts(*state);
  assert_int_equal(again.ran, 1);
  mw_loop_run_posts(*state);
  assert_int_equal(again.ran, 2);
  mw_loop_run_posts(*state);
}

static void queued_posts_run_at_the_end(void **state) {
  struct mw_loop loop;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  struct again again = {{.run = post_again}, &loop, 0};
  mw_loop_post(&loop, &again.post);
  mw_loop_fini(&loop);
  assert_int_equal(again.ran, 3);
}

struct nested {
  struct mw_post first, second;
  struct mw_loop *loop;
  int order[2], n;
};

static void run_second(struct mw_post *post) {
  struct nested *nested = MW_CONTAINER(post, struct nested, second);
  nested->order[nested->n++] = 2;
}

static void run_first(struct mw_post *post) {
  struct nested *nested = MW_CONTAINER(post, struct nested, first);
  mw_loop_run_posts(nested->loop);
  nested->order[nested->n++] = 1;
}

static void posts_may_be_run_from_within_one(void **state) {
  struct nested nested = {.first.run = run_first, .second.run = run_second, .loop = *state};
  mw_loop_post(nested.loop, &nested.first);
  mw_loop_post(nested.loop, &nested.second);
  assert_true(mw_loop_has_posts(nested.loop));
  mw_loop_run_posts(nested.loop);
  assert_false(mw_loop_has_posts(nested.loop));
  assert_int_equal(nested.n, 2);
  assert_int_equal(nested.order[0], 2);
  assert_int_equal(nested.order[1], 1);
}

/* ---- timers ---- */

static void note_time(void *arg) { *(int64_t *)arg = mw_clock_mono(); }

static void a_timer_is_never_early(void **state) {
  struct mw_loop *loop = *state;
  for (int64_t delay = 1; delay < 4 * MW_NS_PER_MS; delay += 700001) {
    int64_t fired = 0, due = mw_clock_mono() + delay;
    assert_non_null(mw_timer_start(loop, delay, note_time, &fired));
    while (!fired) uv_run(&loop->uv, UV_RUN_ONCE);
    assert_true(fired >= due);
  }
}

static void a_delay_in_the_past_fires_in_the_next_turn(void **state) {
  struct mw_loop *loop = *state;
  int64_t fired = 0;
  assert_non_null(mw_timer_start(loop, -5, note_time, &fired));
  assert_int_equal(fired, 0);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_true(fired > 0);
}

static void an_endless_delay_does_not_overflow(void **state) {
  struct mw_loop *loop = *state;
  int64_t fired = 0;
  struct mw_timer *timer = mw_timer_start(loop, MW_NEVER, note_time, &fired);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_int_equal(fired, 0);
  mw_timer_stop(timer);
}

static void a_stopped_timer_stays_silent_and_is_reused(void **state) {
  struct mw_loop *loop = *state;
  int64_t first = 0, second = 0;
  struct mw_timer *timer = mw_timer_start(loop, 0, note_time, &first);
  mw_timer_stop(timer);
  mw_timer_stop(NULL);
  assert_ptr_equal(mw_timer_start(loop, 0, note_time, &second), timer);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_int_equal(first, 0);
  assert_true(second > 0);
}

struct chain {
  struct mw_loop *loop;
  int left;
};

static void start_next(void *arg) {
  struct chain *chain = arg;
  if (--chain->left > 0) assert_non_null(mw_timer_start(chain->loop, 1, start_next, chain));
}

static void a_firing_timer_may_start_another(void **state) {
  struct chain chain = {*state, 5};
  start_next(&chain);
  while (chain.left > 0) uv_run(&chain.loop->uv, UV_RUN_ONCE);
}

static void start_at_once(void *arg) {
  struct chain *chain = arg;
  chain->left--;
  assert_non_null(mw_timer_start(chain->loop, 0, start_at_once, chain));
}

static void timers_without_delay_take_turns(void **state) {
  struct chain chain = {*state, 10};
  int64_t fired = 0;
  start_at_once(&chain);
  assert_non_null(mw_timer_start(chain.loop, 0, note_time, &fired));
  for (int left = 8; left > 0; left--) {
    uv_run(&chain.loop->uv, UV_RUN_NOWAIT);
    assert_int_equal(chain.left, left);
    assert_true(fired > 0);
  }
}

/* ---- with the clocks stopped ---- */

static int64_t stop_clocks(struct mw_loop *loop) {
  mw_clock_stop(MW_NEVER);
  mw_loop_freeze_timers(loop);
  return mw_clock_mono();
}

static void let_go(struct mw_loop *loop) {
  mw_loop_thaw_timers(loop);
  mw_clock_go();
}

static void held_timers_fire_in_order_when_told(void **state) {
  struct mw_loop *loop = *state;
  int64_t early = 0, late = 0, last = 0;
  assert_non_null(mw_timer_start(loop, 7 * (int64_t)MW_NS_PER_S, note_time, &late));
  int64_t start = stop_clocks(loop), wall = mw_clock_wall();
  assert_non_null(mw_timer_start(loop, 5 * (int64_t)MW_NS_PER_S, note_time, &early));
  assert_non_null(mw_timer_start(loop, 9 * (int64_t)MW_NS_PER_S, note_time, &last));
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  int64_t until = start + 8 * (int64_t)MW_NS_PER_S;
  assert_true(mw_loop_fire_next(loop, until));
  assert_int_equal(early, start + 5 * (int64_t)MW_NS_PER_S);
  assert_int_equal(mw_clock_wall(), wall + 5 * (int64_t)MW_NS_PER_S);
  assert_int_equal(late, 0);
  assert_true(mw_loop_fire_next(loop, until));
  assert_true(late > early && late <= start + 7 * (int64_t)MW_NS_PER_S);
  assert_false(mw_loop_fire_next(loop, until));
  assert_int_equal(last, 0);
  let_go(loop);
}

static void one_due_at_once_fires_held_or_not(void **state) {
  struct mw_loop *loop = *state;
  int64_t by_turn = 0, by_hand = 0;
  int64_t start = stop_clocks(loop);
  assert_non_null(mw_timer_start(loop, 0, note_time, &by_turn));
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_int_equal(by_turn, start);
  assert_non_null(mw_timer_start(loop, 0, note_time, &by_hand));
  assert_true(mw_loop_fire_next(loop, start));
  assert_int_equal(by_hand, start);
  let_go(loop);
}

static void a_real_timer_is_not_held(void **state) {
  struct mw_loop *loop = *state;
  int64_t fired = 0, start = stop_clocks(loop);
  assert_non_null(mw_timer_start_real(loop, MW_NS_PER_MS, note_time, &fired));
  assert_false(mw_loop_fire_next(loop, start + MW_NS_PER_S));
  while (!fired) uv_run(&loop->uv, UV_RUN_ONCE);
  assert_int_equal(fired, start);
  let_go(loop);
}

static void what_is_left_goes_on(void **state) {
  struct mw_loop *loop = *state;
  int64_t fired = 0, real = mw_clock_real();
  assert_non_null(mw_timer_start(loop, 3600 * (int64_t)MW_NS_PER_S, note_time, &fired));
  int64_t start = stop_clocks(loop);
  mw_clock_move(start + 3600 * (int64_t)MW_NS_PER_S - 5 * MW_NS_PER_MS);
  let_go(loop);
  while (!fired) uv_run(&loop->uv, UV_RUN_ONCE);
  assert_true(fired - real < 3600 * (int64_t)MW_NS_PER_S);
}

static void the_wall_clock_stops_where_it_is_told(void **state) {
  mw_clock_stop(1000);
  assert_true(mw_clock_is_stopped());
  assert_int_equal(mw_clock_wall(), 1000);
  mw_clock_move(mw_clock_mono() + 5);
  assert_int_equal(mw_clock_wall(), 1005);
  mw_clock_go();
  assert_true(mw_clock_wall() > 1005);
}

static void live_timers_end_with_the_loop(void **state) {
  struct mw_loop loop;
  int64_t fired = 0;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  assert_non_null(mw_timer_start(&loop, 0, note_time, &fired));
  mw_loop_fini(&loop);
  assert_int_equal(fired, 0);
}

static int start_timers(void *arg) {
  struct mw_loop loop;
  int64_t fired = 0;
  int rc = mw_loop_init(&loop, NULL);
  if (rc != 0) return rc;
  for (int i = 0; rc == 0 && i < 3; i++) rc = mw_timer_start(&loop, i, note_time, &fired) ? 0 : MW_ENOMEM;
  mw_loop_fini(&loop);
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(start_timers, NULL); }

/* ---- turns ---- */

enum { SLOW = 5 };

/* Takes more than half of a turn's time. */
static void take_time(int *ran) {
  ++*ran;
  int64_t until = mw_clock_real() + MW_LOOP_TURN_NS * 6 / 10;
  while (mw_clock_real() < until) continue;
}

static void fire_slowly(void *arg) { take_time(arg); }

/* Runs a turn and returns how many timers or posts it ran. */
static int ran_in_a_turn(struct mw_loop *loop, const int *ran) {
  int before = *ran;
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  return *ran - before;
}

/* They are due together; each turn fires some, and the loop does not sleep while some are left. */
static void timers_due_together_are_spread_over_turns(void **state) {
  struct mw_loop *loop = *state;
  int ran = 0;
  for (int i = 0; i < SLOW; i++) mw_timer_start(loop, MW_NS_PER_MS, fire_slowly, &ran);
  int64_t due = mw_clock_real() + 2 * MW_NS_PER_MS;
  while (mw_clock_real() < due) continue;
  int turns = 0;
  while (ran < SLOW) {
    assert_in_range(ran_in_a_turn(loop, &ran), 1, 4); /* two as timers, two from the list of due ones */
    turns++;
  }
  assert_in_range(turns, 2, SLOW);
}

static void timers_without_delay_are_spread_over_turns(void **state) {
  struct mw_loop *loop = *state;
  int ran = 0;
  for (int i = 0; i < SLOW; i++) mw_timer_start(loop, 0, fire_slowly, &ran);
  while (ran < SLOW) {
    assert_in_range(ran_in_a_turn(loop, &ran), 1, 2);
    if (ran < SLOW) assert_int_equal(uv_backend_timeout(&loop->uv), 0);
  }
}

struct slow {
  struct mw_post post;
  int *ran;
};

static void run_slowly(struct mw_post *post) { take_time(MW_CONTAINER(post, struct slow, post)->ran); }

static void posts_are_spread_over_turns(void **state) {
  struct mw_loop *loop = *state;
  int ran = 0;
  struct slow posts[SLOW];
  for (int i = 0; i < SLOW; i++) {
    posts[i] = (struct slow){{.run = run_slowly}, &ran};
    mw_loop_post(loop, &posts[i].post);
  }
  while (ran < SLOW) assert_in_range(ran_in_a_turn(loop, &ran), 1, 2);
}

/* A timer that waits for its next turn can be stopped like any other. */
static void a_timer_that_had_to_wait_can_be_stopped(void **state) {
  struct mw_loop *loop = *state;
  int ran = 0;
  struct mw_timer *timers[SLOW];
  for (int i = 0; i < SLOW; i++) timers[i] = mw_timer_start(loop, 0, fire_slowly, &ran);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_in_range(ran, 1, 2);
  for (int i = 2; i < SLOW; i++) mw_timer_stop(timers[i]);
  int before = ran;
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  assert_in_range(ran, before, 2);
  assert_false(uv_is_active((uv_handle_t *)&loop->next_turn));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(posts_of_a_thread_run_in_order),
      TEST(posts_until_they_run_wake_once),
      TEST(a_post_made_by_a_post_runs_next_time),
      cmocka_unit_test(queued_posts_run_at_the_end),
      TEST(posts_may_be_run_from_within_one),
      TEST(a_timer_is_never_early),
      TEST(a_delay_in_the_past_fires_in_the_next_turn),
      TEST(an_endless_delay_does_not_overflow),
      TEST(a_stopped_timer_stays_silent_and_is_reused),
      TEST(a_firing_timer_may_start_another),
      TEST(timers_without_delay_take_turns),
      TEST(timers_due_together_are_spread_over_turns),
      TEST(timers_without_delay_are_spread_over_turns),
      TEST(posts_are_spread_over_turns),
      TEST(a_timer_that_had_to_wait_can_be_stopped),
      TEST(held_timers_fire_in_order_when_told),
      TEST(one_due_at_once_fires_held_or_not),
      TEST(a_real_timer_is_not_held),
      TEST(what_is_left_goes_on),
      cmocka_unit_test(the_wall_clock_stops_where_it_is_told),
      cmocka_unit_test(live_timers_end_with_the_loop),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
