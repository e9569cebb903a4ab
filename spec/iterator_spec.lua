-- Iterators of the API: in a loop, called as functions, and wrapped in iterators of a script.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

-- Ways to take `n` values from the iterator that open() returns. Handlers run them too, from this text.
local ways_source <const> = [[
return {
  ["a loop"] = function(open, n)
    local got = {}
    for value in open() do
      got[#got + 1] = value
      if #got == n then break end
    end
    return got
  end,
  ["a loop over a variable"] = function(open, n)
    local got, iterator = {}, open()
    for value in iterator do
      got[#got + 1] = value
      if #got == n then break end
    end
    return got
  end,
  ["calls"] = function(open, n)
    local got, iterator = {}, open()
    while #got < n do got[#got + 1] = assert(iterator(), "no value") end
    return got
  end,
  ["an iterator of its own"] = function(open, n)
    local iterator, got = open(), {}
    local function again() return #got < n and iterator() or nil end
    for value in again do got[#got + 1] = value end
    return got
  end,
  ["a coroutine around the loop"] = function(open, n)
    local got = {}
    local wrapped <const> = coroutine.wrap(function()
      for value in open() do coroutine.yield(value) end
    end)
    while #got < n do got[#got + 1] = assert(wrapped(), "no value") end
    return got
  end,
  ["a coroutine around calls"] = function(open, n)
    local got, iterator = {}, open()
    local wrapped <const> = coroutine.wrap(function()
      while true do coroutine.yield((iterator())) end
    end)
    while #got < n do got[#got + 1] = assert(wrapped(), "no value") end
    return got
  end,
}
]]
local ways <const> = load(ways_source)()

local names = 0
local function fresh(prefix)
  names = names + 1
  return prefix .. names
end

local function collection()
  local tasks <const> = mw.store.collection { name = fresh "iterated", message = "tasks.Task" }
  for i = 1, 3 do assert(tasks:insert { id = tostring(i), title = "title" }) end
  return tasks
end

describe("collection:each", function()
  it("is itself the iterator in each way", function()
    for _, take in pairs(ways) do
      local tasks <const> = collection()
      local got <const> = take(function() return tasks:each() end, 3)
      assert.are.equal("1 2 3", ("%s %s %s"):format(got[1].id, got[2].id, got[3].id))
    end
  end)

  it("returns nil after the last message, however often it is called", function()
    local iterator = collection():each { limit = 1 }
    assert.are.equal("1", iterator().id)
    assert.is_nil(iterator())
    assert.is_nil(iterator())
  end)

  it("ends with its <close> variable", function()
    local tasks <const> = collection()
    local kept
    do
      local iterator <close> = tasks:each()
      kept = iterator
      assert.are.equal("1", iterator().id)
    end
    assert.is_nil(kept())
  end)
end)

describe("collection:watch", function()
  it("is itself the iterator in each way", function()
    for _, take in pairs(ways) do
      local tasks <const> = collection()
      local got <const> = take(function() return tasks:watch { existing = true } end, 3)
      assert.are.equal("1 2 3", ("%s %s %s"):format(got[1].key, got[2].key, got[3].key))
    end
  end)

  it("waits for a change where it is called", function()
    local tasks <const> = collection()
    local changes <close> = tasks:watch()
    mw.spawn(function() assert(tasks:delete "2") end)
    local change <const> = coroutine.wrap(function() return changes() end)()
    assert.are.same({ type = "delete", key = "2" }, { type = change.type, key = change.key })
  end)

  it("ends with its <close> variable", function()
    local kept
    do
      local changes <close> = collection():watch()
      kept = changes
    end
    assert.has_error(function() kept() end, "watch: it is closed")
  end)
end)

describe("a subscription", function()
  local function published()
    local topic <const> = mw.topic(fresh "iterated.")
    local subscription <const> = topic:subscribe()
    for i = 1, 3 do topic:publish(i) end
    subscription:close()
    return subscription, topic
  end

  it("is itself an iterator in each way", function()
    for _, take in pairs(ways) do assert.are.same({ 1, 2, 3 }, take(published, 3)) end
  end)

  it("has messages() that work in each way", function()
    for _, take in pairs(ways) do
      assert.are.same({ 1, 2, 3 }, take(function() return published():messages() end, 3))
    end
  end)

  it("gives how many were dropped too, and nil once it is closed", function()
    local topic <const> = mw.topic(fresh "iterated.")
    local subscription <const> = topic:subscribe { capacity = 1 }
    topic:publish "a"
    topic:publish "b"
    subscription:close()
    assert.are.same({ "b", 1 }, { subscription() })
    assert.is_nil(subscription())
  end)

  it("waits for a value where it is called", function()
    local topic <const> = mw.topic(fresh "iterated.")
    local values <close> = topic:subscribe():messages()
    mw.spawn(function() topic:publish "late" end)
    assert.are.equal("late", (values()))
  end)

  it("ends with the <close> variable of its messages()", function()
    local topic <const> = mw.topic(fresh "iterated.")
    do
      local values <close> = topic:subscribe():messages()
      assert.are.equal(1, topic:publish "one")
      assert.are.equal("one", (values()))
    end
    assert.are.equal(0, topic:publish "none")
  end)
end)

describe("messages() of", function()
  local handlers <const> = [[
local mw = require "moonwire"
local FileUpload, Tasks = mw.service "fileupload.FileUploadService", mw.service "tasks.TaskService"
local ways = (function() ]] .. ways_source .. [[ end)()

local function take_elsewhere(call)
  local messages, taken, done = call:messages(), nil, mw.topic "taken":subscribe()
  mw.spawn(function()
    taken = messages().filename
    mw.topic "taken":publish(true)
  end)
  done:receive()
  return taken
end

function FileUpload.Upload(call)
  local way = call.metadata.way
  if way == "elsewhere" then return { message = take_elsewhere(call) } end
  local got = ways[way](function() return call:messages() end, 3)
  return { message = ("%s %s %s"):format(got[1].filename, got[2].filename, got[3].filename) }
end

function Tasks.ListTasks(_, call)
  for i = 1, tonumber(call.metadata.n) do call:send { id = tostring(i) } end
  if call.metadata.n == "0" then error(mw.status.aborted "nothing to list") end
end
]]
  local folder, server, uploads, tasks

  local function read(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
  end

  setup(function()
    folder = project.new {
      ["proto/fileupload.proto"] = read "proto/fileupload.proto", ["proto/tasks.proto"] = read "proto/tasks.proto",
      ["lua/iterated.lua"] = handlers,
    }
    server = servers.start { dir = folder.dir }
    uploads, tasks = server:connect "fileupload.FileUploadService", server:connect "tasks.TaskService"
  end)

  teardown(function()
    server:stop()
    folder:__close()
  end)

  local function list(n) return assert(tasks:ListTasks({}, { metadata = { n = tostring(n) } })) end

  it("a call work in each way", function()
    for way in pairs(ways) do
      local stream <close> = uploads:Upload { metadata = { way = way } }
      for i = 1, 3 do assert(stream:send { filename = tostring(i) }) end
      assert.are.equal("1 2 3", assert(stream:finish()).message, way)
    end
  end)

  it("a call work in a function that the handler has spawned", function()
    local stream <close> = uploads:Upload { metadata = { way = "elsewhere" } }
    assert(stream:send { filename = "one" })
    assert.are.equal("one", assert(stream:finish()).message)
  end)

  it("a client's stream work in each way", function()
    for way, take in pairs(ways) do
      local stream <close> = list(3)
      local got <const> = take(function() return stream:messages() end, 3)
      assert.are.equal("1 2 3", ("%s %s %s"):format(got[1].id, got[2].id, got[3].id), way)
    end
  end)

  it("a client's stream raise the status of an end that is not clean", function()
    local stream <close> = list(0)
    local messages <const> = stream:messages()
    local _, status = pcall(messages)
    assert.are.equal("ABORTED", status.code)
  end)

  it("a client's stream cancel it at the end of their <close> variable", function()
    local stream <const> = list(100000)
    do
      local messages <close> = stream:messages()
      assert.are.equal("1", messages().id)
    end
    assert.are.equal("CANCELLED", stream:status().code)
  end)
end)
