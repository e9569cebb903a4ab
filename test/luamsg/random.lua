-- A few hundred random messages: protoc reads the encoder's bytes, and the decoder reads protoc's.

math.randomseed(20261121)
local random = math.random

local function pick(list) return list[random(#list)] end
local function int64() return pick { 0, 1, -1, math.maxinteger, math.mininteger, random(0), random(-1000, 1000) } end
local function int32() return pick { 0, 1, -1, 2147483647, -2147483648, random(-2147483648, 2147483647) } end
local function uint32() return pick { 0, 1, 4294967295, random(0, 4294967295) } end
local function double() return pick { 0.0, -0.0, 1.5, math.huge, -math.huge, 0 / 0, random(), random() * 1e300 } end
local function float() return pick { 0.0, -0.0, 0.5, math.huge, random(-65536, 65536) / 256 } end
local function bool() return random(2) == 1 end
local function text()
  return pick { "", "a", "käse", "\0", '"\\\n', ("x"):rep(random(300)), utf8.char(random(0xe000, 0x10ffff)) }
end
local function bytes() return pick { "", "\255\0\n", ("\200"):rep(random(50)), text() } end
local function enum() return pick { "NONE", "RED", "GREEN", "FAR", "NEGATIVE", random(1000) + 10 } end

local kinds = { f_double = double, f_float = float, f_int64 = int64, f_uint64 = int64, f_int32 = int32,
                f_fixed64 = int64, f_fixed32 = uint32, f_bool = bool, f_string = text, f_bytes = bytes,
                f_uint32 = uint32, f_enum = enum, f_sfixed32 = int32, f_sfixed64 = int64, f_sint32 = int32,
                f_sint64 = int64 }
local names = {}
for name in next, kinds do names[#names + 1] = name end
table.sort(names)

local function some(make) return function() if random(3) > 1 then return make() end end end
local function list(make, n)
  local l = {}
  for i = 1, random(0, n or 4) do l[i] = make() end
  return l
end
local function map(key, value)
  local m = {}
  for _ = 1, random(0, 3) do m[key()] = value() end
  return m
end

local function plain(depth)
  local m = {}
  for _, name in ipairs(names) do m[name] = some(kinds[name])() end
  if (depth or 0) < 3 and bool() then m.f_message = plain((depth or 0) + 1) end
  return m
end
local function optional()
  local m = plain(3)
  for _, name in ipairs { "f_fixed64", "f_fixed32", "f_sfixed32", "f_sfixed64", "f_sint32", "f_sint64" } do
    m[name] = nil
  end
  return m
end
local function repeated()
  local m = { f_message = list(function() return plain(2) end) }
  for _, name in ipairs(names) do m[name] = list(kinds[name]) end
  return m
end
local function value(depth)
  depth = depth or 0
  local kind = random(depth < 4 and 6 or 4)
  if kind == 5 then return mw.array(list(function() return value(depth + 1) end)) end
  if kind == 6 then return map(function() return text() .. "k" end, function() return value(depth + 1) end) end
  return pick { mw.null, random() * 100, bool(), text() }
end
local function maps()
  return { labels = map(text, text), by_int32 = map(int32, function() return plain(2) end),
           by_uint64 = map(int64, bytes), by_bool = map(bool, enum), by_sint64 = map(int64, double),
           by_fixed32 = map(uint32, float), values = map(text, value), wrapped = map(text, int32) }
end
local function choice()
  local m = { before = int32() }
  local members = { text = text, number = int32, message = plain, color = enum, raw = bytes, wrapped = text }
  local name = pick { "text", "number", "message", "color", "raw", "wrapped", "none" }
  if members[name] then m[name] = members[name]() end
  if bool() then m.yes = bool() elseif bool() then m.maybe = double() end
  return m
end
local function wellknown()
  local function stamp() return { seconds = random(-62135596800, 253402300799), nanos = random(0, 999999999) } end
  local function span() return { seconds = random(0, 1000), nanos = random(0, 999999999) } end
  return { at = some(stamp)(), lasts = some(span)(),
           mask = some(function() return { paths = list(text) } end)(),
           meta = some(function() return map(text, value) end)(), value = value(), list = mw.array(list(value)),
           w_double = some(double)(), w_float = some(float)(), w_int64 = some(int64)(), w_uint64 = some(int64)(),
           w_int32 = some(int32)(), w_uint32 = some(uint32)(), w_bool = some(bool)(), w_string = some(text)(),
           w_bytes = some(bytes)(), times = list(stamp), numbers = list(int64), values = list(value),
           empty = some(function() return {} end)() }
end
local function nested(depth)
  local m = { number = random(0, 9), children = {}, by_name = {} }
  if depth < 5 then
    m.child = some(function() return nested(depth + 1) end)()
    m.children = list(function() return nested(depth + 1) end, 2)
    if bool() then m.by_name[text()] = nested(depth + 1) end
  end
  return m
end
local function all()
  return { plain = some(plain)(), optional = some(optional)(), repeated = some(repeated)(), maps = some(maps)(),
           choice = some(choice)(), wellknown = some(wellknown)(), nested = some(function() return nested(0) end)() }
end

for round = 1, 8 do
  local batch = { all = {} }
  for i = 1, 50 do batch.all[i] = all() end
  local checked = mw.message("kinds.Batch", batch)
  t.same(t.oracle("kinds.Batch", batch), checked, "round " .. round)
  t.same(t.round_trip("kinds.Batch", checked), checked, "round " .. round)
end
