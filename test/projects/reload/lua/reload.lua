-- Answers with the word of its own generation, and with the newest one.
local mw = require "moonwire"

local words = require "words"
local live = mw.live "words"
local Reload = mw.service "reload.Reload"

function Reload.Say()
  return { text = words.word }
end

function Reload.Talk(call)
  for _ in call:messages() do
    call:send { text = words.word .. " " .. live.word }
  end
end

function Reload.Tick(_, call)
  local n = 0
  mw.spawn(function()
    while true do
      mw.sleep(0.01)
      n = n + 1
    end
  end)
  while call:send { text = tostring(n) } do mw.sleep(0.01) end
end
