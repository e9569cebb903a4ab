/* Objects of the bindings, with a collector that runs a whole cycle at each allocation: no pointer of C outlives its
 * target. */
#include "lifetime_fixture.h"

/* ---- calls ---- */

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

static void a_call_object_survives_a_failed_handler(void **state) { run_script(state, failing); }

static void a_call_object_survives_a_failed_handler_with_dev(void **state) {
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

/* ---- tables whose values can be collected ---- */

/* A message borrows strings from the table. A weak table's strings could be collected before they are copied. */
static void tables_with_weak_values_are_rejected(void **state) {
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

int main(void) {
  const struct CMUnitTest tests[] = {
      with_world(a_call_object_survives_a_failed_handler),
      with_world(a_call_object_survives_a_failed_handler_with_dev),
      with_world(a_call_object_outlives_its_schema),
      with_world(a_stub_outlives_its_generation),
      with_world(a_function_outlives_its_generation),
      with_world(a_transaction_may_be_closed_by_its_function),
      with_world(tables_with_weak_values_are_rejected),
      with_world(spawned_functions_count_the_coroutines_around_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
