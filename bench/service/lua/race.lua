-- The service of the race: a minimal handler of each call type.
local mw = require "moonwire"

local Race = mw.service "race.Race"

function Race.Hello(req)
  return { text = "Hello " .. req.name .. "!" }
end

function Race.Echo(req)
  return { title = req.title, text = req.text, tags = req.tags }
end

function Race.List(req, call)
  for number = 1, req.count do
    if not call:send { number = number, text = req.text } then return end
  end
end

function Race.Upload(call)
  local bytes = 0
  for chunk in call:messages() do bytes = bytes + #chunk.data end
  return { bytes = bytes }
end

function Race.PingPong(call)
  for item in call:messages { packed = true } do
    if not call:send(item) then return end
  end
end

local items = mw.topic "items"

function Race.Subscribe(_, call)
  local subscription = items:subscribe { packed = true }
  call:send_headers()
  for item in subscription do
    if not call:send(item) then return end
  end
end

function Race.Publish(call)
  for item in call:messages { packed = true } do items:publish(item) end
  return {}
end
