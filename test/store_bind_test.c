/* mw.store in cases that no spec can produce: calls cancelled while they wait, a full store, damaged values. */
#include "store_bind_fixture.h"
#include "store_gate.h"

#include "base/clock.h"

static const char script[] =
    "local mw = require 'moonwire'\n"
    "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
    "local M = {}\n"
    "function M.insert() tasks:insert { id = 'a' } end\n"
    "function M.put() tasks:put { id = 'a' } end\n"
    "function M.update() tasks:update('old', function(t) t.title = 'new' return t end) end\n"
    "function M.delete() tasks:delete 'old' end\n"
    "function M.transaction() mw.store.transaction(function(tx) tx:put(tasks, { id = 'a' }) end) end\n"
    "function M.inside() mw.store.transaction(function(tx) tx:put(tasks, { id = 'a' }) mw.sleep(100) end) end\n"
    "function M.next_id() for _ = 1, 100000 do tasks:next_id() end end\n"
    "function M.each() for _ in tasks:each() do mw.sleep(100) end end\n"
    "function M.watch() for _ in tasks:watch() do end end\n"
    "function M.existing() for _ in tasks:watch { existing = true } do mw.sleep(100) end end\n"
    "function M.full()\n"
    "  local none, status = tasks:put { id = 'fat', title = ('x'):rep(3000000) }\n"
    "  assert(not none and status.code == 'RESOURCE_EXHAUSTED', tostring(status))\n"
    "  assert(status.message:find('^tasks: [%w.: ]*the store is full'), status.message)\n"
    "  none, status = mw.store.transaction(function(tx) tx:put(tasks, { id = 'f', title = ('x'):rep(3000000) }) end)\n"
    "  assert(not none and status.code == 'RESOURCE_EXHAUSTED', tostring(status))\n"
    "  assert(tasks:put { id = 'thin' })\n"
    "end\n"
    "function M.damaged()\n"
    "  local ok, status = pcall(tasks.get, tasks, 'damaged')\n"
    "  assert(not ok and status.code == 'DATA_LOSS', tostring(status))\n"
    "  assert(status.message:find(\"the store's collection tasks: \", 1, true), status.message)\n"
    "  ok, status = pcall(function() for _ in tasks:each { prefix = 'd' } do end end)\n"
    "  assert(not ok and status.code == 'DATA_LOSS', tostring(status))\n"
    "end\n"
    "function M.pages()\n"
    "  local status = select(2, tasks:get 'damaged')\n"
    "  assert(status.code == 'DATA_LOSS', tostring(status))\n"
    "  local ok, raised = pcall(function() for _ in tasks:each() do end end)\n"
    "  assert(not ok and raised.code == 'DATA_LOSS', tostring(raised))\n"
    "  assert(raised.message:find('tasks: a page of the store is damaged: run `moonwire store check`', 1, true),\n"
    "         raised.message)\n"
    "  status = select(2, tasks:count())\n"
    "  assert(status.code == 'DATA_LOSS', tostring(status))\n"
    "end\n"
    "function M.watches()\n"
    "  local watches, aborted = {}, 0\n"
    "  for i = 1, 5 do watches[i] = { tasks:watch() } end\n"
    "  for i = 1, 15 do assert(tasks:put { id = tostring(i), title = ('x'):rep(1 << 20) }) end\n"
    "  for _, watch in ipairs(watches) do\n"
    "    local ok, event = pcall(watch[1], watch[2])\n"
    "    if not ok then\n"
    "      assert(event.code == 'ABORTED' and event.message:find('the watch fell behind', 1, true), tostring(event))\n"
    "      aborted = aborted + 1\n"
    "    else\n"
    "      assert(event.key == '1')\n"
    "    end\n"
    "  end\n"
    "  assert(aborted == 1, aborted)\n"
    "end\n"
    "function M.count() return tasks:count() end\n"
    "function M.first() for task in tasks:each() do return task end end\n"
    "return M\n";

static int setup(void **state) { return binding_setup(state, script, 1, 1 << 20); }
static int setup_large(void **state) { return binding_setup(state, script, 1, 1 << 28); }

static bool stored(struct binding *b, const char *id) {
  char key[64];
  int len = snprintf(key, sizeof key, "tasks%c%s", 0, id);
  struct mw_buf value = MW_BUF_INIT;
  int rc = mw_store_get(b->f->store, mw_slice(key, (size_t)len), &value, NULL);
  mw_buf_fini(&value);
  return rc == 0;
}

/* ---- tests ---- */

static void a_started_write_completes_after_its_call_was_killed(void **state) {
  struct binding *b = *state;
  const char *const writes[] = {"insert", "put", "transaction"};
  for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
    assert_false(stored(b, "a"));
    kill_in(b, writes[i]);
    assert_true(stored(b, "a"));
    struct mw_store_txn *txn = mw_store_txn_new();
    assert_int_equal(mw_store_txn_delete(txn, mw_slice("tasks\0a", 7)), 0);
    assert_int_equal(commit(b->f->store, &b->f->loop, txn).code, 0);
  }
  put_raw(b, "old", "\x0a\x03old");
  kill_in(b, "update");
  assert_true(stored(b, "old"));
  kill_in(b, "delete");
  assert_false(stored(b, "old"));
}

static void an_unfinished_transaction_writes_nothing(void **state) {
  struct binding *b = *state;
  kill_in(b, "inside");
  assert_false(stored(b, "a"));
}

static void killed_readers_release_the_store(void **state) {
  struct binding *b = *state;
  put_raw(b, "old", "\x0a\x03old");
  const char *const readers[] = {"each", "watch", "existing", "next_id"};
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    for (int round = 0; round < 3; round++) kill_in(b, readers[i]);
  }
  put_raw(b, "new", "\x0a\x03new"); /* no watch is left to notify */
  mw_loop_run_posts(&b->f->loop);
}

static void a_full_store_fails_writes_with_resource_exhausted(void **state) { run_to_end(*state, "full"); }

static void a_malformed_message_fails_reads_with_data_loss(void **state) {
  put_raw(*state, "damaged", "\x0a\xff");
  run_to_end(*state, "damaged");
}

/* Overwrites each page that has the key with zeros, while the store is open. */
static void a_damaged_page_fails_reads_with_data_loss(void **state) {
  struct binding *b = *state;
  put_raw(b, "damaged", "");
  char *path = fixture_path(b->f, "store.mdb");
  struct mw_buf bytes = MW_BUF_INIT;
  assert_int_equal(mw_buf_read_file(&bytes, path, SIZE_MAX / 4, NULL), 0);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  static const char zeros[4096];
  for (size_t at = 2 * sizeof zeros; at < bytes.len; at += sizeof zeros) {
    if (!memmem(bytes.data + at, sizeof zeros, "tasks\0damaged", 13)) continue;
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, file), sizeof zeros);
  }
  fclose(file);
  mw_buf_fini(&bytes);
  free(path);
  run_to_end(b, "pages");
}

/* ---- loops without a wait ---- */

/* Inserts empty tasks in one transaction. */
static void put_many(struct binding *b, int n, int64_t expires) {
  struct mw_store_txn *txn = mw_store_txn_new();
  for (int i = 0; i < n; i++) {
    char key[64];
    int len = snprintf(key, sizeof key, "tasks%c%08d", 0, i);
    assert_int_equal(mw_store_txn_put(txn, mw_slice(key, (size_t)len), str(""), expires), 0);
  }
  assert_int_equal(commit(b->f->store, &b->f->loop, txn).code, 0);
}

static void start_with_short_slice(struct binding *b, const char *function) {
  mw_budget_limit(&b->vm, (struct mw_limits){.slice = MW_NS_PER_MS});
  b->ended = 0;
  start(b, function);
}

static void expect_budget_exceeded(struct binding *b) {
  assert_int_equal(b->ended, 1);
  assert_true(b->failed);
  if (!strstr(b->error, "without waiting")) fail_msg("%s", b->error);
}

static void a_long_count_exceeds_the_budget(void **state) {
  put_many(*state, 300000, 0);
  start_with_short_slice(*state, "count");
  expect_budget_exceeded(*state);
}

/* With a clock that moves after the last commit and that the writer reads only in its next turn. */
static void a_search_past_expired_messages_exceeds_the_budget(void **state) {
  struct binding *b = *state;
  put_many(b, 300000, fixture_now + 1);
  struct outcome held = {0};
  hold(b->f, &held);
  fixture_now += 2;
  start_with_short_slice(b, "first");
  set_gate(false, 0);
  assert_int_equal(wait_for(&b->f->loop, &held).code, 0);
  expect_budget_exceeded(b);
}

static void queues_of_slow_watches_share_a_bound(void **state) { run_to_end(*state, "watches"); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, binding_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_started_write_completes_after_its_call_was_killed),
      TEST(an_unfinished_transaction_writes_nothing),
      TEST(killed_readers_release_the_store),
      TEST(a_full_store_fails_writes_with_resource_exhausted),
      TEST(a_malformed_message_fails_reads_with_data_loss),
      TEST(a_damaged_page_fails_reads_with_data_loss),
      cmocka_unit_test_setup_teardown(queues_of_slow_watches_share_a_bound, setup_large, binding_teardown),
      cmocka_unit_test_setup_teardown(a_long_count_exceeds_the_budget, setup_large, binding_teardown),
      cmocka_unit_test_setup_teardown(a_search_past_expired_messages_exceeds_the_budget, setup_large, binding_teardown),
  };
  return cmocka_run_group_tests_name("store_bind", tests, NULL, NULL);
}
