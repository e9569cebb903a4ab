-- Every way that a script might run away, by name.
local mw = require "moonwire"

local Runaway = mw.service "runaway.Runaway"
local ways = {}

local function spin() while true do end end

local function closing(f) return setmetatable({}, { __close = f }) end

ways["a loop"] = spin

ways["a loop in pcall"] = function()
  while true do pcall(spin) end
end

ways["a loop in xpcall, and in its message handler"] = function()
  while true do xpcall(spin, spin) end
end

ways["a message handler"] = function() xpcall(error, spin) end

ways["recursion"] = function()
  local function down() return 1 + down() end
  while true do pcall(down) end
end

ways["a tail call"] = function()
  local function again() return again() end
  again()
end

ways["a coroutine"] = function()
  while true do coroutine.resume(coroutine.create(spin)) end
end

ways["a wrapped coroutine"] = function()
  while true do pcall(coroutine.wrap(spin)) end
end

ways["coroutines in coroutines"] = function()
  local function inside(n)
    if n == 0 then spin() end
    while true do pcall(coroutine.wrap(inside), n - 1) end
  end
  inside(20)
end

ways["coroutine.close"] = function()
  while true do
    local co = coroutine.create(function()
      local _ <close> = closing(spin)
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
  end
end

ways["a goto"] = function()
  ::again:: goto again
end

ways["__index"] = function()
  local t = setmetatable({}, { __index = function() spin() end })
  while true do pcall(function() return t.x end) end
end

ways["__index that recurses"] = function()
  local t = setmetatable({}, { __index = function(self, key) return self[key .. "x"] end })
  while true do pcall(function() return t.x end) end
end

ways["__close"] = function()
  local _ <close> = closing(spin)
  spin()
end

ways["__close that closes another"] = function()
  local function again()
    local _ <close> = closing(again)
    spin()
  end
  again()
end

ways["__close that replaces the error"] = function()
  while true do
    pcall(function()
      local _ <close> = closing(function() error "another" end)
      spin()
    end)
  end
end

ways["__close that recovers"] = function()
  while true do
    pcall(function()
      local _ <close> = closing(function() while true do pcall(spin) end end)
      spin()
    end)
  end
end

ways["an iterator"] = function()
  for _ in function() return 1 end do end
end

ways["__tostring"] = function() tostring(setmetatable({}, { __tostring = spin })) end

ways["a loader"] = function()
  while true do load(function() return " " end) end
end

ways["table.sort with a slow order"] = function()
  table.sort({ 3, 2, 1 }, function() spin() end)
end

ways["string.gsub with a slow replacement"] = function()
  ("abc"):gsub(".", function() spin() end)
end

ways["a table that grows"] = function()
  local t = {}
  while true do t[#t + 1] = #t end
end

ways["a table that grows in pcall"] = function()
  local t = {}
  while true do pcall(function() t[#t + 1] = { #t } end) end
end

ways["a string that grows"] = function()
  local s = "x"
  while true do s = s .. s end
end

ways["a string that grows in pcall"] = function()
  local s = "x"
  while true do pcall(function() s = s .. s end) end
end

ways["memory in a coroutine"] = function()
  local s = "x"
  while true do pcall(coroutine.wrap(function() while true do s = s .. s end end)) end
end

ways["string.rep"] = function()
  while true do pcall(string.rep, "x", 1 << 30) end
end

ways["long strings"] = function()
  local s = ("x"):rep(1 << 20)
  while true do s:upper() end
end

function Runaway.Run(req)
  if req.what == "a job" then
    mw.spawn(spin)
    return {}
  end
  ways[req.what]()
  return { text = "came to an end" }
end

function Runaway.Ping() return { text = "pong" } end
