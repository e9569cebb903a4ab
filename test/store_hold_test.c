/* Snapshots that scripts hold open: their age, their number, and the end of their owners. */
#include "store_bind_fixture.h"

#include "base/clock.h"

static const char script[] =
    "local mw = require 'moonwire'\n"
    "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
    "local M = {}\n"
    "local kept = {}\n"
    "local function aborted(words, f, ...)\n"
    "  local ok, status = pcall(f, ...)\n"
    "  assert(not ok and status.code == 'ABORTED', tostring(status))\n"
    "  assert(status.message:find(words, 1, true), status.message)\n"
    "end\n"
    "function M.fill()\n"
    "  for _, id in ipairs { 'a', 'b', 'c', 'd' } do assert(tasks:put { id = id }) end\n"
    "  tasks:delete 'bb'\n"
    "end\n"
    "local function slowly(options, at)\n"
    "  local seen = ''\n"
    "  for task in tasks:each(options) do\n"
    "    seen = seen .. task.id\n"
    "    if task.id == (at or 'b') then\n"
    "      assert(tasks:delete 'c' and tasks:put { id = 'bb' })\n"
    "      mw.sleep(0.2)\n"
    "    end\n"
    "  end\n"
    "  return seen\n"
    "end\n"
    "function M.old()\n"
    "  aborted('tasks: the snapshot was closed: it was open for longer than store.snapshot_seconds: begin again', "
    "slowly)\n"
    "end\n"
    "function M.renewed()\n"
    "  local seen = slowly { snapshot = false }\n"
    "  assert(seen == 'abbbd', seen)\n"
    "end\n"
    "function M.renewed_in_reverse()\n"
    "  local seen = slowly({ snapshot = false, reverse = true }, 'c')\n"
    "  assert(seen == 'dcbbba', seen)\n"
    "end\n"
    "function M.young()\n"
    "  local seen = slowly {}\n"
    "  assert(seen == 'abcd', seen)\n"
    "end\n"
    "function M.transaction()\n"
    "  aborted('store: the snapshot was closed: it was open for longer', mw.store.transaction, function(tx)\n"
    "    assert(tx:get(tasks, 'a'))\n"
    "    mw.sleep(0.2)\n"
    "    tx:get(tasks, 'b')\n"
    "  end)\n"
    "end\n"
    "function M.watch()\n"
    "  aborted('tasks: the snapshot was closed: it was open for longer', function()\n"
    "    for _ in tasks:watch { existing = true } do mw.sleep(0.2) end\n"
    "  end)\n"
    "end\n"
    "function M.many()\n"
    "  local next, scan = tasks:each()\n"
    "  for _ = 1, 64 do kept[#kept + 1] = { tasks:each() } end\n"
    "  aborted('its call or job has opened too many others since', next, scan)\n"
    "end\n"
    "function M.greedy() for _ = 1, 40 do kept[#kept + 1] = { tasks:each() } end end\n"
    "function M.modest()\n"
    "  local one = { tasks:each() }\n"
    "  kept[#kept + 1] = one\n"
    "  assert(one[1](one[2]).id == 'a')\n"
    "end\n"
    "function M.left() kept[#kept + 1] = { tasks:each() } mw.sleep(100) end\n"
    "function M.spins() kept[#kept + 1] = { tasks:each() } while true do end end\n"
    "function M.limited() local next, scan = tasks:each { limit = 1 } assert(next(scan).id == 'a') end\n"
    "return M\n";

static int setup(void **state) { return binding_setup(state, script, 1, 1 << 20); }
static int setup_many(void **state) { return binding_setup(state, script, 256, 1 << 20); }

static void count_one(void *arg, const struct mw_store_hold *hold) {
  size_t *n = arg;
  ++*n;
  assert_string_equal(hold->name, "tasks");
}

static size_t held(const struct binding *b) {
  size_t n = 0;
  mw_bind_list_snapshots(&b->vm, count_one, &n);
  return n;
}

/* ---- age ---- */

static void an_old_snapshot_is_closed(void **state) {
  struct binding *b = *state;
  b->host.snapshot_age = 20 * MW_NS_PER_MS;
  const char *const functions[] = {"old", "transaction", "watch", "renewed", "renewed_in_reverse"};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    run_to_end(b, "fill");
    run_to_end(b, functions[i]);
    assert_int_equal(held(b), 0);
  }
}

/* While its owner waits: a client that reads nothing pins nothing. */
static void an_old_snapshot_is_closed_while_its_owner_waits(void **state) {
  struct binding *b = *state;
  b->host.snapshot_age = 20 * MW_NS_PER_MS;
  run_to_end(b, "fill");
  b->ended = 0;
  struct mw_fiber *fiber = start(b, "left");
  assert_true(mw_store_in_use(b->f->store));
  while (mw_store_in_use(b->f->store)) uv_run(&b->f->loop.uv, UV_RUN_ONCE);
  assert_int_equal(b->ended, 0);
  mw_fiber_kill(fiber, push_cancelled, NULL);
  while (b->ended == 0) mw_loop_run_posts(&b->f->loop);
}

static void a_snapshot_without_an_age_limit_stays_open(void **state) {
  run_to_end(*state, "fill");
  run_to_end(*state, "young");
}

/* ---- number ---- */

static void a_fiber_holds_at_most_64_snapshots(void **state) {
  struct binding *b = *state;
  run_to_end(b, "fill");
  run_to_end(b, "many");
  assert_int_equal(held(b), 64);
}

static void a_greedy_connection_leaves_snapshots_to_others(void **state) {
  struct binding *b = *state;
  size_t most = MW_STORE_SNAPSHOTS / 256;
  run_to_end(b, "fill");
  run_to_end(b, "greedy");
  assert_int_equal(held(b), most / 2);
  for (int i = 0; i < 100; i++) {
    run_to_end(b, i % 10 == 0 ? "greedy" : "modest");
    assert_true(held(b) <= most);
  }
}

static void the_last_message_of_a_limit_closes_the_snapshot(void **state) {
  struct binding *b = *state;
  run_to_end(b, "fill");
  run_to_end(b, "limited");
  assert_int_equal(held(b), 0);
}

/* ---- ends ---- */

static void snapshots_of_a_killed_fiber_are_closed_at_once(void **state) {
  struct binding *b = *state;
  run_to_end(b, "fill");
  kill_in(b, "left");
  assert_int_equal(held(b), 0);
  mw_budget_limit(&b->vm, (struct mw_limits){.slice = 20 * MW_NS_PER_MS});
  if (!b->vm.ticker.runs) skip(); /* ThreadSanitizer: the coroutine, created before the limit, has no hook */
  b->ended = 0;
  start(b, "spins");
  assert_int_equal(b->ended, 1);
  assert_true(b->failed);
  assert_int_equal(held(b), 0);
  assert_false(mw_store_in_use(b->f->store));
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, binding_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_old_snapshot_is_closed, setup),
      TEST(an_old_snapshot_is_closed_while_its_owner_waits, setup),
      TEST(a_snapshot_without_an_age_limit_stays_open, setup),
      TEST(a_fiber_holds_at_most_64_snapshots, setup),
      TEST(a_greedy_connection_leaves_snapshots_to_others, setup_many),
      TEST(the_last_message_of_a_limit_closes_the_snapshot, setup),
      TEST(snapshots_of_a_killed_fiber_are_closed_at_once, setup),
  };
  return cmocka_run_group_tests_name("snapshots that are held", tests, NULL, NULL);
}
