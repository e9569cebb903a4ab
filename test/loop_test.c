/* The loop: order and coalescing of posts, timers that are never early, and an end that leaves nothing behind. */
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(posts_of_a_thread_run_in_order),
      TEST(posts_until_they_run_wake_once),
      TEST(a_post_made_by_a_post_runs_next_time),
      cmocka_unit_test(queued_posts_run_at_the_end),
      TEST(a_timer_is_never_early),
      TEST(a_delay_in_the_past_fires_in_the_next_turn),
      TEST(an_endless_delay_does_not_overflow),
      TEST(a_stopped_timer_stays_silent_and_is_reused),
      TEST(a_firing_timer_may_start_another),
      cmocka_unit_test(live_timers_end_with_the_loop),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
