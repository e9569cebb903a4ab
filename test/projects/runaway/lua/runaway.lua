-- Ways in which a script can run away, by name.
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

ways["string.find"] = function() return ("a"):rep(26):find(("a?"):rep(26) .. ("a"):rep(26)) end

ways["string.match in pcall"] = function()
  while true do pcall(string.match, ("a"):rep(26), ("a?"):rep(26) .. ("a"):rep(26)) end
end

ways["string.gsub"] = function() ("a"):rep(100000):gsub(".-b", "") end

ways["string.gmatch"] = function()
  for _ in ("("):rep(100000):gmatch "%b()" do end
end

ways["string.rep of nothing"] = function()
  while true do (""):rep(math.maxinteger) end
end

-- A table that claims to have 2^62 elements.
local function endless()
  return setmetatable({}, { __len = function() return 1 << 62 end })
end

ways["table.insert"] = function() table.insert(endless(), 1, 1) end

ways["table.remove"] = function() table.remove(endless(), 1) end

ways["table.move"] = function() table.move({}, 1, 1 << 62, 2) end

ways["table.concat"] = function()
  table.concat(setmetatable({}, { __index = function() return "" end }), "", 1, 1 << 62)
end

ways["table.concat of much"] = function()
  local t = {}
  for i = 1, 100 do t[i] = ("x"):rep(1 << 20) end
  while true do pcall(table.concat, t) end
end

ways["table.sort"] = function()
  table.sort(setmetatable({}, { __len = function() return 1 << 30 end }), rawequal)
end

ways["table.sort of much"] = function()
  local t = {}
  for i = 1, 500000 do t[i] = i * 7919 % 1000003 end
  while true do table.sort(t, math.ult) end
end

ways["mw.json"] = function()
  local t = {}
  for i = 1, 1000 do t[i] = "a value" end
  while true do mw.json.decode(mw.json.encode { t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t }) end
end

ways["mw.json of much"] = function()
  local t = { 1 }
  for _ = 1, 40 do t = { t, t } end
  mw.json.encode(t)
end

ways["string.find with a long set"] = function()
  return ("a"):rep(1 << 20):find("[" .. ("b"):rep(1 << 20) .. "]")
end

ways["string.find of what was captured"] = function() return ("a"):rep(200000):find "(a*)%1b" end

ways["string.gsub with a long replacement by nothing"] = function()
  return ("a"):rep(1 << 20):gsub("(b?)a", ("%1"):rep(1 << 20))
end

ways["string.gsub of nothing"] = function()
  local s = ("a"):rep(4 << 20)
  while true do pcall(string.gsub, s, "", "") end
end

ways["string.format of a long string"] = function()
  local s = ("\0"):rep(6 << 20)
  while true do pcall(string.format, "%q", s) end
end

-- 45 tables that nest like a tree of 2^45.
local function branches()
  local t = { 1 }
  for _ = 1, 45 do t = { t, t } end
  return t
end

ways["topic:publish of shared branches"] = function() mw.topic "branches":publish(branches()) end

ways["topic:publish of a long string many times"] = function()
  local s, t = ("x"):rep(16 << 20), {}
  for i = 1, 1000 do t[i] = s end
  mw.topic "strings":publish(t)
end

ways["mw.json of a long string many times"] = function()
  local s, t = ("\1"):rep(16 << 20), {}
  for i = 1, 1000 do t[i] = s end
  mw.json.encode(t)
end

ways["mw.json of a message with a long string"] = function()
  mw.json.encode(mw.message("runaway.Request", { what = ("\1"):rep(20 << 20) }))
end

ways["mw.json of many keys"] = function()
  local t = {}
  for i = 1, 100000 do
    t["key" .. i] = i
    if i % 2000 == 0 then mw.sleep(0) end
  end
  while true do mw.json.encode(t) end
end

ways["mw.json of Any in Any"] = function()
  local any <const> = '{"@type": "type.googleapis.com/google.protobuf.Any", "value": '
  local text <const> = any:rep(48) .. '{"value": "' .. ("x"):rep(16 << 20) .. '", '
    .. '"@type": "type.googleapis.com/google.protobuf.StringValue"}' .. ("}"):rep(48)
  mw.json.decode(text, "google.protobuf.Any")
  error "it was read"
end

-- A list of 10,000 references to a table that has lost half a million pairs.
local function emptied()
  local t, list = {}, {}
  for i = 1, 500000 do
    t[-i] = true
    if i % 50000 == 0 then mw.sleep(0) end
  end
  for i = 1, 500000 do
    t[-i] = nil
    if i % 50000 == 0 then mw.sleep(0) end
  end
  for i = 1, 10000 do list[i] = t end
  mw.sleep(0)
  return list
end

ways["mw.json of an emptied table many times"] = function() mw.json.encode(emptied()) end

ways["topic:publish of an emptied table many times"] = function() mw.topic "emptied":publish(emptied()) end

ways["a message of an emptied table many times"] = function() mw.message("runaway.Tree", { branches = emptied() }) end

ways["a message of shared branches"] = function()
  local t = {}
  for _ = 1, 45 do t = { branches = { t, t } } end
  while true do pcall(mw.message, "runaway.Tree", t) end -- limits.unpack_bytes ends each call at the latest
end

ways["a message of many messages"] = function()
  local many <const> = { type_url = "runaway.Tree", value = ("\n\0"):rep(2 << 20) }
  while true do pcall(mw.any.unpack, many) end
end

ways["a long list in a message"] = function()
  local list = {}
  for i = 1, 1000000 do
    list[i] = i
    if i % 100000 == 0 then mw.sleep(0) end
  end
  while true do pcall(mw.message, "runaway.Numbers", { list = list }) end
end

ways["tostring of long strings"] = function()
  local part, parts = ("x"):rep(16 << 20), {}
  for i = 1, 1000 do parts[i] = part end
  local reply <const> = mw.message("runaway.Reply", {})
  reply.parts = parts
  while true do tostring(reply) end
end

ways["a long program"] = function() load(("x = 1 "):rep(5000000)) end

ways["programs in pcall"] = function()
  while true do pcall(load, ("x = 1 "):rep(1000)) end
end

local function work(seconds)
  local till <const> = os.clock() + seconds
  while os.clock() < till do end
end

ways["spawned work"] = function()
  while true do mw.spawn(function() work(0.08) end) end
end

ways["spawned work that waits"] = function()
  while true do
    mw.spawn(function()
      work(0.01)
      mw.sleep(0)
    end)
  end
end

ways["spawned work in coroutines"] = function()
  while true do
    pcall(coroutine.wrap(function()
      mw.spawn(function() work(0.08) end)
    end))
  end
end

ways["spawned functions"] = function()
  while true do mw.spawn(function() end) end
end

ways["functions that sleep"] = function()
  while true do mw.spawn(function() mw.sleep(0.1) end) end
end

ways["coroutine.wrap that closes"] = function()
  while true do
    pcall(coroutine.wrap(function()
      local _ <close> = closing(spin)
      error "failed"
    end))
  end
end

-- Work that outlives its handler, by name.
local beside = {}

beside["a job"] = function()
  mw.spawn(function()
    mw.sleep(0)
    spin()
  end)
end

beside["jobs"] = function()
  mw.spawn(function()
    for _ = 1, 100 do mw.spawn(spin) end
  end)
end

beside["jobs that wake together"] = function()
  for _ = 1, 100 do
    mw.spawn(function()
      mw.sleep(0.01)
      spin()
    end)
  end
end

beside["a job that spawns itself"] = function()
  local function again()
    mw.spawn(again)
    spin()
  end
  mw.spawn(function()
    mw.sleep(0)
    again()
  end)
end

beside["jobs that spawn two each"] = function()
  local function again()
    mw.spawn(again)
    mw.spawn(again)
  end
  mw.spawn(again)
end

beside["waiting jobs that spawn two each"] = function()
  local function again()
    mw.spawn(again)
    mw.spawn(again)
    mw.sleep(1000)
  end
  mw.spawn(again)
end

beside["sleeps that end together"] = function()
  local till <const> = mw.time.monotonic() + 2
  mw.spawn(function()
    for i = 1, 40000 do
      mw.spawn(function() mw.sleep(till - mw.time.monotonic()) end)
      if i % 1000 == 0 then mw.sleep(0) end
    end
  end)
end

for _, module in ipairs { require "ways.language", require "ways.bindings" } do
  for _, kind in pairs(module) do
    for name, way in pairs(kind) do
      assert(not ways[name], name)
      ways[name] = way
    end
  end
end

function Runaway.Run(req, call)
  if beside[req.what] then
    beside[req.what]()
    return {}
  end
  return ways[req.what](call) or { text = "came to an end" }
end

ways["a status with a long message"] = function()
  error(mw.status.not_found(("\xff"):rep(4 << 20)):with_details("runaway.Reply", {}))
end

-- Fills a table, which grows, with keys; waits after every 1,000.
local function fill(key_of)
  local t = {}
  for i = 1, 140000 do
    t[key_of(i)] = true
    if i % 1000 == 0 then mw.sleep(0) end
  end
end

ways["a table of integers that collide"] = function() fill(function(i) return i * 0x3ffff end) end

ways["a table of floats that collide"] = function() fill(function(i) return 1 + i * 0x1p-52 end) end

ways["a table of numbers that collide, in pcall"] = function()
  while true do pcall(fill, function(i) return i * 0x3ffff end) end
end

-- Links 25,000 tables in random order: put(i, key, value) stores each as the value of the one before.
local function chain_weak_keys(put)
  local all = {}
  for i = 1, 25000 do all[i] = {} end
  for i = #all, 2, -1 do
    local j = math.random(i)
    all[i], all[j] = all[j], all[i]
  end
  mw.sleep(0)
  for i = 1, #all - 1 do
    put(i, all[i], all[i + 1])
    if i % 1000 == 0 then mw.sleep(0) end
  end
  mw.sleep(1)
end

local weak_keys <const> = { __mode = "k" }
local function weak() return setmetatable({}, weak_keys) end

ways["a chain of weak keys"] = function()
  local t = weak()
  chain_weak_keys(function(_, key, value) t[key] = value end)
end

ways["a chain of weak keys in many tables"] = function()
  local all = {}
  for i = 1, 60 do all[i] = weak() end
  chain_weak_keys(function(i, key, value) all[i % 60 + 1][key] = value end)
end

ways["a chain of weak keys in small tables"] = function()
  local all = {}
  chain_weak_keys(function(i, key, value)
    local n = i // 24 + 1
    all[n] = all[n] or weak()
    all[n][key] = value
  end)
end

ways["a chain of weak keys by rawset"] = function()
  local t = weak()
  chain_weak_keys(function(_, key, value) rawset(t, key, value) end)
end

ways["a chain of weak keys by __newindex"] = function()
  local t = setmetatable({}, { __newindex = weak() })
  chain_weak_keys(function(_, key, value) t[key] = value end)
end

ways["a chain of weak keys with a late __mode"] = function()
  local meta = {}
  local t = setmetatable({}, meta)
  meta.__mode = "k"
  chain_weak_keys(function(_, key, value) t[key] = value end)
end

ways["a chain of weak keys in coroutines, in pcall"] = function()
  local t = weak()
  while true do
    pcall(chain_weak_keys, function(_, key, value) coroutine.wrap(function() t[key] = value end)() end)
  end
end

-- Allowed tables with weak keys: ones that become garbage, and ones with weak values too.
ways["forgotten tables with weak keys"] = function()
  for n = 1, 400 do
    local t = weak()
    for _ = 1, 100 do t[{}] = {} end
    if n % 20 == 0 then mw.sleep(0) end
  end
  for _, mode in ipairs { "kv", "v" } do
    local t = setmetatable({}, { __mode = mode })
    chain_weak_keys(function(_, key, value) t[key] = value end)
  end
  return { text = "forgotten" }
end

ways["a filled table whose keys become weak"] = function()
  local t = {}
  for i = 1, 5000 do t[{}] = i end
  setmetatable(t, weak_keys)
  return { text = "weakened" }
end

-- A table whose missing fields are looked up in 1,900 tables.
local function chain()
  local top <const> = {}
  local t = top
  for _ = 1, 1900 do
    local outer <const> = {}
    setmetatable(t, { __index = outer })
    t = outer
  end
  return top
end

ways["table.unpack of inherited fields"] = function() return #table.pack(table.unpack(chain(), 1, 900000)) end

ways["C functions as __close"] = function()
  local closed <const> = setmetatable({}, { __close = tostring, __name = ("x"):rep(1 << 20) })
  local function deep(n)
    local _ <close> = closed
    if n > 0 then return (deep(n - 1)) end
    error "failed"
  end
  while true do pcall(deep, 3000) end
end

-- A full table with colliding keys, which is the value of all pairs of a table that grows.
local kept <const> = {}

local function grow_beside()
  for i = 1, 4096 do kept[i * 8191] = true end
  mw.sleep(0)
  local t = {}
  for i = 1, 9000 do t["key" .. i] = kept end
  mw.sleep(0)
  local copy = {}
  for key in pairs(t) do rawset(copy, key, kept) end
  return { text = "grown" }
end

ways["a table of numbers that collide, by rawset"] = function()
  local t = {}
  for i = 1, 140000 do
    rawset(t, i * 0x3ffff, true)
    if i % 1000 == 0 then mw.sleep(0) end
  end
end

ways["a table of numbers that collide, by __newindex"] = function()
  local t = {}
  local outer = setmetatable({}, { __newindex = setmetatable({}, { __newindex = t }) })
  for i = 1, 140000 do
    outer[i * 0x3ffff] = true
    if i % 1000 == 0 then mw.sleep(0) end
  end
end

-- A reply of 2 GB: 128 references to one part of 16 MB.
ways["a large reply"] = function()
  local part, parts = ("x"):rep(16 << 20), {}
  for i = 1, 128 do parts[i] = part end
  return { parts = parts }
end

function Runaway.Count(req)
  local n = 0
  for _ in pairs(req.by_id) do n = n + 1 end
  for _ in pairs(req.by_code) do n = n + 1 end
  return { text = tostring(n) }
end

function Runaway.Copy(req)
  local copy = {}
  for id, set in pairs(req.by_id) do copy[id] = set end
  return { text = "copied" }
end

function Runaway.List(req)
  local seen = {}
  for _, id in ipairs(req.list) do seen[id] = true end
  return { text = "listed" }
end

function Runaway.GrowBeside() return grow_beside() end

function Runaway.Ping() return { text = "pong" } end
