/* Objects of the bindings, with a collector that runs a whole cycle at each allocation and scripts that change tables
 * while C reads them: no pointer of C outlives its target, and no script runs where C does not expect one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/open.h"
#include "bind/call/service.h"
#include "bind/call/handler.h"
#include "engine/inproc/inproc.h"
#include "observe/log_output.h"
#include "schema/load/load.h"
#include "script/open.h"
#include "server/files/fs.h"

struct world {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_engine *engine;
  struct mw_vm vm;
  struct mw_files files; /* in `folder` */
  struct mw_host host;
  char folder[64];
  struct mw_program *program; /* newest generation's; NULL before the first */
  uint64_t generations;
  bool ended;      /* the fiber of run() */
  char error[600]; /* of that fiber; "" for none */
};

/* Precedes each script. The helpers make garbage, and check the words of an error. */
static const char prelude[] =
    "local mw = require 'moonwire'\n"
    "local M = {}\n"
    "local function garbage() for i = 1, 50 do local _ = {i .. 'garbage'} end end\n"
    "local function raises(words, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  assert(not ok, 'expected an error: ' .. words)\n"
    "  assert(tostring(err):find(words, 1, true), tostring(err))\n"
    "end\n";

static int setup(void **state) {
  struct world *w = calloc(1, sizeof *w);
  struct mw_err err = MW_ERR_INIT;
  *state = w;
  mw_log_set_level(MW_LOG_OFF);
  snprintf(w->folder, sizeof w->folder, "/tmp/lifetime_testXXXXXX");
  if (!mkdtemp(w->folder) || mw_loop_init(&w->loop, &err) != 0) return -1;
  mw_dispatch_init(&w->dispatch, "inproc", 0);
  w->dispatch.send_limit = 32;
  struct mw_engine_config config = {.loop = &w->loop, .dispatch = &w->dispatch};
  if (mw_engine_inproc.open(&config, &w->engine, &err) != 0 || mw_vm_init(&w->vm, &w->loop, 64 << 20, &err) != 0) {
    return -1;
  }
  w->vm.push_cut = mw_bind_push_cut;
  w->files.fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (w->files.fd < 0) return -1;
  w->host = (struct mw_host){.loop = &w->loop,
                             .channels = w->engine,
                             .dispatch = &w->dispatch,
                             .topics = mw_topics_new(),
                             .metrics = mw_metrics_new(),
                             .dir = w->folder,
                             .data_dir = w->folder,
                             .files = &w->files,
                             .workers = 1};
  struct mw_store_options options = {.path = ":memory:"};
  if (mw_store_open(&w->host.store, &options, &err) != 0) return -1;
  lua_gc(w->vm.L, LUA_GCSETPAUSE, 0);
  lua_gc(w->vm.L, LUA_GCINC, 0, 0, 100); /* each step is a whole cycle */
  lua_gc(w->vm.L, LUA_GCCOLLECT);        /* from now on each allocation makes a step */
  return 0;
}

static int teardown(void **state) {
  struct world *w = *state;
  if (w->program) mw_bind_retire(w->program);
  mw_vm_fini(&w->vm);
  mw_loop_run_posts(&w->loop);
  mw_store_flush(w->host.store);
  mw_store_close(w->host.store);
  w->engine->ops->close(w->engine);
  mw_dispatch_fini(&w->dispatch);
  mw_topics_free(w->host.topics);
  mw_metrics_free(w->host.metrics);
  mw_loop_fini(&w->loop);
  close(w->files.fd);
  mw_folder_remove(w->folder);
  free(w);
  return 0;
}

/* Loads the script as a new generation, with a schema of its own, and routes it. On success, retires the generation
 * before. Returns 0 or the error of loading. */
static int load(struct world *w, const char *script, struct mw_err *err) {
  struct mw_pool *pool;
  struct mw_program *program;
  char text[8192];
  assert_true(snprintf(text, sizeof text, "%s%s\nreturn M\n", prelude, script) < (int)sizeof text);
  struct mw_script_file file = {"lua/script.lua", "script", mw_slice_str(text)};
  assert_int_equal(mw_schema_load(&pool, "../proto", err), 0);
  assert_int_equal(mw_bind_program_new(&program, &w->vm, &w->host, pool, ++w->generations, err), 0);
  mw_pool_unref(pool);
  int rc = mw_program_load(program, &file, 1, NULL, err);
  if (rc == 0) rc = mw_bind_route(program, err);
  program->files = NULL;
  program->n_files = 0;
  if (rc != 0) {
    mw_bind_retire(program);
    return rc;
  }
  w->dispatch.router = &program->router;
  w->vm.newest = program;
  mw_bind_program_adopted(program);
  if (w->program) mw_bind_retire(w->program);
  w->program = program;
  return 0;
}

static void generation(struct world *w, const char *script) {
  struct mw_err err = MW_ERR_INIT;
  if (load(w, script, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

static void refuses(struct world *w, const char *script, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(load(w, script, &err), MW_EINVAL);
  if (!strstr(mw_err_text(&err), words)) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
}

/* ---- running ---- */

static void on_done(struct mw_fiber *fiber, void *owner) { ((struct world *)owner)->ended = true; }

static int after_run(lua_State *L, int status, lua_KContext context) {
  struct world *w = (struct world *)context;
  w->error[0] = '\0';
  if (status != LUA_OK && status != LUA_YIELD) snprintf(w->error, sizeof w->error, "%s", luaL_tolstring(L, -1, NULL));
  return 0;
}

static int run_main(lua_State *L) {
  struct world *w = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->program->modules_ref);
  lua_getfield(L, -1, "script");
  lua_getfield(L, -1, "run");
  return after_run(L, lua_pcallk(L, 0, 0, 0, (lua_KContext)w, after_run), (lua_KContext)w);
}

/* Runs the newest script's M.run() in a fiber, to its end. */
static void run(struct world *w) {
  struct mw_fiber *fiber = mw_fiber_new(&w->vm, w->program, on_done, w);
  assert_non_null(fiber);
  w->ended = false;
  mw_fiber_start(fiber, run_main, w);
  while (!w->ended) uv_run(&w->loop.uv, UV_RUN_ONCE);
  if (w->error[0]) fail_msg("%s", w->error);
  while (w->dispatch.live > 0) uv_run(&w->loop.uv, UV_RUN_ONCE);
}

static void run_script(void **state, const char *script) {
  generation(*state, script);
  run(*state);
}

/* ---- calls ---- */

#define CALLER                                                 \
  "local function caller()\n"                                  \
  "  return mw.client('inproc'):service 'tasks.TaskService'\n" \
  "end\n"

static const char failing[] = CALLER
    "local service = mw.service 'tasks.TaskService'\n"
    "function service.CreateTask(request, call)\n"
    "  call:set_trailer('x-kept', 'yes')\n"
    "  error(mw.status.invalid_argument('no'):with_details('google.rpc.BadRequest',\n"
    "    { field_violations = { { field = 'title', description = 'missing' } } }))\n"
    "end\n"
    "function service.GetTask(request, call) error 'a mistake' end\n"
    "function M.run()\n"
    "  local stub = caller()\n"
    "  for _ = 1, 10 do\n"
    "    local reply, status, info = stub:CreateTask {}\n"
    "    assert(not reply and status.code == 'INVALID_ARGUMENT' and #status.details == 1, tostring(status))\n"
    "    assert(info.trailers['x-kept'] == 'yes')\n"
    "    reply, status = stub:GetTask {}\n"
    "    assert(not reply and status.code == 'INTERNAL', tostring(status))\n"
    "  end\n"
    "end\n";

static void a_failed_handler_leaves_its_call_object(void **state) { run_script(state, failing); }

static void a_failed_handler_leaves_it_with_dev_too(void **state) {
  ((struct world *)*state)->host.dev = true;
  run_script(state, failing);
}

/* mw.state passes the call object to the next generation, where its members that need no schema still work. */
static void a_call_object_outlives_its_schema(void **state) {
  struct world *w = *state;
  generation(w, CALLER
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "local service = mw.service 'tasks.TaskService'\n"
             "function service.CreateTask(request, call) kept.call = call return {} end\n"
             "function service.ListTasks(request, call) kept.stream = call call.vars.mine = 'still' end\n"
             "function M.run()\n"
             "  assert(caller():CreateTask {})\n"
             "  assert(caller():ListTasks({}):finish())\n"
             "end\n");
  run(w);
  generation(w,
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "function M.run()\n"
             "  garbage()\n"
             "  local call, stream = kept.call, kept.stream\n"
             "  assert(tostring(call) == 'call /tasks.TaskService/CreateTask (ended)', tostring(call))\n"
             "  assert(call.service == 'tasks.TaskService' and call.method == 'CreateTask')\n"
             "  assert(call.peer == nil and stream.vars.mine == 'still')\n"
             "  raises('call:send: the reply of /tasks.TaskService/CreateTask is not', call.send, call, {})\n"
             "  raises('call:receive: the request of /tasks.TaskService/CreateTask is not', call.receive, call)\n"
             "  raises('the call /tasks.TaskService/CreateTask has ended', call.set_header, call, 'a', 'b')\n"
             "  local sent, status = stream:send {}\n"
             "  assert(not sent and status.code == 'CANCELLED' and status.message == 'the call has ended')\n"
             "end\n");
  run(w);
}

static void a_stub_outlives_its_generation(void **state) {
  struct world *w = *state;
  generation(w, CALLER
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "local service = mw.service 'tasks.TaskService'\n"
             "function M.run()\n"
             "  kept.stub, kept.bare = caller(), caller()\n"
             "  for name in pairs(kept.bare) do kept.bare[name] = nil end\n"
             "  kept.make_client = function() return mw.client 'inproc' end\n"
             "  kept.make_collection = function()\n"
             "    return mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
             "  end\n"
             "end\n");
  run(w);
  generation(w,
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "local service = mw.service 'tasks.TaskService'\n"
             "function service.CreateTask(request) return { title = request.title } end\n"
             "function M.run()\n"
             "  garbage()\n"
             "  assert(kept.stub:CreateTask({ title = 'a' }).title == 'a')\n"
             "  raises('no method CreateTasks in the schema (did you mean CreateTask?)',\n"
             "    function() return kept.stub.CreateTasks end)\n"
             "  kept.stub = nil\n"
             "  local client, tasks = kept.make_client(), kept.make_collection()\n"
             "  kept.make_client, kept.make_collection = nil, nil\n"
             "  garbage()\n"
             "  raises('tasks.TaskService: no method CreateTasks in the schema (did you mean CreateTask?)',\n"
             "    function() return kept.bare.CreateTasks end)\n"
             "  assert(client:service('tasks.TaskService'):CreateTask({ title = 'b' }).title == 'b')\n"
             "  assert(tasks:put({ id = 'x', title = 'c' }).title == 'c')\n"
             "  assert(tostring(tasks) == 'collection tasks of tasks.Task by id', tostring(tasks))\n"
             "end\n");
  run(w);
}

static void a_function_outlives_its_generation(void **state) {
  struct world *w = *state;
  generation(w,
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "mw.service 'tasks.TaskService'\n"
             "kept.require = function() return require 'script' end\n"
             "kept.service = function() return mw.service 'tasks.TaskService' end\n"
             "kept.client = function() return mw.client('inproc', { service_config = {} }) end\n"
             "kept.pack = function() return mw.any.pack('tasks.Task', { id = 'a' }) end\n"
             "function M.run() end\n");
  run(w);
  generation(w,
             "local kept = mw.state('kept', 1, function(old) return old or {} end)\n"
             "function M.run()\n"
             "  raises(\"require 'script': the generation of this function has ended\", kept.require)\n"
             "  raises('mw.service: the generation of this function has ended', kept.service)\n"
             "  raises('mw.client: service_config: expected JSON text, got a table: the generation of this '\n"
             "    .. 'function has ended', kept.client)\n"
             "  assert(kept.pack().type_url == 'type.googleapis.com/tasks.Task')\n"
             "end\n");
  run(w);
}

/* ---- objects that a script closes ---- */

static void a_transaction_may_be_closed_by_its_function(void **state) {
  run_script(state,
             "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
             "function M.run()\n"
             "  raises('mw.store.transaction: tx was closed before its function returned', mw.store.transaction,\n"
             "    function(tx)\n"
             "      tx:put(tasks, { id = 'closed' })\n"
             "      do local closing <close> = tx end\n"
             "      raises('the transaction is over', tx.get, tx, tasks, 'closed')\n"
             "      return true\n"
             "    end)\n"
             "  assert(tasks:get 'closed' == nil)\n"
             "end\n");
}

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

static void a_state_is_not_copied_with_a_finalizer(void **state) {
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

static void no_metatable_that_is_handed_out_can_be_changed(void **state) {
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
static void a_service_is_routed_without_a_script(void **state) {
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

/* ---- tables whose values can be collected ---- */

/* A message borrows strings from the table. A weak table's strings could be collected before they are copied. */
static void tables_with_weak_values_are_refused(void **state) {
  run_script(state,
             "local tasks = mw.store.collection { name = 'tasks', message = 'tasks.Task' }\n"
             "local function weak(t) return setmetatable(t, { __mode = 'v' }) end\n"
             "function M.run()\n"
             "  local text = ('x'):rep(2000)\n"
             "  local function violations()\n"
             "    return weak { { field = text .. 1, description = text .. 2 }, { field = text .. 3 } }\n"
             "  end\n"
             "  raises('google.rpc.BadRequest.field_violations: expected a table that keeps its values, got one '\n"
             "    .. 'with weak references (__mode)', mw.message, 'google.rpc.BadRequest',\n"
             "    { field_violations = violations() })\n"
             "  raises('google.protobuf.Value: expected a table that keeps', mw.message,\n"
             "    'google.protobuf.Value', weak { a = { text .. 4 }, b = { text .. 5 } })\n"
             "  raises('tasks.Task: expected a table that keeps', tasks.put, tasks, weak { id = text .. 6 })\n"
             "  raises('value[\"a\"]: JSON cannot represent a table with weak references (__mode)', mw.json.encode,\n"
             "    { a = weak { [text .. 7] = {}, [text .. 8] = {}, [text .. 9] = {} } })\n"
             "end\n");
}

/* ---- the C stack ---- */

static void spawned_functions_count_the_coroutines_around_them(void **state) {
  run_script(state,
             "function M.run()\n"
             "  local function deep(n)\n"
             "    if n == 0 then return mw.spawn(function() coroutine.wrap(deep)(90) end) end\n"
             "    string.gsub('x', 'x', function() deep(n - 1) end)\n"
             "  end\n"
             "  coroutine.wrap(deep)(90)\n"
             "end\n");
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      with_world(a_failed_handler_leaves_its_call_object),
      with_world(a_failed_handler_leaves_it_with_dev_too),
      with_world(a_call_object_outlives_its_schema),
      with_world(a_stub_outlives_its_generation),
      with_world(a_function_outlives_its_generation),
      with_world(a_transaction_may_be_closed_by_its_function),
      with_world(options_are_read_without_metamethods),
      with_world(an_update_reads_its_options_first),
      with_world(log_fields_may_change_while_they_are_read),
      with_world(metric_definitions_do_not_change_while_they_are_read),
      with_world(a_file_is_not_closed_by_the_options_of_its_commit),
      with_world(unknown_options_are_named),
      with_world(a_state_is_not_copied_with_a_finalizer),
      with_world(no_metatable_that_is_handed_out_can_be_changed),
      with_world(a_service_is_routed_without_a_script),
      with_world(tables_with_weak_values_are_refused),
      with_world(spawned_functions_count_the_coroutines_around_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
