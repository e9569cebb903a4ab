-- Runs the recipe of docs/handlers.md that counts how calls end, and compares its counts with the server's for each way
-- in which a call can end.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local recipe <const> = read("docs/handlers.md"):match "### Counting and logging how calls end\n.-\n```lua\n(.-)```\n"

local handlers <const> = [[
local mw = require "moonwire"
local Tasks = mw.service "tasks.TaskService"

-- The actions of a handler, by the title or the id of its request.
local ways = {
  ["a reply"] = function() return { title = "good" } end,
  ["a status returned"] = function() return nil, mw.status.not_found "none" end,
  ["a status raised"] = function() error(mw.status.permission_denied "not yours") end,
  ["a failure passed on"] = function() return nil, select(2, mw.fs.read "absent") end,
  ["a failure raised"] = function() assert(mw.fs.read "absent") end,
  ["a bug"] = function() local t = nil; return t.x end,
  ["an unknown field"] = function() return { titel = "bad" } end,
  ["a wrong type"] = function() return { title = {} } end,
  ["no reply"] = function() end,
  ["a status as the reply"] = function() return mw.status.not_found "none" end,
  ["a string as the status"] = function() return nil, "none" end,
  ["a cut"] = function() while true do end end,
  ["too much memory"] = function() local t = {} while true do t[#t + 1] = ("x"):rep(1 << 20) .. #t end end,
  ["a deadline"] = function() mw.sleep(60) end,
  ["a caught bug"] = function() pcall(error, "x") return { title = "good" } end,
}

function Tasks.CreateTask(req) return ways[req.title]() end

function Tasks.ListTasks(_, call)
  local way = call.metadata.way
  if way == "a value" then return { title = "streamed" } end
  if way == "a bug" then error "half-way" end
  if way == "a bad message" then call:send { titel = "bad" } end
  if way == "a status" then return nil, mw.status.aborted "half-way" end
  if way == "a client that goes" then
    while call:send { title = ("x"):rep(10000) } do end
  end
end

function Tasks.GetTask(req)
  return { title = tostring(mw.metrics.text()) }
end
]]

describe("the recipe that counts how calls end", function()
  local folder, server, tasks, health
  local unary <const> = {
    ["a reply"] = "OK", ["a caught bug"] = "OK", ["a status returned"] = "NOT_FOUND",
    ["a status raised"] = "PERMISSION_DENIED", ["a failure passed on"] = "NOT_FOUND", ["a failure raised"] = "INTERNAL",
    ["a bug"] = "INTERNAL", ["an unknown field"] = "INTERNAL", ["a wrong type"] = "INTERNAL", ["no reply"] = "INTERNAL",
    ["a status as the reply"] = "INTERNAL", ["a string as the status"] = "INTERNAL", ["a cut"] = "RESOURCE_EXHAUSTED",
    ["too much memory"] = "RESOURCE_EXHAUSTED", ["a deadline"] = "DEADLINE_EXCEEDED",
  }
  local streamed <const> = {
    ["nothing"] = "OK", ["a value"] = "INTERNAL", ["a bug"] = "INTERNAL", ["a bad message"] = "INTERNAL",
    ["a status"] = "ABORTED",
  }

  setup(function()
    folder = project.new {
      ["proto/tasks.proto"] = read "proto/tasks.proto", ["lua/a_endings.lua"] = recipe, ["lua/tasks.lua"] = handlers,
      ["moonwire.lua"] = "return { limits = { slice_ms = 50, memory_bytes = 64 << 20 } }",
    }
    server = servers.start { dir = folder.dir }
    tasks, health = server:connect "tasks.TaskService", server:connect "grpc.health.v1.Health"
  end)

  teardown(function()
    server:stop()
    folder:__close()
  end)

  -- The value of `metric` for the method and code.
  local function counted(metric, method, code)
    local text <const> = assert(tasks:GetTask {}).title
    return tonumber(text:match(('\n%s{method="/?%s",code="%s"} (%%d+)'):format(metric, method, code)) or 0)
  end

  -- Runs `f`, and asserts that the recipe and the server each count one more call with this method and code.
  local function counts(method, code, f)
    local name <const> = method:gsub("%.", "%%.")
    local before <const> = counted("calls_ended_total", name, code)
    local own <const> = counted("moonwire_calls_total", name, code)
    f()
    test.eventually(function() return counted("moonwire_calls_total", name, code) == own + 1 end)
    assert.are.equal(before + 1, counted("calls_ended_total", name, code))
  end

  for way, code in pairs(unary) do
    it("counts " .. way .. " as " .. code, function()
      counts("tasks.TaskService/CreateTask", code, function()
        local reply, status = tasks:CreateTask({ title = way }, way == "a deadline" and { deadline = 0.1 } or nil)
        assert.are.equal(code, reply and "OK" or status.code)
      end)
    end)
  end

  it("counts a lack of memory wherever the handler meets it", function()
    for _ = 1, 30 do
      counts("tasks.TaskService/CreateTask", "RESOURCE_EXHAUSTED", function()
        tasks:CreateTask { title = "too much memory" }
      end)
    end
  end)

  for way, code in pairs(streamed) do
    it("counts " .. way .. " of a stream as " .. code, function()
      counts("tasks.TaskService/ListTasks", code, function()
        local stream <close> = tasks:ListTasks({}, { metadata = { way = way } })
        local ok, status = stream:finish()
        assert.are.equal(code, ok and "OK" or status.code)
      end)
    end)
  end

  it("counts a stream whose client goes as CANCELLED, though its handler returns", function()
    counts("tasks.TaskService/ListTasks", "CANCELLED", function()
      local stream <close> = tasks:ListTasks({}, { metadata = { way = "a client that goes" } })
      assert.is_table((stream:receive()))
    end)
  end)

  it("counts the calls of built-in services", function()
    counts("grpc.health.v1.Health/Check", "OK", function() assert(health:Check {}) end)
    counts("grpc.health.v1.Health/Check", "NOT_FOUND", function() health:Check { service = "no.Such" } end)
  end)

  it("counts the reflection of moonwire call as OK", function()
    local method <const> = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    for _, method_of_call in ipairs { "tasks.TaskService/GetTask", "tasks.TaskService/Absent" } do
      counts(method, "OK", function()
        local process <close> = test.start({ "call", server.address, method_of_call, "{}" }, { cwd = "/" })
        process:wait()
      end)
    end
    local text <const> = assert(tasks:GetTask {}).title
    assert.is_nil(text:find('method="/?' .. method:gsub("%.", "%%.") .. '",code="CANCELLED"'))
  end)

  it("logs what failed", function()
    local log <const> = server.process.stderr
    assert.matches('method=/tasks.TaskService/CreateTask msg="call failed" code=NOT_FOUND message=none', log, 1, true)
    assert.matches('msg="call failed" code=PERMISSION_DENIED message="not yours"', log, 1, true)
    assert.is_nil(log:find "method=[^\n]* method=")
  end)
end)
