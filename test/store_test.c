/* Reading and writing of the store: transactions, conflicts, order, snapshots, expiry, sequences. */
#include "store_fixture.h"

#include <pthread.h>

#include "failmalloc.h"

/* ---- keys and values ---- */

static void a_put_is_read_back_and_survives_reopening(void **state) {
  struct fixture *f = *state;
  expect(f, "a", NULL);
  uint64_t first = put(f, "a", "one"), second = put(f, "a", "two");
  assert_true(second > first);
  expect(f, "a", "two");
  fixture_reopen(f);
  expect(f, "a", "two");
  assert_true(put(f, "b", "") > second);
  expect(f, "b", "");
  erase(f, "a");
  erase(f, "never there");
  expect(f, "a", NULL);
}

static void large_and_binary_values_are_kept(void **state) {
  struct fixture *f = *state;
  size_t len = 3 << 20;
  uint8_t *bytes = malloc(len);
  for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * 7);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, mw_slice("k\0\xff", 3), mw_slice(bytes, len), 0), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  struct mw_buf got = MW_BUF_INIT;
  struct mw_store_entry entry;
  assert_int_equal(mw_store_get(f->store, mw_slice("k\0\xff", 3), &got, &entry), 0);
  assert_ptr_equal(entry.value.data, got.data);
  assert_int_equal(got.len, len);
  assert_memory_equal(got.data, bytes, len);
  mw_buf_fini(&got);
  free(bytes);
}

static void keys_have_limits(void **state) {
  struct fixture *f = *state;
  char key[MW_STORE_KEY_MAX + 2];
  memset(key, 'k', sizeof key);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, mw_slice(key, 0), str("v"), 0), MW_ELIMIT);
  assert_int_equal(mw_store_txn_put(txn, mw_slice(key, MW_STORE_KEY_MAX + 1), str("v"), 0), MW_ELIMIT);
  assert_int_equal(mw_store_txn_compare(txn, mw_slice(key, MW_STORE_KEY_MAX + 1), 1), MW_ELIMIT);
  assert_int_equal(mw_store_txn_delete(txn, mw_slice(key, 0)), MW_ELIMIT);
  assert_int_equal(mw_store_txn_put(txn, mw_slice(key, MW_STORE_KEY_MAX), str("v"), fixture_clock() + 1), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  struct mw_buf got = MW_BUF_INIT;
  assert_int_equal(mw_store_get(f->store, mw_slice(key, MW_STORE_KEY_MAX), &got, NULL), 0);
  mw_buf_fini(&got);
  assert_int_equal(mw_store_get(f->store, mw_slice(key, sizeof key), &got, NULL), MW_ENOTFOUND);
  assert_int_equal(mw_store_get(f->store, mw_slice(key, 0), &got, NULL), MW_ENOTFOUND);
}

/* ---- transactions ---- */

static void compares_guard_a_transaction(void **state) {
  struct fixture *f = *state;
  struct mw_store_txn *txn = txn_put("a", "mine");
  mw_store_txn_compare(txn, str("a"), MW_STORE_ABSENT);
  struct outcome made = commit(f->store, &f->loop, txn);
  assert_int_equal(made.code, 0);

  txn = txn_put("a", "too late");
  mw_store_txn_put(txn, str("other"), str("x"), 0);
  mw_store_txn_compare(txn, str("a"), MW_STORE_ABSENT);
  struct outcome refused = commit(f->store, &f->loop, txn);
  assert_int_equal(refused.code, MW_ECONFLICT);
  assert_int_equal(refused.revision, 0);
  assert_string_equal(refused.text, "a key was changed by another transaction meanwhile");
  expect(f, "a", "mine");
  expect(f, "other", NULL);

  txn = txn_put("a", "changed");
  mw_store_txn_compare(txn, str("a"), made.revision);
  assert_true(commit(f->store, &f->loop, txn).revision > made.revision);
  expect(f, "a", "changed");
}

static void an_empty_transaction_succeeds(void **state) {
  struct fixture *f = *state;
  uint64_t revision = put(f, "a", "1");
  uint64_t commits = mw_store_commits(f->store);
  assert_int_equal(commit(f->store, &f->loop, mw_store_txn_new()).revision, revision);
  struct mw_store_txn *txn = mw_store_txn_new();
  mw_store_txn_compare(txn, str("a"), revision);
  assert_int_equal(commit(f->store, &f->loop, txn).revision, revision);
  assert_int_equal(mw_store_commits(f->store), commits);
  mw_store_txn_free(NULL);
}

struct ordered {
  int *last, number;
};

static void expect_order(void *arg, const struct mw_store_result *result) {
  struct ordered *ordered = arg;
  assert_int_equal(result->code, 0);
  assert_int_equal(*ordered->last, ordered->number - 1);
  *ordered->last = ordered->number;
}

static void transactions_of_a_thread_share_commits_and_keep_their_order(void **state) {
  enum { COUNT = 2000 };
  struct fixture *f = *state;
  static struct ordered ordered[COUNT];
  int last = -1;
  uint64_t commits = mw_store_commits(f->store);
  for (int i = 0; i < COUNT; i++) {
    ordered[i] = (struct ordered){&last, i};
    char value[16];
    snprintf(value, sizeof value, "%d", i);
    mw_store_commit(f->store, txn_put("a", value), &f->loop, expect_order, &ordered[i]);
  }
  while (last < COUNT - 1) uv_run(&f->loop.uv, UV_RUN_ONCE);
  expect(f, "a", "1999");
  assert_true(mw_store_commits(f->store) - commits < COUNT / 4);
}

static void closing_finishes_queued_transactions(void **state) {
  struct fixture *f = *state;
  struct outcome outcomes[50] = {{0}};
  for (int i = 0; i < 50; i++) {
    char key[16];
    snprintf(key, sizeof key, "k%02d", i);
    mw_store_commit(f->store, txn_put(key, "v"), &f->loop, take_outcome, &outcomes[i]);
  }
  fixture_reopen(f);
  for (int i = 0; i < 50; i++) assert_int_equal(wait_for(&f->loop, &outcomes[i]).code, 0);
  expect(f, "k49", "v");
}

static void a_flush_leaves_no_result_to_come(void **state) {
  struct fixture *f = *state;
  static struct outcome outcomes[200];
  memset(outcomes, 0, sizeof outcomes);
  for (int i = 0; i < 100; i++) {
    uint64_t number;
    mw_store_commit(f->store, txn_put("a", "v"), &f->loop, take_outcome, &outcomes[i]);
    int rc = mw_store_sequence_next(f->store, str("ids"), &number, &f->loop, take_outcome, &outcomes[100 + i]);
    outcomes[100 + i].done |= rc == 0;
  }
  mw_store_flush(f->store);
  mw_loop_run_posts(&f->loop);
  for (int i = 0; i < 200; i++) assert_true(outcomes[i].done);
}

/* ---- threads ---- */

enum { THREADS = 8, INCREMENTS = 60 };

struct counter {
  struct fixture *f;
  char own[16];
};

static int read_number(struct mw_store *store, const char *key, uint64_t *revision) {
  struct mw_buf value = MW_BUF_INIT;
  struct mw_store_entry entry = {.revision = MW_STORE_ABSENT};
  int number = mw_store_get(store, str(key), &value, &entry) == 0 ? atoi(mw_buf_str(&value)) : 0;
  *revision = entry.revision;
  mw_buf_fini(&value);
  return number;
}

/* Adds one to `key`; retries while it conflicts. */
static void increment(struct mw_store *store, struct mw_loop *loop, const char *key) {
  for (;;) {
    uint64_t revision;
    char value[16];
    snprintf(value, sizeof value, "%d", read_number(store, key, &revision) + 1);
    struct mw_store_txn *txn = txn_put(key, value);
    mw_store_txn_compare(txn, str(key), revision);
    struct outcome outcome = commit(store, loop, txn);
    if (outcome.code == 0) return;
    assert_int_equal(outcome.code, MW_ECONFLICT);
  }
}

static void *run_counter(void *arg) {
  struct counter *counter = arg;
  struct mw_loop loop;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  for (int i = 0; i < INCREMENTS; i++) {
    increment(counter->f->store, &loop, "shared");
    increment(counter->f->store, &loop, counter->own);
    next_number(counter->f->store, &loop, "ids");
  }
  mw_loop_fini(&loop);
  return NULL;
}

static void no_update_of_eight_threads_is_lost(void **state) {
  struct fixture *f = *state;
  pthread_t threads[THREADS];
  struct counter counters[THREADS];
  for (int i = 0; i < THREADS; i++) {
    counters[i].f = f;
    snprintf(counters[i].own, sizeof counters[i].own, "own%d", i);
    assert_int_equal(pthread_create(&threads[i], NULL, run_counter, &counters[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  uint64_t revision;
  assert_int_equal(read_number(f->store, "shared", &revision), THREADS * INCREMENTS);
  for (int i = 0; i < THREADS; i++) assert_int_equal(read_number(f->store, counters[i].own, &revision), INCREMENTS);
  assert_int_equal(next_number(f->store, &f->loop, "ids"), THREADS * INCREMENTS + 1);
}

/* ---- snapshots ---- */

static void scan(struct mw_store_snapshot *snapshot, const char *prefix, const char *after, bool reverse, char *keys) {
  struct mw_store_entry entry;
  struct mw_slice at = after ? str(after) : mw_slice(NULL, 0);
  keys[0] = '\0';
  int rc;
  while ((rc = mw_store_snapshot_next(snapshot, str(prefix), at, reverse, &entry)) == 0) {
    strncat(keys, (const char *)entry.key.data, entry.key.len);
    strcat(keys, " ");
    at = entry.key;
  }
  assert_int_equal(rc, MW_ENOTFOUND);
}

static void expect_scan(struct mw_store_snapshot *snapshot, const char *prefix, const char *after, bool reverse,
                        const char *expected) {
  char keys[200];
  scan(snapshot, prefix, after, reverse, keys);
  assert_string_equal(keys, expected);
}

static void a_snapshot_scans_in_order_both_ways(void **state) {
  struct fixture *f = *state;
  const char *const keys[] = {"b", "b1", "a", "b2", "c", "b\xff", "b10", "\xff", "\xff\xff"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(f, keys[i], "v");
  struct mw_store_snapshot *s;
  assert_int_equal(mw_store_snapshot_open(f->store, &s, NULL), 0);
  expect_scan(s, "b", NULL, false, "b b1 b10 b2 b\xff ");
  expect_scan(s, "b", NULL, true, "b\xff b2 b10 b1 b ");
  expect_scan(s, "b", "b1", false, "b10 b2 b\xff ");
  expect_scan(s, "b", "b1", true, "b ");
  expect_scan(s, "b", "b11", false, "b2 b\xff ");
  expect_scan(s, "b", "b11", true, "b10 b1 b ");
  expect_scan(s, "b", "a", false, "b b1 b10 b2 b\xff ");
  expect_scan(s, "b", "a", true, "");
  expect_scan(s, "b", "c", false, "");
  expect_scan(s, "b", "c", true, "b\xff b2 b10 b1 b ");
  expect_scan(s, "", NULL, false, "a b b1 b10 b2 b\xff c \xff \xff\xff ");
  expect_scan(s, "", NULL, true, "\xff\xff \xff c b\xff b2 b10 b1 b a ");
  expect_scan(s, "", "", true, "");
  expect_scan(s, "\xff", NULL, true, "\xff\xff \xff ");
  expect_scan(s, "x", NULL, false, "");
  expect_scan(s, "x", NULL, true, "");
  mw_store_snapshot_close(s);
}

static void an_empty_store_scans_as_empty(void **state) {
  struct fixture *f = *state;
  struct mw_store_snapshot *s;
  assert_int_equal(mw_store_snapshot_open(f->store, &s, NULL), 0);
  expect_scan(s, "", NULL, false, "");
  expect_scan(s, "", NULL, true, "");
  expect_scan(s, "", "a", true, "");
  mw_store_snapshot_close(s);
  mw_store_snapshot_close(NULL);
}

static void a_snapshot_does_not_see_later_writes(void **state) {
  struct fixture *f = *state;
  uint64_t revision = put(f, "a", "old");
  struct mw_store_snapshot *old, *new;
  assert_int_equal(mw_store_snapshot_open(f->store, &old, NULL), 0);
  assert_int_equal(mw_store_snapshot_revision(old), revision);
  uint64_t later = put(f, "a", "new");
  put(f, "b", "new");
  assert_int_equal(mw_store_snapshot_open(f->store, &new, NULL), 0);
  struct mw_store_entry entry;
  assert_int_equal(mw_store_snapshot_get(old, str("a"), &entry), 0);
  assert_true(mw_slice_eq_str(entry.value, "old"));
  assert_int_equal(entry.revision, revision);
  assert_int_equal(mw_store_snapshot_get(old, str("b"), &entry), MW_ENOTFOUND);
  expect_scan(old, "", NULL, false, "a ");
  assert_int_equal(mw_store_snapshot_get(new, str("a"), &entry), 0);
  assert_int_equal(entry.revision, later);
  mw_store_snapshot_close(old);
  mw_store_snapshot_close(new);
}

static void *open_all(void *arg) {
  enum { MOST = 8190 };
  struct fixture *f = arg;
  static struct mw_store_snapshot *open[MOST + 1];
  int n = 0, rc;
  struct mw_err err = MW_ERR_INIT;
  while ((rc = mw_store_snapshot_open(f->store, &open[n], &err)) == 0 && n < MOST) n++;
  assert_int_equal(rc, MW_ELIMIT);
  assert_non_null(strstr(mw_err_text(&err), "8190 snapshots are open, the maximum"));
  mw_err_fini(&err);
  assert_true(n > 8000);
  for (int i = 0; i < n; i++) mw_store_snapshot_close(open[i]);
  return NULL;
}

static void thousands_of_snapshots_can_be_open(void **state) {
  open_all(*state);
  put(*state, "a", "writes go on");
  pthread_t other; /* the slots that a thread has released are available to others */
  assert_int_equal(pthread_create(&other, NULL, open_all, *state), 0);
  pthread_join(other, NULL);
  expect(*state, "a", "writes go on");
}

/* ---- expiry ---- */

static void put_expiring(struct fixture *f, const char *key, const char *value, int64_t expires) {
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, str(key), str(value), expires), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
}

static void advance(int64_t ns) { __atomic_fetch_add(&fixture_now, ns, __ATOMIC_SEQ_CST); }

static void an_expired_key_is_gone_at_once(void **state) {
  struct fixture *f = *state;
  put_expiring(f, "a", "short-lived", fixture_clock() + 100);
  put_expiring(f, "b", "longer", fixture_clock() + 200);
  put(f, "c", "for ever");
  struct mw_store_snapshot *before, *after;
  assert_int_equal(mw_store_snapshot_open(f->store, &before, NULL), 0);
  advance(100);
  expect(f, "a", NULL);
  expect(f, "b", "longer");
  assert_int_equal(mw_store_snapshot_open(f->store, &after, NULL), 0);
  expect_scan(after, "", NULL, false, "b c ");
  expect_scan(after, "", NULL, true, "c b ");
  struct mw_store_entry entry;
  assert_int_equal(mw_store_snapshot_get(after, str("a"), &entry), MW_ENOTFOUND);
  advance(100);
  expect_scan(before, "", NULL, false, "a b c ");
  expect_scan(after, "", NULL, false, "b c ");
  mw_store_snapshot_close(before);
  mw_store_snapshot_close(after);

  struct mw_store_txn *txn = txn_put("a", "again"); /* a compare treats it as absent */
  mw_store_txn_compare(txn, str("a"), MW_STORE_ABSENT);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  advance(1000);
  expect(f, "a", "again");
}

static void a_new_put_or_delete_forgets_the_old_expiry(void **state) {
  struct fixture *f = *state;
  put_expiring(f, "a", "1", fixture_clock() + 100);
  put(f, "a", "2");
  put_expiring(f, "b", "1", fixture_clock() + 100);
  put_expiring(f, "b", "2", fixture_clock() + (int64_t)5e9);
  put_expiring(f, "c", "1", fixture_clock() + 100);
  erase(f, "c");
  put(f, "c", "2");
  advance((int64_t)3e9);
  put(f, "x", "a commit, so that the writer looks at the clock");
  put(f, "x", "and another, after it has deleted");
  expect(f, "a", "2");
  expect(f, "b", "2");
  expect(f, "c", "2");
  advance((int64_t)3e9);
  expect(f, "b", NULL);
}

static void expiry_survives_reopening(void **state) {
  struct fixture *f = *state;
  put_expiring(f, "a", "1", fixture_clock() + 100);
  fixture_reopen(f);
  expect(f, "a", "1");
  advance(100);
  expect(f, "a", NULL);
  fixture_reopen(f);
  expect(f, "a", NULL);
}

/* ---- sequences ---- */

static void sequences_count_from_one_each_for_itself(void **state) {
  struct fixture *f = *state;
  for (uint64_t i = 1; i <= 3000; i++) assert_int_equal(next_number(f->store, &f->loop, "a"), i);
  assert_int_equal(next_number(f->store, &f->loop, "b"), 1);
  fixture_reopen(f);
  assert_int_equal(next_number(f->store, &f->loop, "a"), 3001);
  assert_int_equal(next_number(f->store, &f->loop, "b"), 2);
  uint64_t number;
  assert_int_equal(mw_store_sequence_next(f->store, str(""), &number, &f->loop, take_outcome, NULL), MW_ELIMIT);
}

static void waiting_for_a_lease_keeps_the_order(void **state) {
  struct fixture *f = *state;
  static struct outcome outcomes[500];
  memset(outcomes, 0, sizeof outcomes);
  uint64_t expected = 1;
  size_t waiting = 0;
  while (waiting < 500 && expected < 5000) {
    uint64_t number;
    int rc = mw_store_sequence_next(f->store, str("a"), &number, &f->loop, take_outcome, &outcomes[waiting]);
    if (rc == MW_EBUSY) {
      waiting++;
      continue;
    }
    assert_int_equal(rc, 0);
    for (size_t i = 0; i < waiting; i++) assert_int_equal(wait_for(&f->loop, &outcomes[i]).revision, expected++);
    memset(outcomes, 0, sizeof outcomes);
    waiting = 0;
    assert_int_equal(number, expected++);
  }
  for (size_t i = 0; i < waiting; i++) assert_int_equal(wait_for(&f->loop, &outcomes[i]).revision, expected++);
}

/* ---- without files ---- */

static void memory_behaves_the_same_and_leaves_nothing(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  struct mw_store_options options = {.path = ":memory:", .clock = fixture_clock};
  assert_int_equal(mw_store_open(&f->store, &options, NULL), 0);
  put(f, "a", "1");
  assert_int_equal(next_number(f->store, &f->loop, "ids"), 1);
  expect(f, "a", "1");
  struct mw_store *other; /* a store of its own */
  assert_int_equal(mw_store_open(&other, &options, NULL), 0);
  struct mw_buf value = MW_BUF_INIT;
  assert_int_equal(mw_store_get(other, str("a"), &value, NULL), MW_ENOTFOUND);
  mw_store_close(other);
  mw_store_close(f->store);
  assert_int_equal(mw_store_open(&f->store, &options, NULL), 0);
  expect(f, "a", NULL);
  mw_store_close(NULL);
}

/* ---- no memory ---- */

static bool ignore_event(void *arg, const struct mw_store_event *event) { return true; }

static int write_one(struct mw_store *store, struct mw_loop *loop) {
  struct mw_store_txn *txn = mw_store_txn_new();
  if (!txn) return MW_ENOMEM;
  int rc = mw_store_txn_put(txn, str("key"), str("value"), 1);
  if (rc == 0) rc = mw_store_txn_put(txn, str("a"), str("value"), 0);
  if (rc == 0) rc = mw_store_txn_compare(txn, str("b"), MW_STORE_ABSENT);
  if (rc == 0) rc = mw_store_txn_delete(txn, str("b"));
  if (rc == 0) return commit(store, loop, txn).code;
  mw_store_txn_free(txn);
  return rc;
}

static int read_all(struct mw_store *store, struct mw_loop *loop) {
  struct mw_buf value = MW_BUF_INIT;
  int rc = mw_store_get(store, str("a"), &value, NULL);
  mw_buf_fini(&value);
  if (rc != 0) return rc;
  struct mw_store_snapshot *snapshot;
  rc = mw_store_snapshot_open(store, &snapshot, NULL);
  if (rc != 0) return rc;
  struct mw_store_entry entry;
  rc = mw_store_snapshot_next(snapshot, str(""), mw_slice(NULL, 0), false, &entry);
  struct mw_store_watch *watch = NULL;
  uint64_t revision = mw_store_snapshot_revision(snapshot);
  if (rc == 0) rc = mw_store_watch_open(store, str(""), revision, loop, ignore_event, NULL, &watch);
  mw_store_watch_close(watch);
  mw_store_snapshot_close(snapshot);
  return rc;
}

static int count_one(struct mw_store *store, struct mw_loop *loop) {
  uint64_t number;
  struct outcome outcome = {0};
  int rc = mw_store_sequence_next(store, str("ids"), &number, loop, take_outcome, &outcome);
  return rc == MW_EBUSY ? wait_for(loop, &outcome).code : rc;
}

static int use_all(void *arg) {
  struct fixture *f = arg;
  struct mw_err err = MW_ERR_INIT;
  struct mw_store *store;
  struct mw_store_options options = {.path = ":memory:", .clock = fixture_clock};
  int rc = mw_store_open(&store, &options, &err);
  if (rc == 0) {
    rc = write_one(store, &f->loop);
    if (rc == 0) rc = read_all(store, &f->loop);
    if (rc == 0) rc = count_one(store, &f->loop);
    mw_store_close(store);
  }
  mw_err_fini(&err);
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(use_all, *state); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_put_is_read_back_and_survives_reopening),
      TEST(large_and_binary_values_are_kept),
      TEST(keys_have_limits),
      TEST(compares_guard_a_transaction),
      TEST(an_empty_transaction_succeeds),
      TEST(transactions_of_a_thread_share_commits_and_keep_their_order),
      TEST(closing_finishes_queued_transactions),
      TEST(a_flush_leaves_no_result_to_come),
      TEST(no_update_of_eight_threads_is_lost),
      TEST(a_snapshot_scans_in_order_both_ways),
      TEST(an_empty_store_scans_as_empty),
      TEST(a_snapshot_does_not_see_later_writes),
      TEST(thousands_of_snapshots_can_be_open),
      TEST(an_expired_key_is_gone_at_once),
      TEST(a_new_put_or_delete_forgets_the_old_expiry),
      TEST(expiry_survives_reopening),
      TEST(sequences_count_from_one_each_for_itself),
      TEST(waiting_for_a_lease_keeps_the_order),
      TEST(memory_behaves_the_same_and_leaves_nothing),
      TEST(survives_without_memory),
  };
  return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
