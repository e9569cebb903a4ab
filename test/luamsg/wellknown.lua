-- Well-known types have Lua forms of their own.

local function decode(text) return t.decode("kinds.Wellknown", t.protoc_encode("kinds.Wellknown", text)) end
local function round_trip(value) return t.oracle("kinds.Wellknown", value) end

-- Timestamp.
local at = decode("at { seconds: 1700000000 nanos: 250000000 }").at
t.same(at, { seconds = 1700000000, nanos = 250000000 })
t.is(tostring(at), "2023-11-14T22:13:20.250Z") t.is(at:iso(), tostring(at)) t.is(at:number(), 1700000000.25)
t.is(mw.type(at), "google.protobuf.Timestamp") t.is(getmetatable(at), "moonwire.Timestamp")
t.same(decode("at {}").at, { seconds = 0, nanos = 0 })
for _, form in ipairs { at, { seconds = 1700000000, nanos = 250000000 }, 1700000000.25, "2023-11-14T22:13:20.25Z",
                        "2023-11-14T23:13:20.250+01:00" } do
  t.same(round_trip({ at = form }).at, { seconds = 1700000000, nanos = 250000000 })
end
t.same(round_trip({ at = -0.25 }).at, { seconds = -1, nanos = 750000000 })
t.same(round_trip({ at = 0 }).at, { seconds = 0, nanos = 0 })
t.same(round_trip({ at = 0.9999999999 }).at, { seconds = 1, nanos = 0 })
t.same(round_trip({ at = { seconds = 5 } }).at, { seconds = 5, nanos = 0 })
t.same(round_trip({ at = 253402300799 }).at:iso(), "9999-12-31T23:59:59Z")
t.same(round_trip({ at = -62135596800 }).at:iso(), "0001-01-01T00:00:00Z")
local expected = "kinds.Wellknown.at: expected google.protobuf.Timestamp (years 1 to 9999, as {seconds=, nanos=}, a "
                 .. "number of seconds or RFC 3339 text), got "
for got, value in next, { ["253402300800"] = 253402300800, ["-62135596801"] = -62135596801, ["1e+300"] = 1e300,
                          ["nan"] = 0 / 0, ['"yesterday"'] = "yesterday", ["true"] = true,
                          ["{seconds=0, nanos=-1}"] = { nanos = -1 },
                          ["{seconds=0, nanos=1000000000}"] = { nanos = 1000000000 } } do
  t.fails("kinds.Wellknown", { at = value }, expected .. got)
end
t.fails("kinds.Wellknown", { at = { second = 1 } },
        'kinds.Wellknown.at.second: no such field (did you mean "seconds"?)')

-- Duration.
local lasts = decode("lasts { seconds: -1 nanos: -500000000 }").lasts
t.same(lasts, { seconds = -1, nanos = -500000000 })
t.is(tostring(lasts), "-1.500s") t.is(lasts:number(), -1.5) t.is(mw.type(lasts), "google.protobuf.Duration")
for _, form in ipairs { lasts, { seconds = -1, nanos = -500000000 }, -1.5, "-1.5s" } do
  t.same(round_trip({ lasts = form }).lasts, { seconds = -1, nanos = -500000000 })
end
t.same(round_trip({ lasts = 315576000000 }).lasts, { seconds = 315576000000, nanos = 0 })
expected = "kinds.Wellknown.lasts: expected google.protobuf.Duration (at most 10000 years either way, as {seconds=, "
           .. 'nanos=} of one sign, a number of seconds or text like "1.5s"), got '
for got, value in next, { ["315576000001"] = 315576000001, ['"1.5"'] = "1.5",
                          ["{seconds=1, nanos=-1}"] = { seconds = 1, nanos = -1 } } do
  t.fails("kinds.Wellknown", { lasts = value }, expected .. got)
end

-- Arithmetic and order of the two.
local function stamp(v) return mw.message("google.protobuf.Timestamp", v) end
local function span(v) return mw.message("google.protobuf.Duration", v) end
t.is(stamp(10) - stamp(12.5), span(-2.5)) t.is(mw.type(stamp(1) - stamp(2)), "google.protobuf.Duration")
t.is(stamp(10) + span(1.5), stamp(11.5)) t.is(span(1.5) + stamp(10), stamp(11.5)) t.is(stamp(10) - span(11), stamp(-1))
t.is(stamp(10) + 5, stamp(15)) t.is(5 + stamp(10), stamp(15)) t.is(stamp(10) - 0.5, stamp(9.5))
t.is(span(1) + span(2), span(3)) t.is(span(1) - span(2), -span(1))
t.is(10 - span(1), span(9)) t.is(span(9) + 1, span(10))
assert(stamp(1) < stamp(2) and stamp(2) <= stamp(2) and span(-1.5) < span(-1) and stamp(1) ~= stamp(2))
assert(stamp(1) ~= span(1) and stamp(1) ~= {})
t.same(stamp(0) - span(0.25), { seconds = -1, nanos = 750000000 })
t.raises("Timestamp and a Duration cannot be compared", function() return stamp(1) < span(1) end)
t.raises("moonwire.Duration expected, got moonwire.Timestamp", function() return stamp(1) + stamp(1) end)
t.raises("out of the range of google.protobuf.Timestamp", function() return stamp(253402300799) + 1 end)
t.raises("Timestamp or Duration expected, got table", function() return stamp(1) + {} end)
local bad = stamp(1)
bad.nanos = -5
t.is(tostring(bad), "(time out of range)")
t.raises("out of range", bad.iso, bad)
bad.nanos = 1 << 31
t.raises("out of range", bad.number, bad)
bad.nanos = "x"
t.raises("expected an integer in field 'nanos'", bad.number, bad)

-- Times out of JSON's range: they survive encoding, support comparison and arithmetic, and have no text form.
for text, fields in next, { ["seconds: 253402300800"] = { seconds = 253402300800, nanos = 0 },
                            ["seconds: -9223372036854775808 nanos: -5"] = { seconds = math.mininteger, nanos = -5 },
                            ["nanos: 2000000000"] = { seconds = 0, nanos = 2000000000 } } do
  local came = decode("at { " .. text .. " } lasts { " .. text .. " }")
  t.same(came.at, fields) t.same(came.lasts, fields)
  t.same(round_trip(came), came) t.same(round_trip({ at = came.at, lasts = came.lasts }), came)
  local again = round_trip(came)
  assert(again.at == came.at and again.lasts == came.lasts and came.at ~= stamp(1) and came.at <= again.at)
  t.is(came.at:number(), fields.seconds + fields.nanos / 1e9) t.is(tostring(came.at), "(time out of range)")
  t.raises("out of range", came.at.iso, came.at)
end
t.is((decode("at { seconds: 253402300800 }").at - 1):iso(), "9999-12-31T23:59:59Z")
local far = decode("at { seconds: 9223372036854775807 }").at
t.raises("out of the range of google.protobuf.Timestamp", function() return far + 1 end)
t.raises("out of the range of google.protobuf.Duration", function() return far - stamp(-62135596800) end)

-- FieldMask.
t.same(decode('mask { paths: "a" paths: "b.c" }').mask, { paths = { "a", "b.c" } })
t.same(round_trip({ mask = "a,b.c" }).mask, { paths = { "a", "b.c" } })
t.same(round_trip({ mask = "" }).mask, { paths = {} })
t.same(round_trip({ mask = { paths = { "x" } } }).mask, { paths = { "x" } })
t.fails("kinds.Wellknown", { mask = "a,,b" },
        'kinds.Wellknown.mask: expected field paths like "a,b.c", got an empty one')
t.fails("kinds.Wellknown", { mask = "\255" }, 'kinds.Wellknown.mask: expected field paths in UTF-8, got "\\xff"')
t.fails("kinds.Wellknown", { mask = 1 }, "kinds.Wellknown.mask: expected google.protobuf.FieldMask, got 1")

-- Struct, Value, ListValue.
local tree = { name = "x", n = 1.5, yes = true, no = false, nothing = mw.null, empty = {}, none = mw.array {},
               list = { 1.0, "two", { three = 3.0 }, { 4.0 }, mw.null } }
t.same(round_trip({ meta = tree, value = tree, list = { tree, "x" } }).meta, tree)
t.same(round_trip({ value = tree }).value, tree)
t.same(round_trip({ list = { tree, "x" } }).list, { tree, "x" })
t.same(round_trip({ list = {}, meta = {} }), { list = {}, meta = {}, times = {}, numbers = {}, values = {} })
t.is(getmetatable(round_trip({ value = mw.array {} }).value), "moonwire.array")
t.is(getmetatable(round_trip({ value = {} }).value), nil)
t.is(getmetatable(round_trip({ list = {} }).list), "moonwire.array")
t.is(round_trip({ value = mw.null }).value, mw.null) t.is(round_trip({}).value, nil)
t.is(decode("value {}").value, mw.null)
t.same(round_trip({ values = { 1.0, mw.null, "x" } }).values, { 1.0, mw.null, "x" })
t.is(decode("null: NULL_VALUE").null, "NULL_VALUE")
t.fails("kinds.Wellknown", { meta = 5 },
        "kinds.Wellknown.meta: expected google.protobuf.Struct (a table with string keys), got 5")
t.fails("kinds.Wellknown", { meta = mw.array {} },
        "kinds.Wellknown.meta: expected google.protobuf.Struct (a table with string keys), got a list")
t.fails("kinds.Wellknown", { meta = { a = { [5.5] = 1 } } },
        'kinds.Wellknown.meta["a"][5.5]: expected a key of type string, got 5.5')
t.fails("kinds.Wellknown", { meta = { a = { 1, x = 2 } } }, 'kinds.Wellknown.meta["a"]["x"]: expected a sequence of '
        .. "google.protobuf.Value, which has the keys 1, 2, 3 ... only")
t.fails("kinds.Wellknown", { meta = { a = { print } } }, 'kinds.Wellknown.meta["a"][1]: expected mw.null, a boolean, '
        .. "number, string or table, got a function")
t.fails("kinds.Wellknown", { value = "\255" },
        'kinds.Wellknown.value: expected string in UTF-8, got "\\xff"; other bytes need a field of type bytes')

-- Wrappers.
local wrapped = { w_double = 0.0, w_float = 0.5, w_int64 = 0, w_uint64 = -1, w_int32 = -7, w_uint32 = 4294967295,
                  w_bool = false, w_string = "", w_bytes = "\0", numbers = { 0, 5 }, times = {}, values = {} }
t.same(round_trip(wrapped), wrapped)
t.fails("kinds.Wellknown", { w_int32 = "x" }, 'kinds.Wellknown.w_int32: expected int32, got "x"')
t.fails("kinds.Wellknown", { numbers = { {} } }, "kinds.Wellknown.numbers[1]: expected int64, got a table")

-- Empty and Any are tables of their fields.
t.same(round_trip({ empty = {} }).empty, {}) t.is(mw.type(round_trip({ empty = {} }).empty), "google.protobuf.Empty")
t.same(round_trip({ any = { type_url = "x/y", value = "\0" } }).any, { type_url = "x/y", value = "\0" })
