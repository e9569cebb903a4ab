-- Handlers that run away: each is ended, and the calls beside it are not held up for long.
local mw = require "moonwire"
local test = require "moonwire.test"

-- Seconds that a call may take beside a runaway, on a machine that has other things to do too; a program under a
-- sanitizer is another.
local function longest_allowed(server)
  local sanitized = os.execute(("grep -q -e __asan_init -e __tsan_init /proc/%d/exe"):format(server.pid))
  return sanitized and 5 or 1
end

describe("a runaway", function()
  local server, client, allowed

  setup(function()
    local address
    server, address = test.serve()
    client = mw.client(address):service "runaway.Runaway"
    allowed = longest_allowed(server)
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  -- Pings until told to stop; the longest that one took.
  local function start_pinging()
    local pinger = { longest = 0, n = 0 }
    mw.spawn(function()
      while not pinger.stop do
        local since = test.now()
        pinger.failed = pinger.failed or select(2, client:Ping {})
        pinger.longest = math.max(pinger.longest, test.now() - since)
        pinger.n = pinger.n + 1
      end
      pinger.stopped = true
    end)
    return pinger
  end

  -- Runs one and returns the status it ends with, and how long another call took meanwhile.
  local function run(what)
    local pinger = start_pinging()
    test.eventually(function() return pinger.n > 0 end)
    local reply, status = client:Run { what = what }
    pinger.stop = true
    test.eventually(function() return pinger.stopped end)
    assert.is_nil(pinger.failed)
    assert.is_nil(reply)
    return status, pinger.longest
  end

  local function ends(what, by, place)
    it(("by %s is ended"):format(what), function()
      local logged = #server.stderr
      local status, longest = run(what)
      for _ = 2, 10 do -- a machine that is busy with other things proves nothing
        if longest < allowed then break end
        status, longest = run(what)
      end
      assert.is_true(longest < allowed, ("a call beside it took %.3f s"):format(longest))
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
    "table.remove", "table.move", "table.concat", "table.sort", "table.sort of much", "mw.json",
  } do
    ends(what, slow)
  end
  ends("recursion", "the handler ") -- its time or its memory, whichever is used up first
  ends("string.rep", large)
  for _, what in ipairs {
    "a string that grows", "a string that grows in pcall", "memory in a coroutine", "table.concat of much", "mw.json of much",
    "a long program", "programs in pcall", "a table that grows",
    "a table that grows in pcall",
  } do
    ends(what, "the handler") -- whichever of the two it meets first
  end

  it("in a job is ended", function()
    assert.is_table((client:Run { what = "a job" }))
    test.eventually(function() return server.stderr:match "the job ran for more than 100 ms without waiting" end)
    assert.equal("pong", client:Ping({}).text)
  end)

  it("is warned of at half of its time", function()
    assert.matches("the handler has run for %d+ ms without waiting; at 100 ms it is ended", server.stderr)
  end)
end)
