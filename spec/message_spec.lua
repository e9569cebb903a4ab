-- mw.type, mw.message, mw.enum, mw.array, mw.null, mw.any, mw.u64. (C tests cover each kind of field.)
local mw = require "moonwire"

local function raises(message, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(err):find(message, 1, true), ("expected %q in %q"):format(message, tostring(err)))
end

describe("mw.message", function()
  it("makes a message of a table, with its defaults", function()
    local task = mw.message("tasks.Task", { id = "task-0001", priority = 3 })
    assert.are.equal("tasks.Task", mw.type(task))
    assert.are.equal("HIGH", task.priority)
    assert.are.equal("", task.title)
    assert.are.equal('tasks.Task{id="task-0001", priority=HIGH}', tostring(task))
  end)

  it("says where a mistake is, and what would be right", function()
    local function wrong(message, fields) raises(message, mw.message, "tasks.Task", fields) end
    wrong('tasks.Task.priority: expected tasks.Priority, got "HIHG" (did you mean "HIGH"?)', { priority = "HIHG" })
    wrong('tasks.Task.titel: no such field (did you mean "title"?)', { titel = "x" })
    wrong("tasks.Task.created_at: expected int64, got 1.5", { created_at = 1.5 })
    wrong("tasks.Task.id: expected string, got 5", { id = 5 })
    wrong("tasks.Task.title: ", { title = "\xff" })
    raises('no message type', mw.message, "tasks.Tsk", {})
  end)
end)

describe("mw.type", function()
  it("names the type of messages only", function()
    for _, value in ipairs { 1, "x", {}, print, mw.null } do assert.is_nil(mw.type(value)) end
    assert.are.equal("google.protobuf.Duration", mw.type(mw.message("google.protobuf.Duration", "1.5s")))
  end)
end)

describe("mw.enum", function()
  it("has the numbers by name and the names by number", function()
    local priority = mw.enum "tasks.Priority"
    assert.are.equal(3, priority.HIGH)
    assert.are.equal("HIGH", priority[3])
    assert.is_nil(priority.HIHG)
    assert.is_nil(priority[99])
    local count = 0
    for key, value in pairs(priority) do
      assert.are.equal(key, priority[value])
      count = count + 1
    end
    assert.are.equal(0, count % 2)
    local kind = mw.enum "google.protobuf.FieldDescriptorProto.Type"
    assert.are.equal(11, kind.TYPE_MESSAGE)
  end)

  it("is the script's own table", function()
    mw.enum("tasks.Priority").HIGH = 7
    assert.are.equal(3, mw.enum("tasks.Priority").HIGH)
  end)

  it("says what is wrong", function()
    raises('no enum "tasks.Prioity" in the schema (did you mean "tasks.Priority"?)', mw.enum, "tasks.Prioity")
    raises('no enum "tasks.Task" in the schema', mw.enum, "tasks.Task")
    raises("string expected, got nil", mw.enum, nil)
  end)
end)

describe("mw.any", function()
  it("packs and unpacks", function()
    local any = mw.any.pack("tasks.Task", { id = "x", status = "DONE" })
    assert.are.equal("type.googleapis.com/tasks.Task", any.type_url)
    local task = assert(mw.any.unpack(any))
    assert.are.equal("tasks.Task", mw.type(task))
    assert.are.equal("DONE", task.status)
  end)

  it("says what is wrong", function()
    local value, status = mw.any.unpack { type_url = "type.googleapis.com/no.Such", value = "" }
    assert.is_nil(value)
    assert.are.equal("INVALID_ARGUMENT", status.code)
    assert.are.equal('Any: no message type "no.Such" in the schema', status.message)
    value, status = mw.any.unpack { type_url = "type.googleapis.com/tasks.Task", value = "\x0a\x05x" }
    assert.is_nil(value)
    assert.are.equal("INVALID_ARGUMENT", status.code)
    assert.matches("tasks.Task.id", status.message, 1, true)
    raises("expected string, got 1", mw.any.pack, "tasks.Task", { id = 1 })
    raises("no.Such", mw.any.pack, "no.Such", {})
  end)
end)

describe("mw.array and mw.null", function()
  it("tell lists and nulls from what looks like them", function()
    local value = mw.message("google.protobuf.Struct", { list = mw.array {}, object = {}, null = mw.null })
    assert.are.equal('{"list":[],"null":null,"object":{}}', (mw.json.encode(value)))
    assert.are.equal("[]", mw.json.encode(mw.array()))
  end)
end)

describe("mw.u64", function()
  local u64 = mw.u64

  it("reads and writes what integers cannot show", function()
    assert.are.equal(-1, u64.max)
    assert.are.equal("18446744073709551615", u64.to_string(u64.max))
    assert.are.equal("ffffffffffffffff", u64.to_string(u64.max, 16))
    assert.are.equal(u64.max, u64.parse "18446744073709551615")
    assert.are.equal(255, u64.parse "0xff")
    for _, wrong in ipairs { "", "x", "-1", "18446744073709551616", "1.5", "0x", " 1" } do
      local n, status = u64.parse(wrong)
      assert.is_nil(n)
      assert.are.equal("INVALID_ARGUMENT", status.code)
    end
  end)

  it("compares and divides", function()
    assert.are.equal(1, u64.compare(u64.max, 1))
    assert.is_true(u64.lt(math.maxinteger, math.mininteger))
    assert.is_true(u64.le(5, 5))
    assert.are.equal(math.maxinteger, u64.div(u64.max, 2))
    assert.are.equal(5, u64.rem(u64.max, 10))
    raises("division by zero", u64.div, 1, 0)
    raises("division by zero", u64.rem, 1, 0)
  end)

  it("converts to and from floats", function()
    assert.are.equal(2.0 ^ 64, u64.to_number(u64.max))
    assert.are.equal(math.mininteger, u64.from_number(2.0 ^ 63))
    for _, wrong in ipairs { -1, 0.5, 2.0 ^ 64, 0 / 0 } do
      raises("expected a whole number from 0 to 18446744073709551615", u64.from_number, wrong)
    end
  end)
end)

describe("a Timestamp or Duration", function()
  it("says when a sum or a comparison cannot be", function()
    local last = mw.message("google.protobuf.Timestamp", "9999-12-31T23:59:59Z")
    raises("the result is out of the range of google.protobuf.Timestamp", function() return last + 1 end)
    local second = mw.message("google.protobuf.Duration", "1s")
    raises("a Timestamp and a Duration cannot be compared", function() return last < second end)
  end)
end)
