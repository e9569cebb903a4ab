-- Handlers that use processor time.
local mw = require "moonwire"

local Busy = mw.service "busy.Busy"
local worker <const> = tostring({}) -- a name that differs between Lua states

local spins <const> = mw.metrics.counter { name = "busy_spins_total" }

local function work(job)
  for _ = 1, job.turns do end
end

local function spin(job)
  local last = mw.time.monotonic() + job.ms / 1000
  repeat until mw.time.monotonic() >= last
end

function Busy.Spin(job)
  spins:inc()
  spin(job)
  return { number = job.number, worker = worker }
end

function Busy.Nap(job)
  mw.sleep(0.1)
  spin(job)
  return { number = job.number, worker = worker }
end

function Busy.Announce(job, call)
  call:send { number = 0, worker = worker }
  mw.sleep(0)
  spin(job)
  call:send { number = 1, worker = worker }
end

function Busy.Ended()
  return { number = math.tointeger(mw.metrics.total "moonwire_calls_total" or 0) }
end

function Busy.Begun()
  return { number = math.tointeger(spins:value()) }
end

function Busy.Work(job, call)
  work(job)
  if job.fails then
    call:set_trailer("x-worker", worker)
    return nil, mw.status.not_found("no job %d", job.number)
  end
  call:set_header("x-mark", call.metadata["x-mark"])
  call:set_trailer("x-mark-bin", call.metadata["x-mark-bin"])
  return { number = job.number, worker = worker }
end

function Busy.Count(job, call)
  work(job)
  for number = 1, job.number do
    if not call:send { number = number, worker = worker } then return end
    if job.slowly then mw.sleep(0.01) end
  end
end

function Busy.Sum(call)
  local sum = 0
  for job in call:messages() do
    work(job)
    sum = sum + job.number
  end
  return { number = sum, worker = worker }
end

function Busy.Echo(call)
  for job in call:messages() do
    work(job)
    call:send { number = job.number, worker = worker }
  end
end
