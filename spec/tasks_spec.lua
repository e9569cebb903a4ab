local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local SERVICE <const> = "tasks.TaskService"

describe("tasks.TaskService", function()
  local server, tasks
  setup(function()
    server = servers.start { args = { "--workers", "2" } }
    tasks = server:connect(SERVICE)
  end)
  teardown(function() server:stop() end)

  local function create(title, priority)
    return assert(tasks:CreateTask { title = title, description = "words", priority = priority })
  end

  describe("CreateTask", function()
    it("answers with the task, which is to do", function()
      local before = os.time()
      local task = create("land on the moon", "HIGH")
      assert.matches("^task%-%d%d%d%d$", task.id)
      assert.are.equal("land on the moon", task.title)
      assert.are.equal("words", task.description)
      assert.are.equal("HIGH", task.priority)
      assert.are.equal("TODO", task.status)
      assert.is_true(task.created_at >= before and task.created_at <= os.time())
    end)

    it("takes a task without a priority", function()
      assert.are.equal("PRIORITY_UNSPECIFIED", create("x").priority)
    end)

    it("wants a title", function()
      servers.assert_status("INVALID_ARGUMENT", "title is required", tasks:CreateTask { description = "x" })
    end)

    it("gives each task an id of its own, on every connection", function()
      local seen, clients = {}, {}
      for i = 1, 8 do
        local client = server:connect(SERVICE)
        clients[i] = function()
          for _ = 1, 10 do
            local id = assert(client:CreateTask { title = "many" }).id
            assert.is_nil(seen[id])
            seen[id] = true
          end
        end
      end
      servers.all(clients)
    end)
  end)

  describe("GetTask", function()
    it("answers with the task, on every connection", function()
      local task = create("get me", "LOW")
      for _ = 1, 4 do
        local got = assert(server:connect(SERVICE):GetTask { id = task.id })
        assert.are.same(task, got)
      end
    end)

    it("does not know other ids", function()
      servers.assert_status("NOT_FOUND", "Task ID not found: task-9999", tasks:GetTask { id = "task-9999" })
      servers.assert_status("NOT_FOUND", "Task ID not found", tasks:GetTask {})
      servers.assert_status("NOT_FOUND", "Task ID not found", tasks:GetTask { id = ("x"):rep(2000) })
    end)
  end)

  describe("ListTasks", function()
    local function ids(filters)
      local list = {}
      for task in tasks:ListTasks(filters or {}):messages() do list[#list + 1] = task.id end
      return list
    end

    it("streams the tasks in the order of their ids", function()
      create "a"
      create "b"
      local list = ids()
      assert.is_true(#list >= 2)
      local sorted = { table.unpack(list) }
      table.sort(sorted)
      assert.are.same(sorted, list)
    end)

    it("filters by priority and status, and by what is unspecified too", function()
      local low, critical, none = create("low", "LOW").id, create("critical", "CRITICAL").id, create("none").id
      assert(tasks:UpdateStatus { id = critical, status = "DONE" })
      local function lists(filters, id)
        for _, listed in ipairs(ids(filters)) do
          if listed == id then return true end
        end
        return false
      end
      assert.is_true(lists({ priority_filter = "LOW" }, low))
      assert.is_false(lists({ priority_filter = "LOW" }, critical))
      assert.is_true(lists({ priority_filter = "PRIORITY_UNSPECIFIED" }, none))
      assert.is_false(lists({ priority_filter = "PRIORITY_UNSPECIFIED" }, low))
      assert.is_true(lists({ status_filter = "DONE" }, critical))
      assert.is_false(lists({ status_filter = "DONE" }, low))
      assert.is_true(lists({ priority_filter = "CRITICAL", status_filter = "DONE" }, critical))
      assert.are.same({}, ids { priority_filter = "CRITICAL", status_filter = "CANCELLED" })
    end)

    it("lists what there was when it began, whatever happens meanwhile", function()
      for _ = 1, 100 do create "snapshot" end
      local before = #ids()
      local stream <close> = tasks:ListTasks {}
      local first = stream:receive()
      for _ = 1, 20 do create "later" end
      assert(tasks:UpdateStatus { id = first.id, status = "DONE" })
      local n = 1
      for _ in stream:messages() do n = n + 1 end
      assert.is_true(n >= before and n <= before + 20, n)
    end)

    it("stops when the client goes", function()
      local stream = tasks:ListTasks {}
      assert.is_truthy(stream:receive())
      stream:cancel()
      assert.is_truthy(create "still served")
    end)
  end)

  describe("UpdateStatus", function()
    it("answers with the task as it is now, and nothing else has changed", function()
      local task = create("update me", "MEDIUM")
      for _, status in ipairs { "IN_PROGRESS", "DONE", "CANCELLED", "TODO" } do
        task.status = status
        assert.are.same(task, (assert(tasks:UpdateStatus { id = task.id, status = status })))
        assert.are.same(task, (assert(tasks:GetTask { id = task.id })))
      end
    end)

    it("does not know other ids", function()
      servers.assert_status("NOT_FOUND", "Task ID not found: nope", tasks:UpdateStatus { id = "nope", status = "DONE" })
    end)

    it("wants a status", function()
      local id = create("x").id
      local words = "status: expected TODO, IN_PROGRESS, DONE or CANCELLED, got "
      servers.assert_status("INVALID_ARGUMENT", words .. "STATUS_UNSPECIFIED", tasks:UpdateStatus { id = id })
      servers.assert_status("INVALID_ARGUMENT", words .. "77", tasks:UpdateStatus { id = id, status = 77 })
      assert.are.equal("TODO", assert(tasks:GetTask { id = id }).status)
    end)
  end)

  describe("in a data folder", function()
    it("keeps tasks and never reuses an id, whether it stops or is killed", function()
      local folder <close> = project.new {}
      local options = { data = folder.dir .. "/data", args = { "--workers", "2" } }
      local known, highest = {}, ""
      for round = 1, 3 do
        local durable = servers.start(options)
        local client = durable:connect(SERVICE)
        for id, title in pairs(known) do assert.are.equal(title, assert(client:GetTask { id = id }).title) end
        for i = 1, 5 do
          local task = assert(client:CreateTask { title = round .. "." .. i })
          assert.is_true(task.id > highest)
          known[task.id], highest = task.title, task.id
        end
        if round == 2 then
          durable.process:kill(9)
          test.eventually(function() return durable.process:wait(1) end)
        else
          durable:stop()
        end
      end
    end)
  end)
end)
