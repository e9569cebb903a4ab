-- Handlers that run away: each is ended, and the calls beside it are not held up for long.
local mw = require "moonwire"
local test = require "moonwire.test"

local allowed <const> = 0.25 -- seconds that calls beside a runaway may take, 99 of 100
local least_kinds <const> = 12

-- Seconds for which a thread has waited until now for a processor that was busy with other things; 0 when the system
-- does not say.
local function waited(thread)
  local file <close> = io.open(thread .. "/schedstat")
  if not file then return 0 end
  local _, delay = file:read("n", "n") -- its time on a processor, and its time in line for one; nanoseconds
  return delay / 1e9
end

-- The thread of a process that has been the busiest.
local function busiest(pid)
  local list <close> = assert(io.popen(("ls -d /proc/%d/task/*"):format(pid)))
  local found, most = nil, -1
  for thread in list:lines() do
    local file <close> = io.open(thread .. "/schedstat")
    local busy = file and file:read "n" or 0
    if busy > most then found, most = thread, busy end
  end
  return found
end

describe("a runaway", function()
  local server, client, worker
  local times, ran, kinds = {}, {}, 0 -- of the calls beside all runaways; which ran, and how many

  setup(function()
    local address
    server, address = test.serve()
    client = mw.client(address):service "runaway.Runaway"
    client:Run { what = "a loop" }
    worker = busiest(server.pid)
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  -- One call. The time for which the machine has kept the server waiting, and us, is not the runaway's doing.
  local function ping(pinger)
    local since, server_waited, we_waited = test.now(), waited(worker), waited "/proc/thread-self"
    pinger.failed = pinger.failed or select(2, client:Ping {})
    local delay <const> = waited(worker) - server_waited + waited "/proc/thread-self" - we_waited
    times[#times + 1] = test.now() - since - delay
    pinger.n, pinger.open = pinger.n + 1, pinger.open - 1
  end

  -- Calls every 5 ms, also while others have no answer yet, until told to stop.
  local function start_pinging()
    local pinger = { n = 0, open = 0 }
    mw.spawn(function()
      while not pinger.stop do
        pinger.open = pinger.open + 1
        mw.spawn(function() ping(pinger) end)
        mw.sleep(0.005)
      end
      pinger.stopped = true
    end)
    return pinger
  end

  -- Runs one, with calls beside it, and returns the status it ends with.
  local function run(what)
    local pinger = start_pinging()
    test.eventually(function() return pinger.n > 0 end)
    local reply, status = client:Run { what = what }
    pinger.stop = true
    test.eventually(function() return pinger.stopped and pinger.open == 0 end)
    assert.is_nil(pinger.failed)
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

  it("leaves the calls beside it their time", function()
    for _, what in ipairs(stopped) do
      if kinds < least_kinds then run(what) end
    end
    table.sort(times)
    local slowest <const> = times[math.ceil(0.99 * #times)]
    local sanitized = os.execute(("grep -q -e __asan_init -e __tsan_init /proc/%d/exe"):format(server.pid))
    assert.is_true(kinds >= least_kinds)
    assert.is_true(slowest < allowed * (sanitized and 4 or 1),
      ("p99 of %d calls beside %d runaways: %.3f s"):format(#times, kinds, slowest))
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
