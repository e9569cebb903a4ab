-- Loops that a handler times itself, without gRPC around each step.
local mw = require "moonwire"

local records = mw.store.collection { name = "bench", message = "bench.Record", key = "id" }
local Bench = mw.service "bench.Bench"

function Bench.Gets(req)
  records:put { id = "record", text = "a small record, as most are", number = 42 }
  local started <const> = os.clock()
  for _ = 1, req.count do
    assert(records:get("record"))
  end
  return { per_second = req.count / (os.clock() - started) }
end

function Bench.Work(req)
  for _ = 1, req.count do end
  return {}
end
