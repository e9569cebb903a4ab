-- Calls beside a runaway, and their duration.
local mw = require "moonwire"
local test = require "moonwire.test"

local Beside = {}
Beside.__index = Beside

local M = { allowed = 0.25 } -- limit for the 99th percentile of calls beside a runaway, seconds

-- Seconds for which a thread, while runnable, has waited for a processor since its start; 0 if the system does not
-- report it.
local function waited(thread)
  local file <close> = io.open(thread .. "/schedstat")
  if not file then return 0 end
  local _, delay = file:read("n", "n") -- time on a processor, time waiting for one; nanoseconds
  return delay / 1e9
end

-- Returns the thread of a process with the most processor time.
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

-- The server's worker must have used more processor time than its other threads.
function M.new(server, client)
  return setmetatable({ pid = server.pid, client = client, worker = busiest(server.pid), times = {} }, Beside)
end

-- Makes one call. Subtracts the time for which the server's and this thread waited for a processor.
function Beside:ping(pinger)
  local since, server_waited, we_waited = test.now(), waited(self.worker), waited "/proc/thread-self"
  pinger.failed = select(2, self.client:Ping {}) or pinger.failed
  local delay <const> = waited(self.worker) - server_waited + waited "/proc/thread-self" - we_waited
  self.times[#self.times + 1] = test.now() - since - delay
  pinger.n, pinger.open = pinger.n + 1, pinger.open - 1
end

-- Makes a call every 5 ms, without waiting for answers, until finish().
function Beside:start()
  local pinger = { n = 0, open = 0 }
  mw.spawn(function()
    while not pinger.stop do
      pinger.open = pinger.open + 1
      mw.spawn(function() self:ping(pinger) end)
      mw.sleep(0.005)
    end
    pinger.stopped = true
  end)
  test.eventually(function() return pinger.n > 0 end)
  return pinger
end

-- Waits for the answers and asserts that none is an error.
function Beside:finish(pinger)
  pinger.stop = true
  test.eventually(function() return pinger.stopped and pinger.open == 0 end)
  assert(not pinger.failed, tostring(pinger.failed))
end

-- Asserts that 99 of 100 calls took no longer than `allowed`.
function Beside:check(what)
  local times <const> = self.times
  table.sort(times)
  local slowest <const> = times[math.ceil(0.99 * #times)]
  local sanitized = os.execute(("grep -q -e __asan_init -e __tsan_init /proc/%d/exe"):format(self.pid))
  local slices <const> = os.getenv "MOONWIRE_GCSTRESS" and 10 or 1 -- scripts have ten times their slice
  assert(slowest < M.allowed * math.max(sanitized and 4 or 1, slices),
    ("p99 of %d calls beside %s: %.3f s"):format(#times, what, slowest))
end

return M
