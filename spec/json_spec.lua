-- `mw.json`: Lua values and messages as JSON, and back.
local mw = require "moonwire"
local project = require "support.project"

local json = mw.json

describe("mw.json.encode", function()
  local function raises(words, ...)
    local ok, message = pcall(json.encode, ...)
    assert.is_false(ok)
    assert.matches(words, tostring(message), 1, true)
  end

  it("writes what JSON has", function()
    assert.are.equal("null", json.encode(nil))
    assert.are.equal("null", json.encode(mw.null))
    assert.are.equal("[true,false]", json.encode { true, false })
    assert.are.equal([["a\"\\\n\u0001ä"]], json.encode 'a"\\\n\1ä')
    assert.are.equal('{"a":{"b":[1,[2]]},"c":{}}', json.encode { c = {}, a = { b = { 1, { 2 } } } })
  end)

  it("keeps integers and floats apart, and exact", function()
    assert.are.equal("[9223372036854775807,-9223372036854775808]", json.encode { math.maxinteger, math.mininteger })
    assert.are.equal("[1.0,0.1,1e+300,-0.0]", json.encode { 1.0, 0.1, 1e300, -0.0 })
  end)

  it("writes keys in their order", function()
    assert.are.equal('{"":0,"a":1,"aa":2,"b":3}', json.encode { b = 3, aa = 2, a = 1, [""] = 0 })
  end)

  it("writes an empty table as an object unless it is marked", function()
    assert.are.equal("{}", json.encode {})
    assert.are.equal("[]", json.encode(mw.array {}))
  end)

  it("indents", function()
    local task = mw.message("tasks.Task", { id = "task-0001" })
    assert.are.equal('{\n  "a": [\n    1\n  ],\n  "b": {},\n  "t": {\n    "id": "task-0001"\n  }\n}',
      json.encode({ a = { 1 }, b = {}, t = task }, { indent = 2 }))
  end)

  it("writes messages by the proto3 mapping, wherever they are", function()
    local task = mw.message("tasks.Task", { id = "task-0001", priority = "HIGH", created_at = 1 << 60 })
    local text = '{"id":"task-0001","priority":"HIGH","createdAt":"1152921504606846976"}'
    assert.are.equal(text, json.encode(task))
    assert.are.equal('{"list":[' .. text .. "]}", json.encode { list = { task } })
  end)

  it("refuses values that JSON cannot represent, with the path to them", function()
    raises("mw.json.encode: value: JSON cannot represent a function", print)
    raises('mw.json.encode: value["a"][2]: JSON cannot represent a thread', { a = { 1, coroutine.create(print) } })
    raises("value: JSON cannot represent NaN or infinity", 0 / 0)
    raises("value: expected UTF-8", "\xff")
    raises('value["a"]: JSON cannot represent a table with both a list and other keys', { a = { 1, x = 2 } })
    raises("value: the keys of an object must be strings", { [true] = 1 })
    raises("value: JSON cannot represent a list with holes; fill them with mw.null",
      setmetatable({ 1, nil, nil, 4 }, nil))
    raises('value["self"]: the table contains itself', (function() local t = {} t.self = t return t end)())
    raises("mw.json.encode: unknown option ident (expected indent)", {}, { ident = 2 })
    raises("indent must be a number of spaces from 0 to 16", {}, { indent = 17 })
  end)

  it("refuses times that only bytes can hold", function()
    local year_10000 = mw.any.pack("google.protobuf.Int64Value", 253402300800).value
    for _, name in ipairs { "Timestamp", "Duration" } do
      local time = mw.any.unpack { type_url = "t/google.protobuf." .. name, value = year_10000 }
      local bytes = mw.any.pack("google.protobuf." .. name, time).value
      assert.are.equal(year_10000, bytes)
    end
    raises("google.protobuf.Timestamp: 253402300800 seconds and 0 nanos are out of range for google.protobuf.Timestamp",
      mw.any.unpack { type_url = "t/google.protobuf.Timestamp", value = year_10000 })
  end)

  it("takes the same table twice, and refuses depth", function()
    local shared = { 1 }
    assert.are.equal("[[1],[1]]", json.encode { shared, shared })
    local deep = {}
    for _ = 1, 99 do deep = { deep } end
    assert.is_string(json.encode(deep))
    raises("nested deeper than 100 levels", { deep })
  end)
end)

describe("mw.json.decode", function()
  local function refuses(words, ...)
    local value, status = json.decode(...)
    assert.is_nil(value)
    assert.are.equal("INVALID_ARGUMENT", status.code)
    assert.are.equal(words, status.message)
  end

  it("reads what JSON has", function()
    local value = json.decode ' {"a": [1, 2.0, "x\\u00e9\\ud83d\\ude00", true, null], "b": {"c": {}}} '
    assert.are.equal(1, value.a[1])
    assert.are.equal("integer", math.type(value.a[1]))
    assert.are.equal("float", math.type(value.a[2]))
    assert.are.equal("xé😀", value.a[3])
    assert.is_true(value.a[4])
    assert.are.equal(mw.null, value.a[5])
    assert.are.same({}, value.b.c)
    assert.are.equal(mw.null, json.decode "null")
    assert.is_false((json.decode "false"))
  end)

  it("reads integers exactly as far as they go", function()
    assert.are.equal(math.mininteger, json.decode "-9223372036854775808")
    assert.are.equal("float", math.type(json.decode "9223372036854775808"))
    assert.are.equal("float", math.type(json.decode "1e2"))
  end)

  it("comes back as it was written", function()
    for _, text in ipairs { "[]", "{}", "[[],{},[0,-1.5]]", '{"a":[null,true],"b":"\\u0000"}' } do
      assert.are.equal(text, json.encode((json.decode(text))))
    end
  end)

  it("refuses what is not JSON, with line and column", function()
    refuses("1:1: expected a value, got the end of the text", "")
    refuses("2:3: expected ',' or ']', got '2'", "[1\n  2]")
    refuses("1:8: this key is given twice", '{"a":1,"a":2}')
    refuses("1:1: the number is out of range", "1e999")
    refuses("1:4: expected the end of the text, got '1'", "{} 1")
  end)

  it("reads a message of a type", function()
    local task = json.decode('{"id": "task-0001", "createdAt": "5", "status": "DONE"}', "tasks.Task")
    assert.are.equal("tasks.Task", mw.type(task))
    assert.are.equal("task-0001", task.id)
    assert.are.equal(5, task.created_at)
    assert.are.equal("DONE", task.status)
    refuses('1:14: tasks.Task.priority: expected tasks.Priority, got "HIHG" (did you mean "HIGH"?)',
      '{"priority": "HIHG"}', "tasks.Task")
    assert.has_error(function() json.decode("{}", "tasks.Tusk") end)
  end)

  it("skips what the type does not have when told to", function()
    local text = '{"id": "1", "colour": {"a": [1, {}]}, "priority": "PURPLE", "status": "DONE"}'
    refuses('1:13: tasks.Task: tasks.Task has no field "colour"', text, "tasks.Task")
    refuses('1:13: tasks.Task: tasks.Task has no field "colour"', text, "tasks.Task", { ignore_unknown = false })
    local task = assert(json.decode(text, "tasks.Task", { ignore_unknown = true }))
    assert.are.equal("1", task.id)
    assert.are.equal("PRIORITY_UNSPECIFIED", task.priority)
    assert.are.equal("DONE", task.status)
    refuses('1:8: tasks.Task.id: expected string, got 1', '{"id": 1}', "tasks.Task", { ignore_unknown = true })
    refuses("1:10: expected a value, got '}'", '{"x": [1,}', "tasks.Task", { ignore_unknown = true })
  end)

  it("refuses other options", function()
    local function raises(words, options)
      local ok, message = pcall(json.decode, "{}", "tasks.Task", options)
      assert.is_false(ok)
      assert.matches(words, tostring(message), 1, true)
    end
    raises("mw.json.decode: unknown option ignore_unknwn (expected ignore_unknown)", { ignore_unknwn = true })
    raises("ignore_unknown must be true or false", { ignore_unknown = 1 })
  end)
end)

describe("an extension in JSON", function()
  it("is a member by its full name, both ways, and keeps its bytes", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = [[
        syntax = "proto2";
        package a;
        message M { optional int32 own = 1; extensions 100 to 200; }
        extend M { optional string note = 100; repeated M more = 101; }
      ]],
      ["lua/a.lua"] = [[
        local mw = require "moonwire"
        local text = '{"own":1,"[a.note]":"kept","[a.more]":[{"own":2},{"[a.note]":""}]}'
        local message = assert(mw.json.decode(text, "a.M"))
        assert(message.own == 1 and mw.json.encode(message) == text)
        local any = mw.any.pack("a.M", message)
        assert(mw.json.encode(assert(mw.any.unpack(any))) == text)
        local none, status = mw.json.decode('{"[a.nots]": 1}', "a.M")
        assert(not none and status.message == '1:2: a.M: a.M has no field "[a.nots]"', status.message)
      ]],
    }
    local code, _, stderr = folder:run "check"
    assert.are.equal(0, code, stderr)
  end)
end)
