-- Methods of the runtime's objects, called with a dot in place of a colon.
local mw = require "moonwire"

describe("a method that is called with a dot", function()
  local function raises(words, f)
    local ok, err = pcall(f)
    assert.is_false(ok)
    assert.matches(words, tostring(err), 1, true)
  end

  it("raises an error that says so", function()
    local tasks = mw.store.collection { name = "spec.dot", message = "tasks.Task" }
    raises("spec/method_spec.lua:15: insert: expected moonwire.Collection before a colon, got table as the first argument: " ..
      "write object:insert(...), not object.insert(...)", function() ---@diagnostic disable
      tasks.insert { id = "1" }
    end)
    raises("count: expected moonwire.Collection before a colon, got no value", function() tasks.count() end)
    local topic = mw.topic "spec.dot"
    raises("publish: expected moonwire.Topic before a colon, got string", function() topic.publish "x" end)
    local subscription <close> = topic:subscribe()
    raises("receive: expected moonwire.Subscription before a colon", function() subscription.receive() end)
    local client = mw.client "127.0.0.1:1"
    raises("service: expected moonwire.Client before a colon, got string", function() client.service "tasks.TaskService" end)
    local counter = mw.metrics.counter { name = "spec_dot_total", help = "help" }
    raises("inc: expected moonwire.Counter before a colon, got number", function() counter.inc(1) end)
    mw.store.transaction(function(tx)
      raises("put: expected moonwire.Transaction before a colon, got", function() tx.put(tasks, { id = "1" }) end)
    end)
    local stub = client:service "tasks.TaskService"
    raises("spec/method_spec.lua:31: /tasks.TaskService/GetTask: expected a stub before a colon, got table as the first " ..
      "argument: write stub:GetTask(...), not stub.GetTask(...)", function() stub.GetTask({ id = "1" }, {}) end)
    raises("/tasks.TaskService/ListTasks: expected a stub before a colon, got table", function() stub.ListTasks {} end)
    assert(mw.fs.write("dot", "x"))
    local file <close> = assert(mw.fs.open "dot")
    raises("read: expected moonwire.File before a colon, got number", function() file.read(1) end)
  end)

  it("that is no mistake of that kind says what was expected", function()
    local tasks = mw.store.collection { name = "spec.dot", message = "tasks.Task" }
    raises("moonwire.Collection expected, got string", function() local insert = tasks.insert; insert("x") end)
  end)
end)
