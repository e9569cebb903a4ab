-- Handlers that run away: each is ended, and the calls beside it are not held up for long.
local mw = require "moonwire"
local beside = require "support.beside"
local test = require "moonwire.test"

local least_kinds <const> = 12

describe("a runaway", function()
  local server, address, client, calls
  local ran, kinds = {}, 0 -- which ran, and how many

  setup(function()
    server, address = test.serve()
    client = mw.client(address):service "runaway.Runaway"
    client:Run { what = "a loop" }
    calls = beside.new(server, client)
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  -- Runs one, with calls beside it, and returns the status it ends with.
  local function run(what)
    local pinger = calls:start()
    local reply, status = client:Run { what = what }
    calls:finish(pinger)
    assert.is_nil(reply)
    if not ran[what] then ran[what], kinds = true, kinds + 1 end
    return status
  end

  local stopped = {} -- what is, by name

  local function ends(what, by, place)
    stopped[#stopped + 1] = what
    it(("by %s is ended"):format(what), function()
      local logged = #server.stderr
      local status = run(what)
      local log
      test.eventually(function()
        log = server.stderr:sub(logged + 1)
        return log:find("\n", 1, true) and log:find(by, 1, true)
      end)
      assert.equal("RESOURCE_EXHAUSTED", status.code)
      assert.matches(by, status.message, 1, true)
      assert.matches(place or "at=lua/runaway.lua:%d+", log)
      assert.matches("runaway.Runaway/Run", log, 1, true)
    end)
  end

  local slow <const> = "the handler ran for more than 100 ms without waiting"
  local large <const> = "the handler used up the memory of the worker's scripts, 67108864 bytes"

  ends("a loop", slow, "at=lua/runaway.lua:7")
  for _, what in ipairs {
    "a loop in pcall", "a loop in xpcall, and in its message handler", "a message handler", "a tail call",
    "a coroutine", "a wrapped coroutine", "coroutines in coroutines", "coroutine.close", "a goto", "__index",
    "__index that recurses", "__close", "__close that closes another", "__close that replaces the error",
    "__close that recovers", "an iterator", "__tostring", "a loader", "table.sort with a slow order",
    "string.gsub with a slow replacement", "long strings",
    "string.find", "string.match in pcall", "string.gsub", "string.gmatch", "string.rep of nothing", "table.insert",
    "table.remove", "table.move", "table.concat", "table.sort", "table.sort of much", "mw.json", "spawned work",
    "spawned work that waits", "spawned work in coroutines", "spawned functions", "coroutine.wrap that closes",
    "string.find with a long set", "string.find of what was captured", "string.gsub with a long replacement by nothing",
    "topic:publish of shared branches", "mw.json of Any in Any", "tostring of long strings",
  } do
    ends(what, slow)
  end
  ends("recursion", "the handler ") -- its time or its memory, whichever is used up first
  ends("string.rep", large)
  for _, what in ipairs {
    "a string that grows", "a string that grows in pcall", "memory in a coroutine", "table.concat of much", "mw.json of much",
    "a long program", "programs in pcall", "a table that grows",
    "a table that grows in pcall", "functions that sleep",
    "string.gsub of nothing", "string.format of a long string", "topic:publish of a long string many times",
    "mw.json of a long string many times", "mw.json of a message with a long string", "mw.json of many keys",
    "a message of shared branches", "a message of many messages", "a long list in a message",
  } do
    ends(what, "the handler") -- whichever of the two it meets first
  end

  it("by a status with a long message is none", function()
    local since <const> = test.now()
    local _, status <const> = client:Run { what = "a status with a long message" }
    assert.equal("NOT_FOUND", status.code)
    assert.is_true(test.now() - since < 5)
  end)

  it("by a large reply is refused before the reply is packed", function()
    local reply <const>, status <const> = client:Run { what = "a large reply" }
    assert.is_nil(reply)
    assert.equal("INTERNAL", status.code)
    test.eventually(function()
      return server.stderr:find("bad reply: runaway.Reply.parts[4]: the message takes too much memory, more than the "
        .. "67108864 bytes of limits.unpack_bytes", 1, true)
    end)
  end)

  it("leaves the calls beside it their time", function()
    for _, what in ipairs(stopped) do
      if kinds < least_kinds then run(what) end
    end
    assert.is_true(kinds >= least_kinds)
    calls:check(kinds .. " runaways")
  end)

  it("in a job is ended", function()
    assert.is_table((client:Run { what = "a job" }))
    test.eventually(function() return server.stderr:match "the job ran for more than 100 ms without waiting" end)
    assert.equal("pong", client:Ping({}).text)
  end)

  it("is warned of at half of its time", function()
    assert.matches("the handler has run for %d+ ms without waiting; at 100 ms it is ended", server.stderr)
  end)
end)
