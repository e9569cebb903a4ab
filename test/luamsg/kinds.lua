-- Every kind of field, in every shape, at the limits of its range. protoc gives the expected bytes.

local limits = {
  { text = [[f_double: 1.7976931348623157e308 f_float: 3.4028235e38 f_int64: 9223372036854775807
             f_uint64: 9223372036854775807 f_int32: 2147483647 f_fixed64: 1 f_fixed32: 4294967295 f_bool: true
             f_string: "\303\244\000z" f_bytes: "\377\000" f_uint32: 4294967295 f_enum: GREEN
             f_sfixed32: 2147483647 f_sfixed64: 9223372036854775807 f_sint32: 2147483647
             f_sint64: 9223372036854775807]],
    value = { f_double = 1.7976931348623157e308, f_float = 3.4028234663852886e38, f_int64 = math.maxinteger,
              f_uint64 = math.maxinteger, f_int32 = 2147483647, f_fixed64 = 1, f_fixed32 = 4294967295, f_bool = true,
              f_string = "ä\0z", f_bytes = "\255\0", f_uint32 = 4294967295, f_enum = "GREEN",
              f_sfixed32 = 2147483647, f_sfixed64 = math.maxinteger, f_sint32 = 2147483647,
              f_sint64 = math.maxinteger } },
  { text = [[f_double: -inf f_float: -inf f_int64: -9223372036854775808 f_uint64: 18446744073709551615
             f_int32: -2147483648 f_fixed64: 18446744073709551615 f_sfixed32: -2147483648
             f_sfixed64: -9223372036854775808 f_sint32: -2147483648 f_sint64: -9223372036854775808 f_enum: -5
             f_message { f_int32: 1 f_message { f_string: "deep" } }]],
    value = { f_double = -math.huge, f_float = -math.huge, f_int64 = math.mininteger, f_uint64 = -1,
              f_int32 = -2147483648, f_fixed64 = -1, f_sfixed32 = -2147483648, f_sfixed64 = math.mininteger,
              f_sint32 = -2147483648, f_sint64 = math.mininteger, f_enum = "NEGATIVE",
              f_message = { f_int32 = 1, f_message = { f_string = "deep" } } } },
  { text = "f_double: -0.0 f_float: -0.0 f_enum: FAR", value = { f_double = -0.0, f_float = -0.0, f_enum = "FAR" } },
  { text = "f_double: nan f_float: nan f_enum: 77", value = { f_double = -(0 / 0), f_float = -(0 / 0), f_enum = 77 } },
  { text = "f_double: 4.9e-324 f_float: 1e-45 f_message {}",
    value = { f_double = 4.9e-324, f_float = 1.401298464324817e-45, f_message = {} } },
}
for i, case in ipairs(limits) do
  local bytes = t.protoc_encode("kinds.Plain", case.text)
  t.same(t.decode("kinds.Plain", bytes), case.value, "decoded " .. i)
  t.is(t.encode("kinds.Plain", case.value), bytes, "encoded " .. i)
end

-- A field without presence reads as its value or its default. A default is not sent.
local empty = t.decode("kinds.Plain", "")
t.same(next(empty), nil)
t.is(empty.f_double, 0.0) t.is(math.type(empty.f_double), "float")
t.is(empty.f_int64, 0) t.is(math.type(empty.f_int64), "integer")
t.is(empty.f_bool, false) t.is(empty.f_string, "") t.is(empty.f_bytes, "") t.is(empty.f_enum, "NONE")
t.is(empty.f_message, nil) t.is(empty.no_such_field, nil) t.is(empty[1], nil)
t.is(t.encode("kinds.Plain", { f_double = 0, f_int32 = 0, f_bool = false, f_string = "", f_enum = "NONE" }), "")

-- An optional field is nil when it is not set. Its zero is sent.
local zeros = { f_double = 0.0, f_float = 0.0, f_int64 = 0, f_uint64 = 0, f_int32 = 0, f_bool = false, f_string = "",
                f_bytes = "", f_uint32 = 0, f_enum = "NONE" }
t.same(t.oracle("kinds.Optional", zeros), zeros)
t.same(t.oracle("kinds.Optional", {}), {})
for name in next, zeros do t.is(t.decode("kinds.Optional", "")[name], nil, name) end

-- A repeated field always reads as a sequence.
local text = [[f_double: 1.5 f_double: 0 f_float: 0.25 f_int64: [-1, 0, 1] f_uint64: 18446744073709551615 f_int32: -7
  f_fixed64: 5 f_fixed32: [0, 4294967295] f_bool: [true, false] f_string: ["", "b"]
  f_message {} f_message { f_int32: 2 } f_bytes: "\000" f_uint32: [1, 2, 3] f_enum: [CRIMSON, NONE, 9]
  f_sfixed32: -1 f_sfixed64: -2 f_sint32: -3 f_sint64: -4]]
local lists = { f_double = { 1.5, 0.0 }, f_float = { 0.25 }, f_int64 = { -1, 0, 1 }, f_uint64 = { -1 },
                f_int32 = { -7 }, f_fixed64 = { 5 }, f_fixed32 = { 0, 4294967295 }, f_bool = { true, false },
                f_string = { "", "b" }, f_message = { {}, { f_int32 = 2 } }, f_bytes = { "\0" }, f_uint32 = { 1, 2, 3 },
                f_enum = { "RED", "NONE", 9 }, f_sfixed32 = { -1 }, f_sfixed64 = { -2 }, f_sint32 = { -3 },
                f_sint64 = { -4 } }
local bytes = t.protoc_encode("kinds.Repeated", text)
t.same(t.decode("kinds.Repeated", bytes), lists)
t.is(t.encode("kinds.Repeated", lists), bytes)
local none = t.decode("kinds.Repeated", "")
for name in next, lists do t.same(rawget(none, name), {}, name) end
assert(none.f_int32 ~= t.decode("kinds.Repeated", "").f_int32, "empty lists are shared")
t.is(t.encode("kinds.Repeated", none), "")

-- A map field always reads as a table.
local maps = { labels = { a = "1", [""] = "" }, by_int32 = { [-5] = { f_int32 = 5 }, [0] = {} },
               by_uint64 = { [-1] = "x" }, by_bool = { [true] = "GREEN", [false] = 12 }, by_sint64 = { [-9] = -0.5 },
               by_fixed32 = { [4294967295] = 2.0 }, values = { n = mw.null, l = mw.array { 1.0 } },
               wrapped = { zero = 0, one = 1 } }
t.same(t.round_trip("kinds.Maps", maps), maps)
t.same(t.oracle("kinds.Maps", maps), maps)
t.same(t.decode("kinds.Maps", ""), { labels = {}, by_int32 = {}, by_uint64 = {}, by_bool = {}, by_sint64 = {},
                                     by_fixed32 = {}, values = {}, wrapped = {} })
-- An entry may come without its key, without its value, and with both.
t.same(t.decode("kinds.Maps", "\10\0\10\3\10\1k\18\0\58\0\66\0"),
       { labels = { [""] = "", k = "" }, by_int32 = { [0] = {} }, by_uint64 = {}, by_bool = {}, by_sint64 = {},
         by_fixed32 = {}, values = { [""] = mw.null }, wrapped = { [""] = 0 } })

-- Integer fields take whole floats, float fields take any number, enum fields take numbers and aliases.
t.same(t.round_trip("kinds.Plain", { f_int32 = 3.0, f_double = 3, f_float = 1, f_uint64 = 2.0 ^ 63, f_enum = 2 }),
       { f_int32 = 3, f_double = 3.0, f_float = 1.0, f_uint64 = math.mininteger, f_enum = "GREEN" })
t.same(t.round_trip("kinds.Plain", { f_enum = "CRIMSON" }), { f_enum = "RED" })
t.same(t.round_trip("kinds.Plain", { f_float = 3.4028235e38 }), { f_float = 3.4028234663852886e38 })

-- A name too long for Lua to intern.
local long = { a_field_name_that_is_longer_than_lua_interns_strings = "x" }
t.same(t.oracle("kinds.AFieldNameThatIsLonger", long), long)
