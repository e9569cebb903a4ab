/* Concurrent changes of one key: a change follows the newest queued one, shares its commit, fails with it, and no
 * reader sees either before both are durable. */
#include "store_fixture.h"
#include "store_gate.h"

/* ---- changes ---- */

static int newest(struct mw_store *store, const char *key, struct mw_store_origin *origin) {
  struct mw_buf value = MW_BUF_INIT;
  struct mw_store_entry entry;
  int rc = mw_store_get_newest(store, str(key), &value, &entry, origin);
  int number = rc == 0 ? atoi(mw_buf_str(&value)) : -rc;
  mw_buf_fini(&value);
  return number;
}

static struct mw_store_txn *following(const char *key, int number, const struct mw_store_origin *origin) {
  char value[16];
  snprintf(value, sizeof value, "%d", number);
  struct mw_store_txn *txn = txn_put(key, value);
  assert_int_equal(mw_store_txn_follow(txn, str(key), origin), 0);
  return txn;
}

/* Queues an increment of `key`. Returns like mw_store_commit(). */
static int increment(struct mw_store *store, struct mw_loop *loop, const char *key, struct outcome *outcome) {
  struct mw_store_origin origin;
  int number = newest(store, key, &origin);
  struct mw_store_txn *txn = following(key, number + 1, &origin);
  mw_store_origin_clear(&origin);
  return mw_store_commit(store, txn, loop, take_outcome, outcome);
}

static struct mw_store_txn *awaiting(const struct mw_store_origin *origin) {
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_await(txn, origin), 0);
  return txn;
}

/* ---- one commit ---- */

static void a_chain_of_changes_is_one_commit(void **state) {
  enum { CALLERS = 500 };
  struct fixture *f = *state;
  static struct outcome outcomes[CALLERS];
  struct outcome held = {0};
  memset(outcomes, 0, sizeof outcomes);
  put(f, "hot", "0");
  hold(f, &held);
  uint64_t commits = mw_store_commits(f->store);
  for (int i = 0; i < CALLERS; i++) assert_int_equal(increment(f->store, &f->loop, "hot", &outcomes[i]), 0);
  expect(f, "hot", "0"); /* readers see only durable writes */
  set_gate(false, 0);
  uint64_t before = 0;
  for (int i = 0; i < CALLERS; i++) {
    struct outcome outcome = wait_for(&f->loop, &outcomes[i]);
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.revision > before); /* each is a change of its own */
    before = outcome.revision;
  }
  expect(f, "hot", "500");
  assert_int_equal(mw_store_commits(f->store), commits + 2);
}

static void queued_changes_can_be_read_until_they_are_settled(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin origin;
  struct outcome held = {0}, made = {0}, gone = {0};
  uint64_t revision = put(f, "a", "1");
  assert_int_equal(newest(f->store, "a", &origin), 1);
  assert_null(origin.txn);
  assert_int_equal(origin.revision, revision);
  hold(f, &held);
  mw_store_commit(f->store, txn_put("a", "2"), &f->loop, take_outcome, &made);
  assert_int_equal(newest(f->store, "a", &origin), 2);
  assert_non_null(origin.txn);
  mw_store_origin_clear(&origin);
  mw_store_commit(f->store, txn_delete("a"), &f->loop, take_outcome, &gone);
  assert_int_equal(newest(f->store, "a", &origin), -MW_ENOTFOUND);
  assert_non_null(origin.txn);
  mw_store_origin_clear(&origin);
  expect(f, "a", "1");
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &gone).code, 0);
  assert_int_equal(newest(f->store, "a", &origin), -MW_ENOTFOUND);
  assert_null(origin.txn);
}

static void a_queued_message_expires_too(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin origin;
  struct outcome held = {0}, made = {0}, again = {0};
  hold(f, &held);
  struct mw_store_txn *txn = mw_store_txn_new();
  mw_store_txn_put(txn, str("a"), str("1"), fixture_now + 1000);
  mw_store_commit(f->store, txn, &f->loop, take_outcome, &made);
  assert_int_equal(newest(f->store, "a", &origin), 1);
  mw_store_origin_clear(&origin);
  fixture_now += 2000;
  assert_int_equal(newest(f->store, "a", &origin), -MW_ENOTFOUND);
  mw_store_commit(f->store, following("a", 7, &origin), &f->loop, take_outcome, &again);
  mw_store_origin_clear(&origin);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &again).code, 0);
  expect(f, "a", "7");
}

/* ---- conflicts ---- */

static void a_reader_of_an_older_state_loses_at_once(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin committed, queued;
  struct outcome held = {0}, first = {0}, second = {0}, never = {0};
  put(f, "a", "1");
  newest(f->store, "a", &committed);
  hold(f, &held);
  assert_int_equal(increment(f->store, &f->loop, "a", &first), 0);
  assert_int_equal(mw_store_commit(f->store, following("a", 9, &committed), &f->loop, take_outcome, &never),
                   MW_ECONFLICT);
  newest(f->store, "a", &queued);
  assert_int_equal(increment(f->store, &f->loop, "a", &second), 0);
  assert_int_equal(mw_store_commit(f->store, following("a", 9, &queued), &f->loop, take_outcome, &never), MW_ECONFLICT);
  mw_store_origin_clear(&queued);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &first).code, 0);
  assert_int_equal(wait_for(&f->loop, &second).code, 0);
  assert_int_equal(wait_for(&f->loop, &held).code, 0);
  assert_false(never.done);
  expect(f, "a", "3");
}

static void an_older_state_loses_when_it_is_applied_as_well(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin old;
  put(f, "a", "1");
  newest(f->store, "a", &old);
  put(f, "a", "2");
  assert_int_equal(commit(f->store, &f->loop, following("a", 9, &old)).code, MW_ECONFLICT);
  expect(f, "a", "2");
}

/* A transaction that must conflict, such as a second insert, does not break a chain of followers of the write before
 * it. */
static void a_loser_in_the_queue_is_not_followed(void **state) {
  struct fixture *f = *state;
  struct outcome held = {0}, won = {0}, lost = {0}, next = {0};
  hold(f, &held);
  struct mw_store_txn *one = txn_put("a", "1"), *two = txn_put("a", "5");
  mw_store_txn_compare(one, str("a"), MW_STORE_ABSENT);
  mw_store_txn_compare(two, str("a"), MW_STORE_ABSENT);
  mw_store_commit(f->store, one, &f->loop, take_outcome, &won);
  mw_store_commit(f->store, two, &f->loop, take_outcome, &lost);
  assert_int_equal(increment(f->store, &f->loop, "a", &next), 0);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &won).code, 0);
  assert_int_equal(wait_for(&f->loop, &lost).code, MW_ECONFLICT);
  assert_int_equal(wait_for(&f->loop, &next).code, 0);
  expect(f, "a", "2");
}

/* A transaction reads only committed state. If it is hurried, it is applied before an endless chain. */
static void a_hurried_transaction_goes_first(void **state) {
  struct fixture *f = *state;
  for (int hurried = 0; hurried < 2; hurried++) {
    struct outcome held = {0}, chain[3] = {{0}}, own = {0};
    uint64_t revision = put(f, "a", "1");
    hold(f, &held);
    for (int i = 0; i < 3; i++) assert_int_equal(increment(f->store, &f->loop, "a", &chain[i]), 0);
    struct mw_store_txn *txn = txn_put("a", "50");
    mw_store_txn_compare(txn, str("a"), revision);
    if (hurried) mw_store_txn_prioritise(txn);
    mw_store_commit(f->store, txn, &f->loop, take_outcome, &own);
    set_gate(false, 0);
    assert_int_equal(wait_for(&f->loop, &own).code, hurried ? 0 : MW_ECONFLICT);
    for (int i = 0; i < 3; i++) {
      assert_int_equal(wait_for(&f->loop, &chain[i]).code, hurried ? MW_ECONFLICT : 0);
    }
    assert_int_equal(wait_for(&f->loop, &held).code, 0);
    expect(f, "a", hurried ? "50" : "4");
  }
}

static void a_follower_does_not_overtake(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin origin;
  struct outcome held = {0}, first = {0}, second = {0}, third = {0};
  uint64_t revision = put(f, "a", "1");
  hold(f, &held);
  increment(f->store, &f->loop, "a", &first);
  newest(f->store, "a", &origin);
  struct mw_store_txn *txn = following("a", 3, &origin);
  mw_store_txn_prioritise(txn);
  assert_int_equal(mw_store_commit(f->store, txn, &f->loop, take_outcome, &second), 0);
  mw_store_origin_clear(&origin);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &second).code, 0);
  expect(f, "a", "3");

  /* Hurried transactions follow each other. */
  struct outcome again = {0};
  revision = put(f, "a", "1");
  hold(f, &again);
  txn = txn_put("a", "20");
  mw_store_txn_compare(txn, str("a"), revision);
  mw_store_txn_prioritise(txn);
  struct outcome own = {0};
  mw_store_commit(f->store, txn, &f->loop, take_outcome, &own);
  newest(f->store, "a", &origin);
  txn = following("a", 21, &origin);
  mw_store_txn_prioritise(txn);
  assert_int_equal(mw_store_commit(f->store, txn, &f->loop, take_outcome, &third), 0);
  mw_store_origin_clear(&origin);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &own).code, 0);
  assert_int_equal(wait_for(&f->loop, &third).code, 0);
  expect(f, "a", "21");
}

/* ---- failures ---- */

static void followers_of_a_failed_commit_fail(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin origin;
  struct outcome chain[3] = {{0}}, shown = {0}, other = {0};
  put(f, "a", "1");
  set_gate(true, 1000);
  for (int i = 0; i < 3; i++) increment(f->store, &f->loop, "a", &chain[i]);
  assert_int_equal(newest(f->store, "a", &origin), 4);
  mw_store_commit(f->store, awaiting(&origin), &f->loop, take_outcome, &shown);
  mw_store_commit(f->store, txn_put("b", "1"), &f->loop, take_outcome, &other);
  set_gate(false, 1000);
  assert_int_equal(wait_for(&f->loop, &chain[0]).code, MW_EIO);
  for (int i = 1; i < 3; i++) assert_int_equal(wait_for(&f->loop, &chain[i]).code, MW_ECONFLICT);
  assert_int_equal(wait_for(&f->loop, &shown).code, MW_ECONFLICT);
  assert_int_equal(wait_for(&f->loop, &other).code, MW_EIO);
  set_gate(false, 0);
  expect(f, "a", "1");
  struct mw_store_txn *late = following("a", 5, &origin); /* of a transaction that failed long ago */
  mw_store_origin_clear(&origin);
  assert_int_equal(commit(f->store, &f->loop, late).code, MW_ECONFLICT);
  assert_int_equal(newest(f->store, "a", &origin), 1);
  assert_null(origin.txn);
}

static void to_await_is_to_wait_for_the_disk(void **state) {
  struct fixture *f = *state;
  struct mw_store_origin origin;
  struct outcome held = {0}, made = {0}, shown = {0}, later = {0};
  put(f, "a", "1");
  hold(f, &held);
  increment(f->store, &f->loop, "a", &made);
  newest(f->store, "a", &origin);
  increment(f->store, &f->loop, "a", &later); /* allowed */
  assert_int_equal(mw_store_commit(f->store, awaiting(&origin), &f->loop, take_outcome, &shown), 0);
  mw_store_origin_clear(&origin);
  mw_loop_run_posts(&f->loop);
  assert_false(shown.done);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &shown).code, 0);
  expect(f, "a", "3");
}

/* ---- several keys ---- */

static void follow(struct fixture *f, struct mw_store_txn *txn, const char *key) {
  struct mw_store_origin origin;
  newest(f->store, key, &origin);
  assert_int_equal(mw_store_txn_follow(txn, str(key), &origin), 0);
  mw_store_origin_clear(&origin);
}

static void followed_keys_are_one_state_or_not_current(void **state) {
  struct fixture *f = *state;
  struct outcome held = {0}, first = {0}, second = {0}, third = {0};
  put(f, "a", "1");
  put(f, "b", "1");
  for (int settled = 0; settled < 2; settled++) {
    struct mw_store_txn *txn = mw_store_txn_new();
    follow(f, txn, "a");
    follow(f, txn, "absent");
    assert_true(mw_store_txn_is_current(f->store, txn));
    put(f, "b", "2");
    follow(f, txn, "b");
    assert_true(mw_store_txn_is_current(f->store, txn));
    if (settled) {
      put(f, "a", "2");
    } else {
      hold(f, &held);
      increment(f->store, &f->loop, "a", &first);
    }
    assert_false(mw_store_txn_is_current(f->store, txn));
    mw_store_txn_free(txn);
    txn = mw_store_txn_new();
    follow(f, txn, "a"); /* queued, then durable: the same state */
    assert_true(mw_store_txn_is_current(f->store, txn));
    set_gate(false, 0);
    if (!settled) assert_int_equal(wait_for(&f->loop, &first).code, 0);
    assert_true(mw_store_txn_is_current(f->store, txn));
    mw_store_txn_free(txn);
  }
  /* A large transaction is not listed, so that nothing is certain before it is settled. */
  hold(f, &second);
  struct mw_store_txn *large = txn_put("c", "1"), *txn = mw_store_txn_new();
  for (int i = 0; i < 100; i++) mw_store_txn_put(large, str("a"), str("3"), 0);
  mw_store_commit(f->store, large, &f->loop, take_outcome, &third);
  follow(f, txn, "b");
  assert_false(mw_store_txn_is_current(f->store, txn));
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &third).code, 0);
  assert_true(mw_store_txn_is_current(f->store, txn));
  mw_store_txn_free(txn);
  wait_for(&f->loop, &held);
  wait_for(&f->loop, &second);
}

static void a_certain_loser_fails_early(void **state) {
  struct fixture *f = *state;
  struct outcome held = {0}, first = {0}, never = {0};
  uint64_t revision = put(f, "a", "1");
  hold(f, &held);
  increment(f->store, &f->loop, "a", &first);
  struct mw_store_txn *txn = txn_put("a", "9");
  mw_store_txn_compare(txn, str("a"), revision);
  mw_store_txn_lose_early(txn);
  assert_int_equal(mw_store_commit(f->store, txn, &f->loop, take_outcome, &never), MW_ECONFLICT);
  set_gate(false, 0);
  assert_int_equal(wait_for(&f->loop, &first).code, 0);
  wait_for(&f->loop, &held);
  expect(f, "a", "2");
}

/* ---- threads ---- */

enum { THREADS = 4, CALLERS = 125, ROUNDS = 8 };

struct caller {
  struct worker *worker;
  struct outcome outcome;
  uint64_t begun;     /* number of commits at that time */
  int rounds, waited; /* greatest number of commits */
};

struct worker {
  struct fixture *f;
  struct mw_loop loop;
  struct caller callers[CALLERS];
  int left;
};

static void change(struct caller *caller);

static void changed(void *arg, const struct mw_store_result *result) {
  struct caller *caller = arg;
  assert_true(result->code == 0 || result->code == MW_ECONFLICT);
  if (result->code == 0) {
    int waited = (int)(mw_store_commits(caller->worker->f->store) - caller->begun);
    if (waited > caller->waited) caller->waited = waited;
    caller->begun += (uint64_t)waited;
    if (--caller->rounds == 0) {
      caller->worker->left--;
      return;
    }
  }
  change(caller);
}

static void change(struct caller *caller) {
  struct mw_store *store = caller->worker->f->store;
  int rc;
  do {
    struct mw_store_origin origin;
    struct mw_store_txn *txn = following("hot", newest(store, "hot", &origin) + 1, &origin);
    mw_store_origin_clear(&origin);
    rc = mw_store_commit(store, txn, &caller->worker->loop, changed, caller);
  } while (rc == MW_ECONFLICT);
}

static void *work(void *arg) {
  struct worker *worker = arg;
  worker->left = CALLERS;
  for (int i = 0; i < CALLERS; i++) {
    worker->callers[i] = (struct caller){.worker = worker, .rounds = ROUNDS};
    worker->callers[i].begun = mw_store_commits(worker->f->store);
    change(&worker->callers[i]);
  }
  while (worker->left > 0) uv_run(&worker->loop.uv, UV_RUN_ONCE);
  return NULL;
}

static void five_hundred_callers_on_one_key_wait_for_few_commits(void **state) {
  static struct worker workers[THREADS];
  pthread_t threads[THREADS];
  put(*state, "hot", "0");
  for (int i = 0; i < THREADS; i++) {
    workers[i].f = *state;
    assert_int_equal(mw_loop_init(&workers[i].loop, NULL), 0);
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  int slow = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    for (int n = 0; n < CALLERS; n++) slow += workers[i].callers[n].waited > 10;
    mw_loop_fini(&workers[i].loop);
  }
  expect(*state, "hot", "4000"); /* no change was lost */
  assert_true(slow <= THREADS * CALLERS / 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_chain_of_changes_is_one_commit),
      TEST(queued_changes_can_be_read_until_they_are_settled),
      TEST(a_queued_message_expires_too),
      TEST(a_reader_of_an_older_state_loses_at_once),
      TEST(an_older_state_loses_when_it_is_applied_as_well),
      TEST(a_loser_in_the_queue_is_not_followed),
      TEST(a_hurried_transaction_goes_first),
      TEST(a_follower_does_not_overtake),
      TEST(followers_of_a_failed_commit_fail),
      TEST(to_await_is_to_wait_for_the_disk),
      TEST(followed_keys_are_one_state_or_not_current),
      TEST(a_certain_loser_fails_early),
      TEST(five_hundred_callers_on_one_key_wait_for_few_commits),
  };
  return cmocka_run_group_tests_name("changes of one key", tests, NULL, NULL);
}
