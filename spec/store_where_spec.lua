-- mw.store: conditions on fields of the stored messages.
local collections = require "support.collection"
local mw = require "moonwire"

local keys, raises = collections.keys, collections.raises
local function fresh(options) return collections.fresh("where", options) end

describe("where", function()
  it("selects messages by fields", function()
    local tasks = fresh()
    tasks:put { id = "a", status = "DONE", priority = "LOW", created_at = 5 }
    tasks:put { id = "b", status = "TODO", priority = "LOW" }
    tasks:put { id = "c", status = "DONE", priority = "HIGH", title = "x" }
    tasks:put { id = "d", status = 77 }
    local function found(where) return keys(tasks, { where = where }) end
    assert.same({ "a", "c" }, found { status = "DONE" })
    assert.same({ "c" }, found { status = "DONE", priority = "HIGH" })
    assert.same({}, found { status = "DONE", priority = "MEDIUM" })
    assert.same({ "a", "b", "c" }, found { status = { "DONE", "TODO" } })
    assert.same({}, found { status = {} })
    assert.same({ "d" }, found { status = 77 })
    assert.same({ "a", "c" }, found { status = 3 })
    assert.same({ "a" }, found { created_at = 5 })
    assert.same({ "b", "c", "d" }, found { created_at = 0 }) -- the default of an absent field
    assert.same({ "a", "b", "d" }, found { title = "" })
    assert.same({ "b", "c" }, found { id = { "c", "b", "x" } })
    assert.same({ "a", "b", "c", "d" }, found {})
    assert.same({ "a", "b", "c", "d" }, found(nil))
  end)

  it("works with the other options, which count what is selected", function()
    local tasks = fresh()
    for i = 1, 9 do tasks:put { id = "t" .. i, status = i % 2 == 0 and "DONE" or "TODO" } end
    local where <const> = { status = "DONE" }
    assert.same({ "t2", "t4" }, keys(tasks, { where = where, limit = 2 }))
    assert.same({ "t8", "t6" }, keys(tasks, { where = where, limit = 2, reverse = true }))
    assert.same({ "t6", "t8" }, keys(tasks, { where = where, after = "t4" }))
    assert.same({ "t4" }, keys(tasks, { where = where, prefix = "t4", snapshot = false }))
    assert.equal(4, tasks:count { where = where })
    assert.equal(5, tasks:count { where = { status = "TODO" }, prefix = "t" })
    assert.equal(0, tasks:count { where = { status = "TODO" }, prefix = "t4" })
  end)

  it("follows messages within messages, and finds unset fields", function()
    local fields = fresh { message = "google.protobuf.FieldDescriptorProto", key = "name" }
    fields:put { name = "a", label = "LABEL_REPEATED", options = { deprecated = true } }
    fields:put { name = "b", options = { deprecated = false }, oneof_index = 0 }
    fields:put { name = "c", label = "LABEL_OPTIONAL", options = {} }
    fields:put { name = "d", oneof_index = 7 }
    local function found(where) return keys(fields, { where = where }, "name") end
    assert.same({ "a" }, found { ["options.deprecated"] = true })
    assert.same({ "b" }, found { ["options.deprecated"] = false })
    assert.same({ "c" }, found { ["options.deprecated"] = mw.null })
    assert.same({ "b", "c" }, found { ["options.deprecated"] = { false, mw.null } })
    assert.same({ "d" }, found { options = mw.null })
    assert.same({ "a", "c" }, found { oneof_index = mw.null })
    assert.same({ "b" }, found { oneof_index = 0 })
    assert.same({ "a", "c" }, found { label = { "LABEL_REPEATED", "LABEL_OPTIONAL" } })
  end)

  it("refuses NaN, and takes -0 for 0", function()
    local options = fresh { message = "google.protobuf.UninterpretedOption", key = "identifier_value" }
    options:put { identifier_value = "a", double_value = -0.0 }
    options:put { identifier_value = "b", double_value = 1.5 }
    assert.same({ "a" }, keys(options, { where = { double_value = 0 } }, "identifier_value"))
    assert.same({ "b" }, keys(options, { where = { double_value = { 1.5, 1 / 0 } } }, "identifier_value"))
    raises("UninterpretedOption%.double_value: NaN equals no value", options.each, options,
      { where = { double_value = 0 / 0 } })
  end)

  it("names what is wrong", function()
    local tasks = fresh()
    local fields = fresh { message = "google.protobuf.FieldDescriptorProto", key = "name" }
    local function refuses(text, where, of) raises(text, (of or tasks).each, of or tasks, { where = where }) end
    refuses("each: where: expected a table of fields, got string", "DONE")
    refuses("each: where: tasks%.Task%.stats: no such field %(did you mean \"status\"%?%)", { stats = 1 })
    refuses("each: where: tasks%.Task%.xyz: no such field$", { xyz = 1 })
    refuses("each: where: tasks%.Task%.status%.x: only messages have fields", { ["status.x"] = 1 })
    refuses("each: where: tasks%.Task%.: no such field", { [""] = 1 })
    refuses("where: tasks%.Task.*the keys of `where` are names of fields", { "DONE" })
    refuses("where: tasks%.Task%.status: expected tasks%.Status, got \"DOEN\" %(did you mean \"DONE\"%?%)",
      { status = "DOEN" })
    refuses("where: tasks%.Task%.status: expected tasks%.Status, got true", { status = { "DONE", true } })
    refuses("where: tasks%.Task%.created_at: expected int64, got 1%.5", { created_at = 1.5 })
    refuses("where: tasks%.Task%.title: expected string, got 1", { title = 1 })
    refuses("where: tasks%.Task%.title: mw%.null stands for an unset field, but this field always has a value",
      { title = mw.null })
    refuses("where: tasks%.Task%.title: more than 1000 values", { title = table.pack(("x"):rep(1001):byte(1, -1)) })
    refuses("expected a value, or a sequence of values with the keys 1, 2, 3", { title = { x = "a" } })
    refuses("expected a value, or a sequence of values with the keys 1, 2, 3", { title = { "a", nil, "b", x = "c" } })
    refuses("FieldDescriptorProto%.options: a message cannot be compared: compare its fields", { options = { {} } },
      fields)
    refuses("FieldDescriptorProto%.options%.uninterpreted_option: a repeated field cannot be compared",
      { ["options.uninterpreted_option"] = 1 }, fields)
    refuses("FieldDescriptorProto: two conditions are on the same field, or on a message and a field of it",
      { options = mw.null, ["options.packed"] = true }, fields)
    raises("count: where: tasks%.Task%.stats: no such field", tasks.count, tasks, { where = { stats = 1 } })
  end)

  it("is read once, before the loop", function()
    local tasks = fresh()
    tasks:put { id = "a", title = "x" }
    tasks:put { id = "b", title = "x" }
    local where = { title = table.concat { "x" } }
    local seen = {}
    for task in tasks:each { where = where } do
      seen[#seen + 1] = task.id
      where.title = nil
      collectgarbage()
    end
    assert.same({ "a", "b" }, seen)
  end)
end)
