local mw = require "moonwire"

local Steady = mw.service "steady.Steady"
local items = mw.store.collection { name = "items", message = "steady.Item", key = "key" }

function Steady.Echo(request) return request end

function Steady.Items(request, call)
  for n = 1, request.n do
    if not call:send { n = n, data = request.data } then return end
  end
end

function Steady.Upload(call)
  local file <close> = assert(mw.fs.temp "uploads")
  local bytes, name = 0, "none"
  for item in call:messages() do
    assert(file:write(item.data))
    bytes, name = bytes + #item.data, item.key
  end
  assert(file:commit(name, { replace = true }))
  return { n = bytes }
end

function Steady.Room(call)
  local first = call:receive()
  if not first then return end
  local topic = mw.topic(first.key)
  local heard <close> = topic:subscribe()
  mw.spawn(function()
    for published in heard:messages() do
      if not call:send(published) then return end
    end
  end)
  topic:publish(first)
  for item in call:messages() do topic:publish(item) end
end

function Steady.Keep(request)
  assert(items:put(request))
  local kept = assert(items:update(request.key, function(item)
    item.n = item.n + 1
    return item
  end))
  if request.n == 0 then items:delete(request.key) end
  return kept
end

function Steady.Fail(request)
  error(mw.status.failed_precondition("%s failed", request.key):with_details("steady.Item", request))
end
