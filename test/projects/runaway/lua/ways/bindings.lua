-- Ways to run away through the module moonwire.
local mw = require "moonwire"
local ways, waits = {}, {}

local records <const> = mw.store.collection { name = "records", message = "runaway.Request", key = "what" }
local counter <const> = mw.metrics.counter { name = "runaway_total", help = "Rounds of a handler that runs away." }

ways["mw.base64"] = function()
  local s <const> = ("x"):rep(1 << 20)
  while true do mw.base64.decode(mw.base64.encode(s)) end
end

ways["mw.time"] = function()
  while true do mw.time.parse(mw.time.format(mw.time.timestamp())) end
end

ways["a counter"] = function()
  while true do counter:inc() end
end

ways["log lines below the level"] = function()
  while true do mw.log.debug("a round", { of = "many" }) end
end

ways["statuses with details"] = function()
  while true do mw.status.internal("failed"):with_details("runaway.Reply", { text = "because" }) end
end

ways["small messages"] = function()
  while true do mw.message("runaway.Reply", { text = "a reply" }) end
end

ways["mw.enum of no type"] = function()
  while true do pcall(mw.enum, "runaway.Nothing") end
end

ways["mw.any"] = function()
  while true do mw.any.unpack(mw.any.pack("runaway.Reply", { text = "a reply" })) end
end

ways["mw.u64"] = function()
  local n = mw.u64.parse "18446744073709551615"
  while true do n = mw.u64.parse(mw.u64.to_string(n)) end
end

ways["division of u64"] = function()
  local n <const> = mw.u64.parse "18446744073709551615"
  while true do mw.u64.div(n, 3) end
end

ways["metrics as text"] = function()
  while true do mw.metrics.text() end
end

ways["mw.json of deep text"] = function()
  local text <const> = ("["):rep(60) .. ("]"):rep(60)
  while true do mw.json.decode(text) end
end

ways["mw.json of wrong text"] = function()
  local text <const> = "[" .. ("1,"):rep(500000) .. "x]"
  while true do pcall(mw.json.decode, text) end
end

ways["mw.host"] = function()
  while true do mw.host.memory() end
end

ways["publishing"] = function()
  local topic <const> = mw.topic "published"
  local _ <close> = topic:subscribe()
  while true do topic:publish { text = ("x"):rep(1000) } end
end

ways["subscriptions"] = function()
  local topic <const>, kept = mw.topic "subscribed", {}
  while true do kept[#kept + 1] = topic:subscribe() end
end

ways["services of a client"] = function()
  local client <const> = mw.client "127.0.0.1:1"
  while true do client:service "runaway.Runaway" end
end

ways["reads of one record"] = function()
  records:put { what = "a record" }
  while true do records:get "a record" end
end

ways["scans in scans"] = function()
  for i = 1, 200 do records:put { what = "scanned " .. i } end
  while true do
    for _ in records:each() do
      for _ in records:each() do end
    end
  end
end

ways["counts of a collection"] = function()
  records:put { what = "counted" }
  while true do records:count() end
end

ways["a transaction that spins"] = function()
  mw.store.transaction(function() while true do end end)
end

ways["an update that spins"] = function()
  records:put { what = "updated" }
  records:update("updated", function() while true do end end)
end

ways["metadata of a call"] = function(call)
  while true do call:metadata_values "user-agent" end
end

waits["writes"] = function()
  while true do records:put { what = "written" } end
end

waits["an update that waits again and again"] = function()
  while true do
    records:update("nothing", function(record) return record end)
    mw.sleep(0)
  end
end

waits["files"] = function()
  while true do
    local file <const> = mw.fs.temp()
    if file then file:write "x" end
  end
end

waits["calls that nobody answers"] = function()
  local client <const> = mw.client("127.0.0.1:1", { wait_for_ready = true })
  while true do client:call("/runaway.Runaway/Ping", {}) end
end

waits["a subscription that nobody publishes to"] = function()
  mw.topic "silent":subscribe():receive()
end

waits["a subscription in pcall"] = function()
  local subscription <const> = mw.topic "silent":subscribe()
  while true do
    pcall(subscription.receive, subscription)
    mw.sleep(0)
  end
end

waits["a watch of nothing"] = function()
  for _ in records:watch() do end
end

return { ways = ways, waits = waits }
