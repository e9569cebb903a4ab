/* Scripts that change a table while C reads it, or that put code of theirs where C reads: no script runs where C does
 * not expect one. The collector runs a whole cycle at each allocation. */
#include "lifetime_fixture.h"

#include "observe/log.h"
#include "observe/log_output.h"

/* ---- options ---- */

static void options_are_read_without_metamethods(void **state) {
  run_script(state,
             "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
             "local function trap(t) return setmetatable(t or {}, { __index = function() error 'it ran' end }) end\n"
             "function M.run()\n"
             "  local big = ('x'):rep(100000)\n"
             "  assert(tasks:insert({ id = 'a', title = big }, trap()))\n"
             "  assert(tasks:put({ id = 'b', title = big }, trap { ttl = 10 }))\n"
             "  assert(tasks:update('a', function(t) return t end, trap()))\n"
             "  for _ in tasks:each(trap()) do end\n"
             "  assert(tasks:count(trap()) == 2)\n"
             "  local _, watch <close> = tasks:watch(trap())\n"
             "  assert(mw.topic('t'):subscribe(trap()))\n"
             "  assert(mw.json.encode({ 1 }, trap()) == '[1]')\n"
             "  assert(mw.client('inproc', trap()) and mw.client(trap { target = 'inproc' }))\n"
             "  assert(mw.store.collection(trap { name = 'more', message = 'tasks.Task' }))\n"
             "  assert(mw.metrics.counter(trap { name = 'traps' }))\n"
             "  assert(mw.store.transaction(function(tx) return tx:put(tasks, { id = 'c' }, trap()) end))\n"
             "end\n");
}

/* Otherwise a metamethod of the options could read another value into the buffer that the update reads from. */
static void an_update_reads_its_options_first(void **state) {
  run_script(state,
             "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
             "function M.run()\n"
             "  tasks:put { id = 'a', title = ('a'):rep(1000) }\n"
             "  tasks:put { id = 'b', title = ('b'):rep(500000) }\n"
             "  local options = setmetatable({}, { __index = function() tasks:get 'b' tasks:get 'none' end })\n"
             "  local task = tasks:update('a', function(t) return t end, options)\n"
             "  assert(task.title == ('a'):rep(1000))\n"
             "  raises('update: ttl: expected seconds above 0', tasks.update, tasks, 'a', function(t) return t end,\n"
             "    { ttl = -1 })\n"
             "end\n");
}

static bool drop_line(void *unused, const char *line, size_t len) { return true; }

static void log_fields_may_change_while_they_are_read(void **state) {
  mw_log_set_level(MW_LOG_DEBUG);
  mw_log_set_tap(drop_line, NULL);
  run_script(state,
             "function M.run()\n"
             "  for round = 1, 5 do\n"
             "    local fields = {}\n"
             "    local clear = setmetatable({}, { __tostring = function()\n"
             "      for key in pairs(fields) do fields[key] = nil end\n"
             "      garbage()\n"
             "      return 'cleared'\n"
             "    end })\n"
             "    for i = 1, 20 do fields['a field with a name of its own, ' .. round .. '-' .. i] = clear end\n"
             "    mw.log.debug(clear, fields)\n"
             "  end\n"
             "end\n");
  mw_log_set_level(MW_LOG_OFF);
  mw_log_set_tap(NULL, NULL);
}

static void metric_definitions_do_not_change_while_they_are_read(void **state) {
  run_script(state,
             "function M.run()\n"
             "  local labels = { 'label_' .. 'one', 'label_' .. 'two' }\n"
             "  local definition = setmetatable({ name = 'changing_' .. 'histogram', labels = labels },\n"
             "    { __index = function()\n"
             "      labels[1], labels[2] = nil, nil\n"
             "      garbage()\n"
             "    end })\n"
             "  local histogram = mw.metrics.histogram(definition)\n"
             "  histogram:observe({ label_one = 'a', label_two = 'b' }, 1)\n"
             "  local line = 'changing_histogram_count{label_one=\"a\",label_two=\"b\"} 1'\n"
             "  assert(mw.metrics.text():find(line, 1, true))\n"
             "end\n");
}

static void a_file_is_not_closed_by_the_options_of_its_commit(void **state) {
  run_script(state,
             "function M.run()\n"
             "  local file = assert(mw.fs.temp())\n"
             "  file:write 'bytes'\n"
             "  local options = setmetatable({}, { __index = function()\n"
             "    local closing <close> = file\n"
             "  end })\n"
             "  assert(file:commit('name', options))\n"
             "  assert(mw.fs.read 'name' == 'bytes')\n"
             "  file = assert(mw.fs.temp())\n"
             "  raises('file:commit: unknown option replac (expected replace)', file.commit, file, 'b',\n"
             "    { replac = true })\n"
             "  local done, status = file:commit('name', { replace = false })\n"
             "  assert(not done and status.code == 'ALREADY_EXISTS')\n"
             "end\n");
}

static void unknown_options_are_named(void **state) {
  run_script(state,
             "function M.run()\n"
             "  local odd = setmetatable({}, { __tostring = function() error 'it ran' end })\n"
             "  raises('topic:subscribe: unknown option capcity (expected capacity, packed)',\n"
             "    function() mw.topic('t'):subscribe { capcity = 1 } end)\n"
             "  raises('mw.json.encode: unknown option 1 (expected indent)', mw.json.encode, {}, { 2 })\n"
             "  raises('mw.client: unknown option of type table (expected target,', mw.client, 'a:1', { [odd] = 1 })\n"
             "  raises('mw.client: unknown option true (expected target,', mw.client, 'a:1', { [true] = 1 })\n"
             "end\n");
}

/* ---- finalizers, and metatables that scripts can get ---- */

static void mw_state_rejects_metatables_with_a_finalizer(void **state) {
  struct world *w = *state;
  generation(w,
             "local kept = mw.state('kept', 1, function(old)\n"
             "  local mt = {}\n"
             "  local t = setmetatable({}, mt)\n"
             "  mt.__gc = function() while true do end end\n"
             "  return { inner = { t } }\n"
             "end)\n");
  refuses(w, "mw.state('kept', 2, function(old) return old end)",
          "lua/script.lua:9: mw.state: a metatable of 'kept' has a __gc: scripts cannot have finalizers (__gc): use a "
          "<close> variable and __close");
  generation(w,
             "local mt = { __index = { word = 'kept' }, __close = function() end, __mode = 'k' }\n"
             "mw.state('other', 1, function() return setmetatable({ {} }, mt) end)\n");
  generation(w,
             "local copy = mw.state('other', 2, function(old) return old end)\n"
             "assert(copy.word == 'kept' and getmetatable(copy).__close)\n");
}

static void metatables_of_objects_are_protected(void **state) {
  run_script(state,
             "local service = mw.service 'tasks.TaskService'\n"
             "local function is_locked(t)\n"
             "  raises('cannot change a protected metatable', setmetatable, t, {})\n"
             "  assert(type(getmetatable(t)) == 'string', type(getmetatable(t)))\n"
             "end\n"
             "is_locked(service)\n"
             "is_locked(mw.status)\n"
             "is_locked(mw.status.not_found 'x')\n"
             "is_locked(mw.env)\n"
             "is_locked(mw.array {})\n"
             "is_locked(mw.message('tasks.Task', {}))\n"
             "is_locked(mw.time.timestamp())\n"
             "is_locked(mw.client('inproc'):service 'tasks.TaskService')\n"
             "for _, object in ipairs { mw.client 'inproc', mw.topic 't', mw.metrics.counter { name = 'locked' } } do\n"
             "  assert(type(getmetatable(object)) == 'string')\n"
             "end\n"
             "function M.run() end\n");
}

/* Handlers are looked up in the table of mw.service without metamethods, so that no script runs. */
static void routing_runs_no_code_of_a_script(void **state) {
  struct world *w = *state;
  refuses(w,
          "local service = mw.service 'tasks.TaskService'\n"
          "getmetatable(service).__index = function() mw.fs.exists 'x' end\n",
          "lua/script.lua:10: attempt to index a string value");
  refuses(w, "setmetatable(mw.service 'tasks.TaskService', { __index = function() mw.fs.exists 'x' end })",
          "lua/script.lua:9: cannot change a protected metatable");
  generation(w, CALLER
             "local service = mw.service 'tasks.TaskService'\n"
             "rawset(service, 'GetTask', function() return {} end)\n"
             "function M.run()\n"
             "  local reply, status = caller():GetTask {}\n"
             "  assert(not reply and status.code == 'UNIMPLEMENTED', tostring(status))\n"
             "end\n");
  run(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      with_world(options_are_read_without_metamethods),
      with_world(an_update_reads_its_options_first),
      with_world(log_fields_may_change_while_they_are_read),
      with_world(metric_definitions_do_not_change_while_they_are_read),
      with_world(a_file_is_not_closed_by_the_options_of_its_commit),
      with_world(unknown_options_are_named),
      with_world(mw_state_rejects_metatables_with_a_finalizer),
      with_world(metatables_of_objects_are_protected),
      with_world(routing_runs_no_code_of_a_script),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
