-- Calls the functions and methods reachable from `require "moonwire"`, at random and with hostile arguments, in
-- handlers of all four call types, in spawned functions and while the script loads. test/walk.py writes `round` (seed,
-- number) and `names` (methods and fields of the library), and saves this folder repeatedly. Errors are allowed.
local mw = require "moonwire"
local names, round = require "names", require "round"

local STEPS <const>, DEPTH <const>, POOL <const>, SPAWNED <const> = 30, 3, 200, 30

-- ---- random numbers ----

local word = round.seed * 0x9E3779B97F4A7C15 | 1

local function random(n) -- 1 to n
  word = word ~ word << 13
  word = word ~ word >> 7
  word = word ~ word << 17
  return (word >> 1) % n + 1
end

local function pick(list) return list[random(#list)] end

-- ---- collected values ----

-- Values that calls have returned. They outlive saves; the version changes at times, so that they are copied.
local kept = mw.state("kept", round.number // 3, function(old) return old or { values = {} } end)
local pool = kept.values

local function keep(...)
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    local kind = type(v)
    if kind == "table" or kind == "userdata" or kind == "function" or kind == "thread" then
      pool[#pool < POOL and #pool + 1 or random(POOL)] = v
    end
  end
end

local functions, callables = {}, {}

local function discover(t, seen)
  if seen[t] then return end
  seen[t] = true
  local keys = {}
  for k in pairs(t) do if type(k) == "string" then keys[#keys + 1] = k end end
  table.sort(keys)
  for _, k in ipairs(keys) do
    local v = t[k]
    if type(v) == "function" then functions[#functions + 1] = { name = k, call = v } end
    if type(v) == "table" then
      callables[#callables + 1] = v
      discover(v, seen)
    end
  end
end
discover(mw, {})

local collections = { mw.store.collection { name = "items", message = "walk.Item" },
                      mw.store.collection { name = "numbers", message = "walk.Item", key = "number" } }
local topic = mw.topic "walk"
local client = mw.client(mw.env.WALK_TARGET)
local stub = client:service "walk.Walk"
for _, object in ipairs { collections[1], collections[2], topic, client, stub, mw.log, mw.env } do keep(object) end

-- ---- values ----

local value, step
local depth, fuel, spawned = 0, STEPS, 0

-- Runs within calls of the API: calls the API again, or changes a value that is in use.
local function act()
  if depth >= DEPTH or fuel <= 0 then return end
  depth = depth + 1
  if random(4) > 1 then
    pcall(step)
  else
    local victim = pool[random(math.max(#pool, 1))]
    if type(victim) == "table" then
      local key = next(victim)
      if key ~= nil then pcall(rawset, victim, key, nil) end
      pcall(rawset, victim, pick(names.fields), value())
    end
    pcall(function() victim[pick { "close", "cancel", "close_send", "commit", "finish" }](victim) end)
  end
  depth = depth - 1
end

local function reaction()
  return function(...)
    keep(...)
    act()
    if random(9) == 1 then error(value(), 0) end
    if random(9) == 1 and coroutine.isyieldable() then mw.sleep(0) end
    return value()
  end
end

local METAMETHODS <const> = { "__index", "__newindex", "__len", "__tostring", "__pairs", "__eq", "__lt", "__le",
  "__close", "__gc", "__call", "__concat", "__unm", "__add", "__sub", "__name", "__metatable", "__mode" }

local function hostile(t)
  local meta = {}
  for _ = 1, random(5) do
    local event = pick(METAMETHODS)
    meta[event] = event == "__mode" and "k" or event == "__name" and "moonwire.Call" or random(5) > 1 and reaction()
      or value()
  end
  if random(2) == 1 then return select(2, pcall(setmetatable, t, meta)) end
  local smuggled = { __index = meta.__index } -- set as the metatable before it has its fields
  pcall(setmetatable, t, smuggled)
  for k, v in pairs(meta) do smuggled[k] = v end
  return t
end

local function item()
  local m = { id = pick { "a", "b", "c", "", "\0", "\xff" }, number = random(5), text = "t" }
  if random(3) == 1 then m.tags = { "x", value() } end
  if random(4) == 1 then m[pick(names.fields)] = value() end
  if random(5) == 1 then m.items = { k = { id = "inner", at = "1970-01-01T00:00:00Z" } } end
  if random(5) == 1 then m.meta = { a = { 1, mw.null, { b = value() } } } end
  if random(6) == 1 then return hostile(m) end
  return random(3) == 1 and select(2, pcall(mw.message, "walk.Item", m)) or m
end

local function options()
  local t = {}
  for _ = 1, random(4) do t[pick(names.fields)] = value() end
  return random(2) == 1 and hostile(t) or t
end

local function deep()
  local t = {}
  local inner = t
  for _ = 1, random(300) do
    inner.child = {}
    inner = inner.child
  end
  if random(2) == 1 then inner.child = t end
  return t
end

local CONSTANTS <const> = { 0, -1, 1, 2.5, 1 / 0, -1 / 0, 0 / 0, math.maxinteger, math.mininteger, 2 ^ 53, 1e308, "",
  "a", "\0", "a\0b", "\xff\xfe", "%d", "%s%n", "../x", "walk.Item", "walk.Walk", "walk.Walk/Talk",
  "google.rpc.Status", "id", "x-bin", "grpc-status", "{}", '[{"a":1}]', "1970-01-01T00:00:00Z", true, false, print,
  mw.null, ("x"):rep(70000) }

local generators = {
  function() return pick(CONSTANTS) end,
  function() return pick(CONSTANTS) end,
  function() return pool[random(math.max(#pool, 1))] end,
  function() return pool[random(math.max(#pool, 1))] end,
  item, options, reaction, deep,
  function() return hostile {} end,
  function() return coroutine.create(reaction()) end,
  function() return pick(names.fields) end,
  function() return nil end,
}

function value()
  if fuel <= 0 then return nil end
  return pick(generators)()
end

-- ---- plausible arguments ----

local function key() return pick { "a", "b", "c", 1, 2, 3 } end
local function file() return pick { "a", "b", "d/c", "d", "x.tmp" } end
local function type_name()
  return pick { "walk.Item", "google.protobuf.Any", "google.rpc.BadRequest", "nowhere.None" }
end
local function labels() return { l = pick { "a", "b", 1, true } } end
local function path() return "walk.Walk/" .. pick { "Unary", "Download", "Upload", "Talk" } end
local function call_options()
  return { deadline = random(10) / 100, metadata = { k = "v" }, compression = pick { "gzip", "deflate" },
    async = random(3) == 1 }
end
local function metric()
  return { name = "walk_" .. pick { "a", "b", "c" }, help = "h", labels = random(2) == 1 and { "l" } or nil }
end
local function wait() return pick { 0, 0.001, 0.01 } end

local likely = {
  get = { key }, delete = { key }, put = { item, options }, insert = { item, options },
  update = { key, reaction, options },
  each = { options }, count = { options }, watch = { options }, next_id = { function() return "i-%04d" end },
  transaction = { reaction }, collection = { function() return { name = "items", message = "walk.Item" } end },
  publish = { item }, subscribe = { function() return { capacity = random(3) } end }, receive = { wait },
  sleep = { wait }, topic = { function() return pick { "walk", "other" } end },
  client = { function() return mw.env.WALK_TARGET end, options }, service = { function() return "walk.Walk" end },
  call = { path, item, call_options }, stream = { path, item, call_options }, Unary = { item, call_options },
  Download = { item, call_options }, Upload = { call_options }, Talk = { call_options }, send = { item, options },
  open = { file, function() return pick { "r", "w", "a", "r+", "x" } end }, read = { file }, rename = { file, file },
  write = { file, function() return ("y"):rep(random(5000)) end }, temp = { file }, remove = { file }, mkdir = { file },
  stat = { file },
  exists = { file }, list = { file }, commit = { file, options },
  seek = { function() return "set" end, function() return random(9) end },
  counter = { metric }, gauge = { metric }, histogram = { metric }, inc = { labels }, set = { labels, wait },
  add = { labels, wait },
  observe = { labels, wait }, message = { type_name, item }, pack = { type_name, item },
  with_details = { type_name, item },
  decode = { function() return '{"id":"x","tags":["a"]}' end, type_name }, encode = { item, options },
  spawn = { reaction },
  every = { wait, reaction }, intercept = { function() return "walk.Walk" end, reaction }, info = { value, options },
  warn = { value, options }, error = { value, options }, debug = { value, options },
  set_header = { function() return "k-bin" end, value }, set_trailer = { function() return "k" end, value },
  live = { function() return "names" end },
  state = { function() return "s" end, function() return random(3) end, reaction },
}

local function arguments(name)
  local list, n = {}, random(4)
  local hints = random(4) > 1 and likely[name] or nil
  for i = 1, hints and #hints or n do
    local make = hints and random(6) > 1 and hints[i] or value
    list[i] = make()
  end
  return table.unpack(list, 1, hints and #hints or n)
end

-- ---- a step ----

local NEVER <const> = { every = true, intercept = true } -- called only while the script loads

local function call_function()
  local f = pick(functions)
  if NEVER[f.name] and random(20) > 1 then return end
  if f.name == "sleep" then return mw.sleep(wait()) end
  keep(f.call(arguments(f.name)))
end

local function call_method()
  local object, name = pool[random(math.max(#pool, 1))], pick(names.methods)
  local method = object[name]
  local self = random(20) == 1 and value() or object
  keep(method, method(self, arguments(name)))
end

local operations = {
  function(a, b) return a == b end,
  function(a, b) return a < b end,
  function(a, b) return a .. b end,
  function(a, b) return a + b end,
  function(a) return -a end,
  function(a) return #a end,
  function(a) return tostring(a) end,
  function(a, b) return a(b) end,
  function(a, b) return a[b] end,
  function(a) return a[pick(names.fields)] end,
  function(a, b) a[pick(names.fields)] = b end,
  function(a) for k, v in pairs(a) do keep(k, v) act() end end,
  function(a) for i, v in ipairs(a) do keep(v) if i > 9 then break end end end,
  function(a) for v, w in a do keep(v, w) act() if random(3) == 1 then break end end end,
  function(a) local c <close> = a act() end,
  function(a) return table.concat(a, ",") end,
  function(a) table.sort(a, reaction()) end,
  function(a, b) return string.format("%s %q", a, b) end,
  function(a) return string.gsub("aaa", "a", a) end,
  function(a) return mw.json.encode(a) end,
  function(a) return coroutine.resume(a, value()) end,
  function(a) return coroutine.close(a) end,
  function() return coroutine.wrap(step)() end,
  function(a) error(a, 0) end,
  function()
    if spawned >= SPAWNED then return end
    spawned = spawned + 1
    mw.spawn(function()
      local done <close> = setmetatable({}, { __close = function() spawned = spawned - 1 end })
      pcall(step)
    end)
  end,
}

local function operate()
  local a = pool[random(math.max(#pool, 1))]
  keep(pick(operations)(a, value()))
end

local steps = 0

function step()
  steps = steps + 1
  fuel = fuel - 1
  return pick { call_function, call_method, call_method, operate }()
end

local function walk()
  fuel = STEPS
  for _ = 1, random(STEPS) do pcall(step) end
end

-- ---- handlers ----

local Walk = mw.service "walk.Walk"

local function answer()
  local kind = random(5)
  if kind == 1 then error(mw.status.aborted("no"):with_details("walk.Item", { id = "x" })) end
  if kind == 2 then return nil, mw.status.not_found("no") end
  if kind == 3 then return value(), value() end
  return { id = "answer" }
end

function Walk.Unary(request, call)
  keep(request, call)
  walk()
  return answer()
end

function Walk.Download(request, call)
  keep(request, call)
  for _ = 1, random(5) do
    call:send(item())
    walk()
  end
  if random(3) == 1 then return answer() end
end

function Walk.Upload(call)
  keep(call)
  for message in call:messages() do
    keep(message)
    walk()
  end
  return answer()
end

function Walk.Talk(call)
  keep(call)
  for message in call:messages() do
    call:send(message)
    walk()
  end
end

-- ---- the clients ----

local function converse()
  local deadline <const> = { deadline = 0.1 + random(5) / 10 }
  local kind = random(4)
  if kind == 1 and random(2) == 1 then return keep(stub:Unary(item(), deadline)) end
  if kind == 1 then
    local pending = stub:Unary(item(), { deadline = deadline.deadline, async = true })
    keep(pending)
    if random(4) == 1 then pending:cancel() end
    return keep(pending:wait())
  end
  local stream = kind == 2 and stub:Download(item(), deadline) or kind == 3 and stub:Upload(deadline)
    or stub:Talk(deadline)
  keep(stream)
  for _ = 1, random(4) do
    if kind > 2 then stream:send(item()) end
    if kind ~= 3 then keep(stream:receive()) end
    if random(10) == 1 then stream:cancel() end
  end
  stream:close_send()
  keep(stream:finish())
end

for _ = 1, 4 do
  mw.spawn(function()
    while true do
      pcall(converse)
      mw.sleep(0.001)
    end
  end)
end

mw.every(0.5, function() print(("walk: round %d, %d steps"):format(round.number, steps)) end)

if round.number > 1 then walk() end -- while it loads
