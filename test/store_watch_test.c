/* Watches: every change after a revision, in order, exactly once. */
#include "store_fixture.h"

#include <pthread.h>

struct watcher {
  struct mw_store_watch *watch;
  struct mw_buf seen; /* "+key=value -key ..." */
  int events;
  uint64_t last; /* revision */
  bool over;
  int close_after; /* number of events; 0 for never */
  int pause_after; /* the same */
};

static bool on_event(void *arg, const struct mw_store_event *event) {
  struct watcher *w = arg;
  assert_false(w->over);
  if (!event) {
    w->over = true;
    return true;
  }
  assert_true(event->revision >= w->last);
  w->last = event->revision;
  w->events++;
  mw_buf_putc(&w->seen, event->value.data ? '+' : '-');
  mw_buf_append(&w->seen, event->key.data, event->key.len);
  if (event->value.data) {
    mw_buf_putc(&w->seen, '=');
    mw_buf_append(&w->seen, event->value.data, event->value.len);
  }
  mw_buf_putc(&w->seen, ' ');
  if (w->events == w->close_after) mw_store_watch_close(w->watch);
  return w->events != w->pause_after;
}

static void watch(struct fixture *f, struct watcher *w, const char *prefix, uint64_t after) {
  *w = (struct watcher){.close_after = w->close_after, .pause_after = w->pause_after};
  assert_int_equal(mw_store_watch_open(f->store, str(prefix), after, &f->loop, on_event, w, &w->watch), 0);
}

static void run_posts(struct fixture *f) {
  while (mw_loop_has_posts(&f->loop)) mw_loop_run_posts(&f->loop);
}

/* Waits until a reported event contains `text`. */
static void wait_to_see(struct fixture *f, struct watcher *w, const char *text) {
  while (!w->over && !strstr(mw_buf_str(&w->seen), text)) uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static void end(struct watcher *w) {
  mw_store_watch_close(w->watch);
  mw_buf_fini(&w->seen);
}

static void changes_below_the_prefix_are_reported(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0}, all = {0};
  uint64_t revision = put(f, "a/0", "before");
  watch(f, &w, "a/", revision);
  watch(f, &all, "", revision);
  put(f, "a/1", "x");
  put(f, "b/1", "y");
  erase(f, "a/0");
  erase(f, "a/never");
  struct mw_store_txn *txn = txn_put("a/2", "");
  mw_store_txn_put(txn, str("b/2"), str("z"), 0);
  mw_store_txn_delete(txn, str("a/1"));
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  wait_to_see(f, &w, "-a/1");
  wait_to_see(f, &all, "-a/1");
  assert_string_equal(mw_buf_str(&w.seen), "+a/1=x -a/0 +a/2= -a/1 ");
  assert_string_equal(mw_buf_str(&all.seen), "+a/1=x +b/1=y -a/0 +a/2= +b/2=z -a/1 ");
  end(&w);
  end(&all);
  mw_store_watch_close(NULL);
}

static void a_refused_transaction_is_not_reported(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  watch(f, &w, "", put(f, "a", "1"));
  struct mw_store_txn *txn = txn_put("b", "never");
  mw_store_txn_compare(txn, str("a"), MW_STORE_ABSENT);
  assert_int_equal(commit(f->store, &f->loop, txn).code, MW_ECONFLICT);
  put(f, "c", "3");
  wait_to_see(f, &w, "+c=3");
  assert_string_equal(mw_buf_str(&w.seen), "+c=3 ");
  end(&w);
}

static void a_watch_begins_where_its_snapshot_ends(void **state) {
  struct fixture *f = *state;
  put(f, "a", "1");
  struct mw_store_snapshot *snapshot;
  assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
  put(f, "a", "2");
  put(f, "x", "elsewhere");
  put(f, "a", "3");
  struct watcher w = {0};
  watch(f, &w, "a", mw_store_snapshot_revision(snapshot));
  mw_store_snapshot_close(snapshot);
  put(f, "a", "4");
  wait_to_see(f, &w, "+a=4");
  assert_string_equal(mw_buf_str(&w.seen), "+a=2 +a=3 +a=4 ");
  end(&w);
}

static void an_open_snapshot_or_watch_is_a_use(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  struct mw_store_snapshot *snapshot;
  assert_false(mw_store_in_use(f->store));
  assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
  assert_true(mw_store_in_use(f->store));
  mw_store_snapshot_close(snapshot);
  assert_false(mw_store_in_use(f->store));
  watch(f, &w, "", 0);
  assert_true(mw_store_in_use(f->store));
  end(&w);
  assert_false(mw_store_in_use(f->store));
}

static void a_watch_may_close_itself_in_an_event(void **state) {
  struct fixture *f = *state;
  struct watcher w = {.close_after = 2};
  watch(f, &w, "", 0);
  struct mw_store_txn *txn = txn_put("a", "1");
  mw_store_txn_put(txn, str("b"), str("2"), 0);
  mw_store_txn_put(txn, str("c"), str("3"), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  put(f, "d", "4");
  run_posts(f);
  assert_string_equal(mw_buf_str(&w.seen), "+a=1 +b=2 ");
  mw_buf_fini(&w.seen);
}

static void no_event_runs_after_closing(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  uint64_t revision = put(f, "a", "1");
  put(f, "a", "2");
  watch(f, &w, "", revision); /* is posted at once */
  mw_store_watch_close(w.watch);
  run_posts(f);
  put(f, "a", "3");
  run_posts(f);
  assert_int_equal(w.events, 0);
}

static void a_closed_watch_may_outlast_its_store(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  uint64_t revision = put(f, "a", "1");
  put(f, "b", "2");
  watch(f, &w, "", revision); /* lags already, and so has an event to come */
  end(&w);
  mw_store_close(f->store);
  f->store = NULL;
  run_posts(f);
}

static void expiry_is_reported_as_a_delete(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  watch(f, &w, "", 0);
  struct mw_store_txn *txn = mw_store_txn_new();
  for (int i = 0; i < 1500; i++) { /* more than one commit deletes */
    char key[16];
    snprintf(key, sizeof key, "k%04d", i);
    mw_store_txn_put(txn, str(key), str("v"), fixture_clock() + 1 + i);
  }
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  __atomic_fetch_add(&fixture_now, 5000000000, __ATOMIC_SEQ_CST);
  put(f, "x", "so that the writer looks at the clock");
  wait_to_see(f, &w, "-k1499");
  assert_int_equal(w.events, 1500 + 1 + 1500);
  end(&w);
}

static void ignore(void *arg, const struct mw_store_result *result) {}

static void put_many(struct fixture *f, int count, size_t each) {
  char *value = calloc(1, each + 1);
  memset(value, 'v', each);
  struct outcome outcome = {0};
  for (int i = 0; i < count; i++) {
    struct mw_store_txn *txn = txn_put("noise", value);
    if (i < count - 1) mw_store_commit(f->store, txn, &f->loop, ignore, NULL);
    else mw_store_commit(f->store, txn, &f->loop, take_outcome, &outcome);
  }
  wait_for(&f->loop, &outcome);
  free(value);
}

/* Writes three keys in one transaction; the watch reports the first. */
static void pause_after_one(struct fixture *f, struct watcher *w) {
  w->pause_after = 1;
  watch(f, w, "", put(f, "a", "1"));
  struct mw_store_txn *txn = txn_put("b", "1");
  mw_store_txn_put(txn, str("c"), str("1"), 0);
  mw_store_txn_put(txn, str("d"), str("1"), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  put(f, "e", "1");
  run_posts(f);
  assert_string_equal(mw_buf_str(&w->seen), "+b=1 ");
}

static void a_watcher_that_has_enough_gets_the_rest_later(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  pause_after_one(f, &w);
  mw_store_watch_go_on(w.watch);
  assert_int_equal(w.events, 1);
  run_posts(f);
  assert_string_equal(mw_buf_str(&w.seen), "+b=1 +c=1 +d=1 +e=1 ");
  mw_store_watch_go_on(w.watch);
  put(f, "f", "1");
  wait_to_see(f, &w, "+f=1");
  assert_int_equal(w.events, 5);
  end(&w);
}

static void a_watcher_that_has_enough_can_close(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  pause_after_one(f, &w);
  end(&w);
  run_posts(f);
  assert_int_equal(w.events, 1);
}

static void a_watcher_that_has_enough_for_too_long_falls_behind(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  pause_after_one(f, &w);
  put_many(f, MW_STORE_WATCH_BACKLOG + 1, 1);
  mw_store_watch_go_on(w.watch);
  wait_to_see(f, &w, "never");
  assert_string_equal(mw_buf_str(&w.seen), "+b=1 +c=1 +d=1 ");
  end(&w);
}

static void a_lagging_watch_ends(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  uint64_t revision = put(f, "a", "1");
  put_many(f, MW_STORE_WATCH_BACKLOG + 1, 1);
  watch(f, &w, "noise", revision);
  wait_to_see(f, &w, "never");
  assert_true(w.over);
  assert_int_equal(w.events, 0);
  put(f, "noise", "more");
  run_posts(f);
  end(&w);
}

static void the_backlog_is_bounded_in_bytes_too(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  uint64_t revision = put(f, "a", "1");
  put_many(f, 40, 1 << 20);
  watch(f, &w, "", revision);
  wait_to_see(f, &w, "never");
  assert_true(w.over);
  end(&w);
}

static void a_quiet_watch_does_not_fall_behind(void **state) {
  struct fixture *f = *state;
  struct watcher w = {0};
  watch(f, &w, "a", put(f, "a", "1"));
  put_many(f, MW_STORE_WATCH_BACKLOG * 2, 1);
  put(f, "a", "2");
  wait_to_see(f, &w, "+a=2");
  assert_false(w.over);
  assert_string_equal(mw_buf_str(&w.seen), "+a=2 ");
  end(&w);
}

/* ---- threads ---- */

enum { WRITERS = 4, WRITES = 200 };

static void *write_all(void *arg) {
  struct fixture *f = arg;
  struct mw_loop loop;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  for (int i = 0; i < WRITES; i++) {
    struct mw_store_txn *txn = mw_store_txn_new();
    char key[40];
    snprintf(key, sizeof key, "k/%p/%d", (void *)&loop, i);
    mw_store_txn_put(txn, str(key), str("v"), 0);
    assert_int_equal(commit(f->store, &loop, txn).code, 0);
  }
  mw_loop_fini(&loop);
  return NULL;
}

/* Reads all records, then watches later changes, repeatedly, while others write. */
static void a_snapshot_and_a_watch_see_each_key_once(void **state) {
  struct fixture *f = *state;
  pthread_t threads[WRITERS];
  for (int i = 0; i < WRITERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_all, f), 0);
  enum { ROUNDS = 30 };
  static struct watcher watchers[ROUNDS];
  int existing[ROUNDS] = {0};
  for (int r = 0; r < ROUNDS; r++) {
    struct mw_store_snapshot *snapshot;
    assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
    struct mw_store_entry entry = {0};
    while (mw_store_snapshot_next(snapshot, str("k/"), entry.key, false, &entry) == 0) existing[r]++;
    watchers[r] = (struct watcher){0};
    watch(f, &watchers[r], "k/", mw_store_snapshot_revision(snapshot));
    mw_store_snapshot_close(snapshot);
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
  run_posts(f);
  for (int r = 0; r < ROUNDS; r++) {
    assert_int_equal(existing[r] + watchers[r].events, WRITERS * WRITES);
    end(&watchers[r]);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(changes_below_the_prefix_are_reported),
      TEST(a_refused_transaction_is_not_reported),
      TEST(a_watch_begins_where_its_snapshot_ends),
      TEST(an_open_snapshot_or_watch_is_a_use),
      TEST(a_watch_may_close_itself_in_an_event),
      TEST(no_event_runs_after_closing),
      TEST(a_closed_watch_may_outlast_its_store),
      TEST(expiry_is_reported_as_a_delete),
      TEST(a_watcher_that_has_enough_gets_the_rest_later),
      TEST(a_watcher_that_has_enough_can_close),
      TEST(a_watcher_that_has_enough_for_too_long_falls_behind),
      TEST(a_lagging_watch_ends),
      TEST(the_backlog_is_bounded_in_bytes_too),
      TEST(a_quiet_watch_does_not_fall_behind),
      TEST(a_snapshot_and_a_watch_see_each_key_once),
  };
  return cmocka_run_group_tests_name("store_watch", tests, NULL, NULL);
}
