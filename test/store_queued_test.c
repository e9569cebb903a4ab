/* Functions of mw.store that depend on a queued change: they return when the change is durable, and fail or begin again
 * if it was not stored. */
#include "store_bind_fixture.h"
#include "store_gate.h"

static const char script[] =
    "local mw = require 'moonwire'\n"
    "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
    "local M = {}\n"
    "function M.delete() tasks:delete 'old' end\n"
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

static void results_of_queued_changes_wait_until_the_changes_are_durable(void **state) {
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
      TEST(results_of_queued_changes_wait_until_the_changes_are_durable),
      TEST(dependents_of_a_failed_change_fail_or_begin_again),
  };
  return cmocka_run_group_tests_name("store_queued", tests, NULL, NULL);
}
