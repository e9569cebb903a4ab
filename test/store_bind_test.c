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
    "local function title(word) return function(t) t.title = t.title .. word return t end end\n"
    "function M.change() assert(tasks:update('old', title 'x')) end\n"
    "function M.refused()\n"
    "  local none, words = tasks:update('old', function(t) return nil, t.title end)\n"
    "  assert(none == nil and words == 'x', tostring(words))\n"
    "end\n"
    "function M.raised()\n"
    "  local ok, words = pcall(tasks.update, tasks, 'old', function(t) error(t.title, 0) end)\n"
    "  assert(not ok and words == 'x', tostring(words))\n"
    "end\n"
    "function M.other_key()\n"
    "  local none, status = tasks:update('old', function(t) return { id = '' } end)\n"
    "  assert(none == nil and status.code == 'INVALID_ARGUMENT', tostring(status))\n"
    "end\n"
    "function M.absent()\n"
    "  local none, status = tasks:update('old', title 'y')\n"
    "  assert(none == nil and status.code == 'NOT_FOUND', tostring(status))\n"
    "end\n"
    "function M.absent_again() assert(tasks:delete 'old' == false) end\n"
    "function M.change_unstored()\n"
    "  local none, status = tasks:update('old', title 'x')\n"
    "  assert(none == nil and status.code == 'UNAVAILABLE', tostring(status))\n"
    "end\n"
    "function M.refused_again()\n"
    "  local seen = {}\n"
    "  tasks:update('old', function(t) seen[#seen + 1] = t.title end)\n"
    "  assert(#seen == 2 and seen[1] == 'x' and seen[2] == '', #seen)\n"
    "end\n"
    "function M.raised_unstored()\n"
    "  local ok, status = pcall(tasks.update, tasks, 'old', function(t) error(t.title, 0) end)\n"
    "  assert(not ok and status.code == 'ABORTED', tostring(status))\n"
    "  assert(status.message:find('the change was given up, because the change before it was not stored', 1, true))\n"
    "end\n"
    "local function try(f)\n"
    "  local runs = 0\n"
    "  local stored, words = mw.store.transaction(function(tx)\n"
    "    runs = runs + 1\n"
    "    local task = tx:get(tasks, 'old')\n"
    "    if task.title ~= '' then return f(task.title) end\n"
    "    task.title = 'y'\n"
    "    return tx:put(tasks, task)\n"
    "  end)\n"
    "  return stored, words, runs\n"
    "end\n"
    "function M.transaction_refused()\n"
    "  local stored, words, runs = try(function(title) return nil, title end)\n"
    "  assert(not stored and words == 'x' and runs == 2, tostring(words))\n"
    "end\n"
    "function M.transaction_raised()\n"
    "  local ok, words = pcall(try, function(title) error(title, 0) end)\n"
    "  assert(not ok and words == 'x', tostring(words))\n"
    "end\n"
    "function M.transaction_stored()\n"
    "  local stored, _, runs = try(function(title) return nil, title end)\n"
    "  assert(stored.title == 'y' and runs == 3, runs)\n"
    "end\n"
    "function M.transaction_stored_after_error()\n"
    "  local stored, _, runs = try(function(title) error(title) end)\n"
    "  assert(stored.title == 'y' and runs == 3, runs)\n"
    "end\n"
    "function M.deleted_after_all()\n"
    "  assert(tasks:delete 'old')\n"
    "  assert(not tasks:get 'old')\n"
    "end\n"
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

static void put_raw(struct binding *b, const char *id, const char *bytes) {
  char key[64];
  int len = snprintf(key, sizeof key, "tasks%c%s", 0, id);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, mw_slice(key, (size_t)len), str(bytes), 0), 0);
  assert_int_equal(commit(b->f->store, &b->f->loop, txn).code, 0);
}

/* ---- tests ---- */

static void a_write_under_way_outlives_its_call(void **state) {
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

static void killed_readers_let_go_of_the_store(void **state) {
  struct binding *b = *state;
  put_raw(b, "old", "\x0a\x03old");
  const char *const readers[] = {"each", "watch", "existing", "next_id"};
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    for (int round = 0; round < 3; round++) kill_in(b, readers[i]);
  }
  put_raw(b, "new", "\x0a\x03new"); /* no watch is left to notify */
  mw_loop_run_posts(&b->f->loop);
}

static void a_full_store_is_a_status(void **state) { run_to_end(*state, "full"); }

static void a_value_that_is_no_message_is_data_loss(void **state) {
  put_raw(*state, "damaged", "\x0a\xff");
  run_to_end(*state, "damaged");
}

/* Overwrites each page that has the key with zeros, while the store is open. */
static void a_damaged_page_is_data_loss(void **state) {
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

static void start_short(struct binding *b, const char *function) {
  mw_budget_limit(&b->vm, (struct mw_limits){.slice = MW_NS_PER_MS});
  b->ended = 0;
  start(b, function);
}

static void expect_cut(struct binding *b) {
  assert_int_equal(b->ended, 1);
  assert_true(b->failed);
  if (!strstr(b->error, "without waiting")) fail_msg("%s", b->error);
}

static void a_count_that_takes_long_is_ended(void **state) {
  put_many(*state, 300000, 0);
  start_short(*state, "count");
  expect_cut(*state);
}

/* With a clock that moves after the last commit and that the writer reads only in its next turn. */
static void a_search_past_expired_messages_is_ended(void **state) {
  struct binding *b = *state;
  put_many(b, 300000, fixture_now + 1);
  struct outcome held = {0};
  hold(b->f, &held);
  fixture_now += 2;
  start_short(b, "first");
  set_gate(false, 0);
  assert_int_equal(wait_for(&b->f->loop, &held).code, 0);
  expect_cut(b);
}

static void watches_that_are_behind_share_a_bound(void **state) { run_to_end(*state, "watches"); }

/* ---- an update reads queued changes, and returns when they are durable ---- */

/* Starts `first` and the others, up to NULL, with a blocked disk; then lets it continue, or fail once. */
static void run_together(struct binding *b, const char *first, const char *const *others, bool fails) {
  int n = 1;
  b->ended = 0;
  set_gate(true, fails);
  start(b, first);
  await_writer();
  for (; others[n - 1]; n++) start(b, others[n - 1]);
  mw_loop_run_posts(&b->f->loop);
  assert_int_equal(b->ended, 0);
  set_gate(false, fails);
  while (b->ended < n) uv_run(&b->f->loop.uv, UV_RUN_ONCE);
  if (b->any_failed) fail_msg("%s", b->error);
}

static void a_read_of_a_queued_change_waits_for_it(void **state) {
  struct binding *b = *state;
  put_raw(b, "old", "\x0a\x03old");
  run_together(b, "change", (const char *const[]){"refused", "raised", "other_key", NULL}, false);
  run_together(b, "delete", (const char *const[]){"absent", "absent_again", NULL}, false);
  put_raw(b, "old", "\x0a\x03old");
  run_together(b, "change", (const char *const[]){"transaction_refused", "transaction_raised", NULL}, false);
}

static void dependents_of_a_failed_change_fail_or_begin_again(void **state) {
  struct binding *b = *state;
  put_raw(b, "old", "\x0a\x03old");
  run_together(b, "change_unstored",
               (const char *const[]){"refused_again", "raised_unstored", "deleted_after_all", NULL}, true);
  put_raw(b, "old", "\x0a\x03old");
  run_together(b, "change_unstored", (const char *const[]){"transaction_stored", NULL}, true);
  put_raw(b, "old", "\x0a\x03old");
  run_together(b, "change_unstored", (const char *const[]){"transaction_stored_after_error", NULL}, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, binding_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_write_under_way_outlives_its_call),
      TEST(an_unfinished_transaction_writes_nothing),
      TEST(killed_readers_let_go_of_the_store),
      TEST(a_full_store_is_a_status),
      TEST(a_value_that_is_no_message_is_data_loss),
      TEST(a_damaged_page_is_data_loss),
      cmocka_unit_test_setup_teardown(watches_that_are_behind_share_a_bound, setup_large, binding_teardown),
      cmocka_unit_test_setup_teardown(a_count_that_takes_long_is_ended, setup_large, binding_teardown),
      cmocka_unit_test_setup_teardown(a_search_past_expired_messages_is_ended, setup_large, binding_teardown),
      TEST(a_read_of_a_queued_change_waits_for_it),
      TEST(dependents_of_a_failed_change_fail_or_begin_again),
  };
  return cmocka_run_group_tests_name("store_bind", tests, NULL, NULL);
}
