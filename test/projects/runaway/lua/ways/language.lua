-- Ways to run away by the language and its libraries alone: metamethods, errors, coroutines, loops in C.
local mw = require "moonwire"
local ways = {}

local function spin() while true do end end

-- Uses a metamethod that spins, again and again.
local function metamethod(name, use)
  ways[name] = function()
    local t <const> = setmetatable({}, { [name] = spin })
    local other <const> = setmetatable({}, getmetatable(t))
    while true do pcall(use, t, other) end
  end
end

metamethod("__eq", function(t, other) return t == other end)
metamethod("__lt", function(t, other) return t < other end)
metamethod("__le", function(t, other) return t <= other end)
metamethod("__concat", function(t) return t .. "x" end)
metamethod("__len", function(t) return #t end)
metamethod("__unm", function(t) return -t end)
metamethod("__pairs", function(t) for _ in pairs(t) do return end end)
metamethod("__call", function(t) return t() end)

ways["__newindex that recurses"] = function()
  local t = setmetatable({}, { __newindex = function(self, key) self[key .. "x"] = true end })
  while true do pcall(function() t.x = true end) end
end

ways["__call of a chain of tables"] = function()
  local called = function() end
  for _ = 1, 150 do called = setmetatable({}, { __call = called }) end
  while true do pcall(called) end
end

ways["a numeric for"] = function()
  for _ = math.mininteger, math.maxinteger do end
end

ways["a repeat"] = function()
  repeat until false
end

ways["recursion through pcall"] = function()
  local function again() return pcall(again) end
  while true do again() end
end

ways["recursion through table.sort"] = function()
  local function again() table.sort({ 1, 2 }, again) end
  while true do pcall(again) end
end

ways["recursion through string.gsub"] = function()
  local function again() return (("x"):gsub("x", again)) end
  while true do pcall(again) end
end

ways["arguments that grow"] = function()
  local function more(...) return more(1, ...) end
  while true do pcall(more) end
end

ways["errors in message handlers"] = function()
  local function fail() error "failed" end
  while true do xpcall(fail, fail) end
end

ways["an error whose text spins"] = function() error(setmetatable({}, { __tostring = spin })) end

ways["two coroutines that resume each other"] = function()
  local other = coroutine.wrap(function() while true do coroutine.yield(1) end end)
  local one = coroutine.wrap(function() while true do coroutine.yield(other()) end end)
  while one() do end
end

ways["coroutines that never run"] = function()
  while true do coroutine.create(spin) end
end

ways["garbage"] = function()
  while true do local _ <const> = { {}, {}, {} } end
end

ways["next over a large table"] = function()
  local t, key = {}, nil
  for i = 1, 1000 do t["key" .. i] = i end
  while true do key = next(t, key) end
end

ways["select of many arguments"] = function()
  local t <const> = table.pack(("x"):rep(200000):byte(1, 200000))
  while true do select("#", table.unpack(t)) end
end

ways["string.byte and string.char"] = function()
  local s <const> = ("x"):rep(200000)
  while true do string.char(s:byte(1, -1)) end
end

ways["string.pack of long strings"] = function()
  local s <const> = ("x"):rep(1 << 20)
  while true do string.unpack("s4", (string.pack("s4", s))) end
end

ways["string.format of many values"] = function()
  local format <const>, values = ("%s %5.2f "):rep(100), {}
  for i = 1, 200 do values[i] = i end
  while true do format:format(table.unpack(values)) end
end

ways["string.reverse"] = function()
  local s <const> = ("x"):rep(1 << 20)
  while true do s:reverse() end
end

ways["comparison of long strings"] = function()
  local a <const>, b <const> = ("x"):rep(1 << 20) .. "a", ("x"):rep(1 << 20) .. "b"
  while true do local _ <const> = a < b or a == b end
end

ways["tonumber of long strings"] = function()
  local s <const> = (" "):rep(1 << 20) .. "1"
  while true do tonumber(s) end
end

ways["utf8.len"] = function()
  local s <const> = ("ä"):rep(1 << 19)
  while true do utf8.len(s) end
end

ways["utf8.codepoint"] = function()
  local s <const> = ("ä"):rep(100000)
  while true do utf8.codepoint(s, 1, -1) end
end

ways["utf8.codes"] = function()
  local s <const> = ("ä"):rep(1 << 19)
  while true do for _ in utf8.codes(s) do end end
end

ways["utf8.offset"] = function()
  local s <const> = ("ä"):rep(1 << 19)
  while true do utf8.offset(s, 1 << 19) end
end

ways["os.date"] = function()
  while true do os.time(os.date "*t") end
end

ways["os.date of a long format"] = function()
  local format <const> = ("%c"):rep(100000)
  while true do os.date(format) end
end

ways["require of no module"] = function()
  while true do pcall(require, "nothing") end
end

ways["tostring of functions"] = function()
  while true do tostring(print) end
end

ways["functions that keep functions"] = function()
  local kept
  while true do
    local before <const> = kept
    kept = function() return before end
  end
end

ways["new keys"] = function()
  local t, n = {}, 0
  while true do
    n = n + 1
    t["key" .. n] = true
  end
end

ways["tables within tables"] = function()
  local t = {}
  while true do t = { t } end
end

ways["a stack of coroutines"] = function()
  local kept = {}
  while true do
    local co <const> = coroutine.wrap(function(...) coroutine.yield(...) end)
    co(table.unpack({}, 1, 1000))
    kept[#kept + 1] = co
  end
end

ways["long keys"] = function()
  local t, part = {}, ("x"):rep(100000)
  while true do t[part .. #t] = #t end
end

-- Waits, by name: they leave other calls their time, and end with the client's deadline.
local waits = {}

waits["sleeps of nothing"] = function()
  while true do mw.sleep(0) end
end

waits["sleeps in pcall"] = function()
  while true do pcall(mw.sleep, 1000) end
end

waits["sleeps in a coroutine"] = function()
  while true do pcall(coroutine.wrap(function() mw.sleep(1000) end)) end
end

waits["sleeps in __close"] = function()
  local _ <close> = setmetatable({}, { __close = function() while true do mw.sleep(0.01) end end })
  mw.sleep(1000)
end

waits["sleeps in an iterator"] = function()
  for _ in function()
    mw.sleep(0.001)
    return true
  end do end
end

return { ways = ways, waits = waits }
