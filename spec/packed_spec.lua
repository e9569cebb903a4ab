-- Packed messages: mw.pack, fields without unpacking, and every place that gives or takes them.
local collections = require "support.collection"
local mw = require "moonwire"

local raises = collections.raises
local function fresh(options) return collections.fresh("packed", options) end
local function field(options)
  options.name = options.name or "f"
  return mw.pack("google.protobuf.FieldDescriptorProto", options)
end

describe("a packed message", function()
  it("has the fields of the table that it was made from", function()
    local m = mw.pack("tasks.Task", { id = "a", title = "ünï", status = "DONE", priority = 99, created_at = -5 })
    assert.equal("a", m.id)
    assert.equal("ünï", m.title)
    assert.equal("DONE", m.status)
    assert.equal(99, m.priority) -- a number that the enum lacks
    assert.equal(-5, m.created_at)
    assert.equal("", m.description) -- unset, without presence
    assert.equal("tasks.Task", mw.type(m))
    assert.same({ id = "a", title = "ünï", status = "DONE", priority = 99, created_at = -5 }, m:unpack())
    assert.equal(tostring(m:unpack()), tostring(m))
  end)

  it("packs nested messages too, and keeps what it is a part of", function()
    local name = { { name_part = "q", is_extension = true }, { name_part = "r", is_extension = false } }
    local options = { deprecated = true, uninterpreted_option = { { name = name } } }
    local part = field { options = options }.options.uninterpreted_option[1].name[2]
    collectgarbage()
    assert.equal("google.protobuf.UninterpretedOption.NamePart", mw.type(part))
    assert.equal("r", part.name_part)
    assert.is_false(part.is_extension)
    assert.is_nil(field {}.options)
    assert.is_nil(field {}.oneof_index) -- unset, with presence
    assert.same({}, field { options = {} }.options.uninterpreted_option)
  end)

  it("has lists, maps and well-known types as tables", function()
    local any = mw.pack("google.protobuf.Struct", { list = { 1, "x", mw.null }, deep = { a = true } })
    assert.same({ list = { 1, "x", mw.null }, deep = { a = true } }, any.fields)
    local mask = mw.pack("google.protobuf.FieldMask", { paths = { "a", "b" } })
    assert.same({ "a", "b" }, mask.paths)
  end)

  it("has #, == and json", function()
    local m = mw.pack("tasks.Task", { id = "abc" })
    assert.equal(5, #m)
    assert.is_true(m == mw.pack("tasks.Task", { id = "abc" }))
    assert.is_false(m == mw.pack("tasks.Task", { id = "abd" }))
    assert.is_false(m == mw.pack("tasks.GetTaskRequest", { id = "abc" })) -- equal bytes of another type
    assert.equal('{"id":"abc"}', mw.json.encode(m))
    assert.equal('[{"id":"abc"}]', mw.json.encode { m })
    assert.equal(m, mw.pack("tasks.Task", m))
  end)

  it("cannot be changed, and names what is wrong", function()
    local m = mw.pack("tasks.Task", { id = "a" })
    raises("tasks.Task: a packed message cannot be changed: change the table that m:unpack%(%) returns",
      function() m.id = "b" end)
    raises("tasks.Task has no field stats %(did you mean \"status\"%?%)", function() return m.stats end)
    raises("tasks.Task: a packed message has fields alone, no key of type number", function() return m[1] end)
    raises("cannot be traversed: use pairs%(m:unpack%(%)%)", function() for _ in pairs(m) do end end)
    raises("packed message expected, got table", m.unpack, {})
    raises("expected tasks.Task, got a packed tasks.GetTaskRequest", mw.pack, "tasks.Task",
      mw.pack("tasks.GetTaskRequest", { id = "a" }))
    raises("tasks.Task.status: expected tasks.Status, got \"X\"", mw.pack, "tasks.Task", { status = "X" })
    raises("FieldDescriptorProto.options: expected google.protobuf.FieldOptions, got a packed tasks.Task", field,
      { options = m })
    assert.equal("packed message", getmetatable(m))
  end)

  it("can be a detail of a status, and in an Any", function()
    local status = mw.status.internal "x"
    status:with_details("tasks.Task", mw.pack("tasks.Task", { id = "a" }))
    assert.same({ { type_url = "type.googleapis.com/tasks.Task", value = "\n\1a" } }, status.details)
    assert.equal("\n\1a", mw.any.pack("tasks.Task", mw.pack("tasks.Task", { id = "a" })).value)
  end)

  it("can be a field of a table", function()
    local options = mw.pack("google.protobuf.FieldOptions", { deprecated = true })
    assert.is_true(field { options = options }.options.deprecated)
    assert.is_true(mw.message("google.protobuf.FieldDescriptorProto", { options = options }).options.deprecated)
  end)
end)

describe("the store", function()
  it("takes and gives packed messages", function()
    local tasks = fresh()
    local a = mw.pack("tasks.Task", { id = "a", status = "TODO" })
    assert.equal(a, assert(tasks:put(a)))
    assert.same(a:unpack(), tasks:get "a")
    local b = assert(tasks:insert(mw.pack("tasks.Task", { id = "b" })))
    assert.equal("b", b.id)
    local none, status = tasks:insert(b)
    assert.is_nil(none)
    assert.matches("b exists already", status.message)
    assert.equal(a, tasks:get("a", { packed = true }))
    assert.is_nil(tasks:get("x", { packed = true }))
    local seen = {}
    for m in tasks:each { packed = true } do seen[#seen + 1] = mw.type(m) .. m.id end
    assert.same({ "tasks.Taska", "tasks.Taskb" }, seen)
    assert.equal("DONE", tasks:update("a", function()
      return mw.pack("tasks.Task", { id = "a", status = "DONE" })
    end).status)
  end)

  it("takes and gives them in transactions and watches", function()
    local tasks = fresh()
    local events <close> = tasks:watch { packed = true }
    assert(mw.store.transaction(function(tx)
      tx:put(tasks, mw.pack("tasks.Task", { id = "t", title = "x" }))
      assert.equal("x", tx:get(tasks, "t", { packed = true }).title)
    end))
    local event = events()
    assert.equal("put", event.type)
    assert.equal("x", event.message.title)
    assert.equal("packed message", getmetatable(event.message))
  end)

  it("checks keys and options", function()
    local tasks = fresh()
    local none, status = tasks:put(mw.pack("tasks.Task", {}))
    assert.is_nil(none)
    assert.equal("INVALID_ARGUMENT", status.code)
    assert.matches("tasks.Task.id, the key, is empty", status.message)
    raises("expected tasks.Task, got a packed tasks.GetTaskRequest", tasks.put, tasks,
      mw.pack("tasks.GetTaskRequest", { id = "a" }))
    raises("get: packed: expected a boolean, got number", tasks.get, tasks, "a", { packed = 1 })
    raises("get: unknown option pakced %(expected packed%)", tasks.get, tasks, "a", { pakced = true })
    local numbers = fresh { key = "created_at" }
    assert(numbers:put(mw.pack("tasks.Task", { created_at = -7 })))
    assert(numbers:put(mw.pack("tasks.Task", {}))) -- 0
    assert.same({ -7, 0 }, collections.keys(numbers, nil, "created_at"))
  end)
end)

describe("a topic", function()
  it("takes packed messages, and gives them where they are asked for", function()
    local topic = mw.topic "spec.packed"
    local tables <close> = topic:subscribe()
    local packed <close> = topic:subscribe { packed = true }
    topic:publish(mw.pack("tasks.Task", { id = "a" }))
    topic:publish { list = { mw.pack("tasks.Task", { id = "b" }), 7 } }
    assert.same({ id = "a" }, tables:receive(1))
    assert.same({ list = { { id = "b" }, 7 } }, tables:receive(1))
    assert.equal(mw.pack("tasks.Task", { id = "a" }), packed:receive(1))
    assert.equal("b", packed:receive(1).list[1].id)
    raises("topic:subscribe: packed: expected a boolean", topic.subscribe, topic, { packed = "yes" })
  end)
end)
