-- Answers each call with the versions of all files of its generation.
local mw = require "moonwire"

local version = require "version"
local left, right = require "conf.left", require "conf.right"
local newest = mw.live "version"
local seen = mw.state("seen", 1, function() return { answers = 0, turns = 0 } end)
local Soak = mw.service "soak.Soak"

local function pong(n)
  seen.answers = seen.answers + 1
  return { n = n, version = version, newest = math.tointeger(tostring(newest)), left = left, right = right }
end

function Soak.Echo(ping) return pong(ping.n) end

function Soak.Count(ping, call)
  for n = 1, ping.n do
    if not call:send(pong(n)) then return end
    mw.sleep(0.001)
  end
end

function Soak.Sum(call)
  local sum = 0
  for ping in call:messages() do sum = sum + ping.n end
  return pong(sum)
end

function Soak.Talk(call)
  for ping in call:messages() do call:send(pong(ping.n)) end
end

mw.every(0.01, function() seen.turns = seen.turns + 1 end)
mw.spawn(function() while true do mw.sleep(0.01) end end)

return { pong = pong }
