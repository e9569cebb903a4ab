-- Interceptors that return neither the results of next() nor a status.
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local assert_status <const> = servers.assert_status

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("an interceptor that returns nothing", function()
  local folder, server, tasks
  setup(function()
    folder = project.new {
      ["proto/tasks.proto"] = read "proto/tasks.proto",
      ["lua/tasks.lua"] = [[
        local mw = require "moonwire"
        local Tasks = mw.service "tasks.TaskService"
        function Tasks.GetTask() return { title = "good" } end
        function Tasks.ListTasks(_, call)
          if call.metadata.way == "fails" then return nil, mw.status.not_found "none" end
          call:send { title = "one" }
        end
      ]],
      ["lua/zz.lua"] = [[
        local mw = require "moonwire"
        mw.intercept(function(call, next)
          if call.metadata.way == "shut" then return end
          if call.metadata.way == "explicit" then return nil end
          next()
        end)
      ]],
    }
    server = servers.start { dir = folder.dir }
    tasks = server:connect "tasks.TaskService"
  end)

  teardown(function()
    server:stop()
    project.__close(folder)
  end)

  local function list(way)
    local stream <close> = tasks:ListTasks({}, { metadata = { way = way } })
    local n = 0
    while stream:receive() do n = n + 1 end
    return n, stream:status()
  end

  it("is named, not the handler", function()
    assert_status("INTERNAL", "internal error", tasks:GetTask { id = "1" })
    test.eventually(function()
      return server.process.stderr:find(
        "lua/zz.lua:2: the interceptor returned neither the handler's results nor a status", 1, true)
    end)
  end)

  it("does not make an OK of a failure, or of a call that the handler has not seen", function()
    for _, way in ipairs { "fails", "shut" } do
      local n, status = list(way)
      assert.are.equal(0, n)
      assert.are.equal("INTERNAL", status.code)
    end
  end)

  it("may do so if the handler returned nothing, or end a stream by nil", function()
    local n, status = list "streams"
    assert.are.same({ 1, "OK" }, { n, status.code })
    n, status = list "explicit"
    assert.are.same({ 0, "OK" }, { n, status.code })
  end)
end)
