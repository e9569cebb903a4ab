/* Topics: delivery, drops of a full queue, and publishing from several threads at once. */
#include "loop/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failmalloc.h"

enum { PUBLISHERS = 3, EACH = 1000 };

struct fixture {
  struct mw_loop loop;
  struct mw_topics *topics;
  int ready;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->topics = mw_topics_new();
  return mw_loop_init(&f->loop, NULL);
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mw_loop_fini(&f->loop);
  mw_topics_free(f->topics);
  free(f);
  return 0;
}

static void count_ready(void *arg) { ++*(int *)arg; }

static struct mw_subscription *subscribe(struct fixture *f, const char *name, size_t capacity) {
  struct mw_subscription *s = NULL;
  assert_int_equal(mw_topic_subscribe(f->topics, name, capacity, &f->loop, count_ready, &f->ready, &s), 0);
  return s;
}

static int publish(struct fixture *f, const char *name, const char *text) {
  return mw_topic_publish(f->topics, name, mw_slice_str(text));
}

static void assert_next(struct mw_subscription *s, const char *text, uint64_t dropped) {
  struct mw_slice payload;
  uint64_t count;
  assert_true(mw_subscription_take(s, &payload, &count));
  assert_true(mw_slice_eq_str(payload, text));
  assert_int_equal(count, dropped);
}

static void assert_empty(struct mw_subscription *s) {
  struct mw_slice payload;
  uint64_t dropped;
  assert_false(mw_subscription_take(s, &payload, &dropped));
}

static void each_subscriber_of_a_topic_gets_each_value(void **state) {
  struct fixture *f = *state;
  assert_int_equal(publish(f, "a", "no subscriber"), 0);
  struct mw_subscription *one = subscribe(f, "a", 4), *two = subscribe(f, "a", 4), *other = subscribe(f, "b", 4);
  assert_int_equal(publish(f, "a", "x"), 2);
  assert_int_equal(publish(f, "a", ""), 2);
  assert_next(one, "x", 0);
  assert_next(two, "x", 0);
  assert_next(two, "", 0);
  assert_empty(two);
  assert_empty(other);
  mw_subscription_close(one);
  assert_int_equal(publish(f, "a", "y"), 1);
  mw_subscription_close(two);
  mw_subscription_close(other);
  mw_subscription_close(NULL);
  assert_int_equal(publish(f, "a", "z"), 0);
}

static void a_full_queue_drops_the_oldest_and_counts(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 2);
  publish(f, "a", "1");
  publish(f, "a", "2");
  publish(f, "a", "3");
  publish(f, "a", "4");
  assert_next(s, "3", 2);
  publish(f, "a", "5");
  assert_next(s, "4", 0);
  assert_next(s, "5", 0);
  mw_subscription_close(s);
}

enum { MIB = 1024 * 1024 };

/* Publishes `size` bytes of any content. */
static int publish_bytes(struct fixture *f, const char *name, size_t size) {
  static uint8_t bytes[MW_TOPIC_QUEUE_BYTES + 1];
  return mw_topic_publish(f->topics, name, mw_slice(bytes, size));
}

static size_t count(struct mw_subscription *s, uint64_t *dropped) {
  struct mw_slice payload;
  uint64_t more;
  size_t n = 0;
  for (*dropped = 0; mw_subscription_take(s, &payload, &more); *dropped += more) n++;
  return n;
}

static void a_queue_is_bounded_in_bytes(void **state) {
  struct fixture *f = *state;
  uint64_t dropped;
  struct mw_subscription *slow = subscribe(f, "a", 64), *quick = subscribe(f, "a", 64);
  for (int i = 0; i < 40; i++) {
    assert_int_equal(publish_bytes(f, "a", MIB), 2);
    assert_int_equal(count(quick, &dropped), 1);
    assert_int_equal(dropped, 0);
    assert_true(mw_topics_bytes(f->topics) <= MW_TOPIC_QUEUE_BYTES + 2 * MIB);
  }
  assert_int_equal(count(slow, &dropped), MW_TOPIC_QUEUE_BYTES / MIB - 1); /* payloads have headers */
  assert_int_equal(dropped, 40 - (MW_TOPIC_QUEUE_BYTES / MIB - 1));
  assert_int_equal(publish_bytes(f, "a", MW_TOPIC_QUEUE_BYTES), 2); /* the largest fills a queue alone */
  assert_int_equal(count(slow, &dropped), 1);
  mw_subscription_close(slow);
  mw_subscription_close(quick);
  assert_int_equal(mw_topics_bytes(f->topics), 0);
}

static void an_overlong_payload_is_rejected(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 4);
  assert_int_equal(publish_bytes(f, "a", MW_TOPIC_QUEUE_BYTES + 1), MW_ELIMIT);
  assert_empty(s);
  assert_int_equal(mw_topics_bytes(f->topics), 0);
  mw_subscription_close(s);
}

static void all_topics_are_bounded_and_no_topic_is_starved(void **state) {
  enum { TOPICS = 64 };
  struct fixture *f = *state;
  struct mw_subscription *slow[TOPICS];
  char name[16];
  for (int i = 0; i < TOPICS; i++) {
    snprintf(name, sizeof name, "%d", i);
    slow[i] = subscribe(f, name, 4096);
    for (int j = 0; j < 32; j++) {
      assert_int_equal(publish_bytes(f, name, MIB / 2), 1);
      assert_true(mw_topics_bytes(f->topics) <= MW_TOPICS_BYTES);
    }
  }
  struct mw_subscription *quick = subscribe(f, "other", 4);
  assert_int_equal(publish(f, "other", "x"), 1);
  assert_next(quick, "x", 0);
  mw_subscription_close(quick);
  for (int i = 0; i < TOPICS; i++) mw_subscription_close(slow[i]);
  assert_int_equal(mw_topics_bytes(f->topics), 0);
}

static void a_received_payload_can_be_released(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 4);
  publish(f, "a", "x");
  assert_next(s, "x", 0);
  assert_true(mw_topics_bytes(f->topics) > 0);
  mw_subscription_release(s);
  assert_int_equal(mw_topics_bytes(f->topics), 0);
  mw_subscription_close(s);
}

static void ready_runs_once_until_the_queue_is_empty(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 8);
  publish(f, "a", "1");
  publish(f, "a", "2");
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 1);
  assert_next(s, "1", 0);
  publish(f, "a", "3");
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 1);
  assert_next(s, "2", 0);
  assert_next(s, "3", 0);
  publish(f, "a", "4");
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 2);
  mw_subscription_close(s);
}

static void a_queue_emptied_meanwhile_is_not_ready(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 8);
  publish(f, "a", "1");
  assert_next(s, "1", 0);
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 0);
  mw_subscription_close(s);
}

static void a_closed_subscription_is_not_ready(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 8);
  publish(f, "a", "1");
  mw_subscription_close(s);
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 0);
}

static void an_ended_subscription_keeps_its_queue(void **state) {
  struct fixture *f = *state;
  struct mw_subscription *s = subscribe(f, "a", 8);
  publish(f, "a", "1");
  mw_subscription_end(s);
  mw_subscription_end(s);
  assert_int_equal(publish(f, "a", "2"), 0);
  mw_loop_run_posts(&f->loop);
  assert_int_equal(f->ready, 1);
  assert_next(s, "1", 0);
  assert_empty(s);
  mw_subscription_close(s);
}

/* ---- several threads ---- */

struct reader {
  struct mw_subscription *subscription;
  int got;
  int last[PUBLISHERS];
};

struct publisher {
  struct mw_topics *topics;
  int number;
};

static void *publish_all(void *arg) {
  struct publisher *publisher = arg;
  for (int i = 1; i <= EACH; i++) {
    int message[2] = {publisher->number, i};
    assert_int_equal(mw_topic_publish(publisher->topics, "n", mw_slice(message, sizeof message)), 2);
  }
  return NULL;
}

static void read_all(void *arg) {
  struct reader *reader = arg;
  struct mw_slice payload;
  uint64_t dropped;
  while (mw_subscription_take(reader->subscription, &payload, &dropped)) {
    int message[2];
    memcpy(message, payload.data, sizeof message);
    assert_int_equal(dropped, 0);
    assert_int_equal(message[1], ++reader->last[message[0]]);
    reader->got++;
  }
}

static void the_order_of_each_publisher_is_kept(void **state) {
  struct fixture *f = *state;
  struct mw_loop second;
  assert_int_equal(mw_loop_init(&second, NULL), 0);
  struct mw_loop *loops[2] = {&f->loop, &second};
  struct reader readers[2] = {{0}};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(mw_topic_subscribe(f->topics, "n", PUBLISHERS * EACH, loops[i], read_all, &readers[i],
                                        &readers[i].subscription),
                     0);
  }
  pthread_t threads[PUBLISHERS];
  struct publisher publishers[PUBLISHERS];
  for (int i = 0; i < PUBLISHERS; i++) {
    publishers[i] = (struct publisher){f->topics, i};
    assert_int_equal(pthread_create(&threads[i], NULL, publish_all, &publishers[i]), 0);
  }
  for (int i = 0; i < 2; i++) {
    while (readers[i].got < PUBLISHERS * EACH) uv_run(&loops[i]->uv, UV_RUN_ONCE);
  }
  for (int i = 0; i < PUBLISHERS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) mw_subscription_close(readers[i].subscription);
  mw_loop_fini(&second);
}

static void *publish_until_stopped(void *arg) {
  struct fixture *f = arg;
  while (mw_topic_publish(f->topics, "stop", mw_slice_str("")) == 0) {
    mw_topic_publish(f->topics, "a", mw_slice_str("x"));
  }
  return NULL;
}

static void subscriptions_may_change_during_publishing(void **state) {
  struct fixture *f = *state;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, publish_until_stopped, f), 0);
  for (int i = 0; i < 300; i++) {
    struct mw_subscription *s = subscribe(f, "a", 2);
    struct mw_slice payload;
    uint64_t dropped;
    mw_subscription_take(s, &payload, &dropped);
    mw_subscription_close(s);
    mw_loop_run_posts(&f->loop);
  }
  struct mw_subscription *stop = subscribe(f, "stop", 1);
  pthread_join(thread, NULL);
  mw_subscription_close(stop);
}

/* ---- without memory ---- */

static int use_all(void *arg) {
  struct fixture *f = arg;
  struct mw_subscription *one = NULL, *two = NULL;
  struct mw_topics *topics = mw_topics_new();
  int rc = topics ? mw_topic_subscribe(topics, "a", 2, &f->loop, count_ready, &f->ready, &one) : MW_ENOMEM;
  if (rc == 0) rc = mw_topic_subscribe(topics, "b", 2, &f->loop, count_ready, &f->ready, &two);
  for (int i = 0; rc >= 0 && i < 3; i++) rc = mw_topic_publish(topics, "a", mw_slice_str("x"));
  struct mw_slice payload;
  uint64_t dropped;
  while (rc >= 0 && mw_subscription_take(one, &payload, &dropped)) assert_true(mw_slice_eq_str(payload, "x"));
  mw_subscription_close(one);
  mw_subscription_close(two);
  mw_topics_free(topics);
  mw_loop_run_posts(&f->loop);
  return rc < 0 ? rc : 0;
}

static void survives_without_memory(void **state) { failmalloc_sweep(use_all, *state); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(each_subscriber_of_a_topic_gets_each_value),
      TEST(a_full_queue_drops_the_oldest_and_counts),
      TEST(a_queue_is_bounded_in_bytes),
      TEST(an_overlong_payload_is_rejected),
      TEST(all_topics_are_bounded_and_no_topic_is_starved),
      TEST(a_received_payload_can_be_released),
      TEST(ready_runs_once_until_the_queue_is_empty),
      TEST(a_queue_emptied_meanwhile_is_not_ready),
      TEST(a_closed_subscription_is_not_ready),
      TEST(an_ended_subscription_keeps_its_queue),
      TEST(the_order_of_each_publisher_is_kept),
      TEST(subscriptions_may_change_during_publishing),
      TEST(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
