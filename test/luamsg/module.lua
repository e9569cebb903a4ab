-- mw.message, mw.type, tostring, mw.array, mw.null, mw.any, mw.u64.

-- A checked message equals a decoded one.
local task = mw.message("tasks.Task", { id = "task-0001", priority = 3, title = "" })
t.same(task, { id = "task-0001", priority = "HIGH" })
t.is(task.description, "") t.is(task.created_at, 0)
t.is(mw.type(task), "tasks.Task")
t.is(mw.type({}), nil) t.is(mw.type("x"), nil) t.is(mw.type(nil), nil) t.is(mw.type(setmetatable({}, {})), nil)
t.is(mw.type(setmetatable({}, { __name = "tasks.Task" })), nil)
t.same(mw.message("tasks.TaskList", {}), { tasks = {} })
t.is(mw.type(mw.message("tasks.TaskList", { tasks = { {} } }).tasks[1]), "tasks.Task")
t.raises("cannot change a protected metatable", setmetatable, task, {})
t.is(getmetatable(task), "tasks.Task")
t.raises("bad argument #2", mw.message, "tasks.Task")
t.raises("bad argument #1", mw.type)

-- A readable form.
t.is(tostring(task), 'tasks.Task{id="task-0001", priority=HIGH}')
t.is(tostring(mw.message("tasks.TaskList", { tasks = { task, {} } })),
     'tasks.TaskList{tasks=[tasks.Task{id="task-0001", priority=HIGH}, tasks.Task{}]}')
t.is(tostring(mw.message("tasks.TaskList", {})), "tasks.TaskList{}")
t.is(tostring(mw.message("kinds.Maps", { labels = { a = "b\n" }, by_bool = { [true] = "RED" } })),
     'kinds.Maps{labels={"a": "b\\n"}, by_bool={true: RED}}')
t.is(tostring(mw.message("kinds.Wellknown", { at = 0, lasts = 1.5, value = mw.array { mw.null, {} }, w_bool = false })),
     "kinds.Wellknown{at=1970-01-01T00:00:00Z, lasts=1.500s, value=[null, {}], w_bool=false}")
t.is(tostring(mw.message("kinds.Repeated", { f_enum = { "RED", 9 }, f_double = { 1, 0.5 } })),
     "kinds.Repeated{f_double=[1.0, 0.5], f_enum=[RED, 9]}")
local loop = mw.message("kinds.Nested", {})
loop.child, loop.children[1], loop.children[2] = loop, loop, loop
assert(#tostring(loop) < 20000)
task.id = ("é"):rep(100)
assert(utf8.len(tostring(task)), "a character was cut")

-- Lists and null.
local list = {}
t.is(mw.array(list), list) t.is(getmetatable(list), "moonwire.array") t.is(mw.array(list), list)
t.same(mw.array(), {})
t.raises("the table has a metatable already", mw.array, setmetatable({}, {}))
t.raises("table expected", mw.array, 5)
t.is(mw.null, mw.null) t.is(type(mw.null), "userdata")

-- Any.
local any = mw.any.pack("tasks.Task", { id = "x" })
t.same(any, { type_url = "type.googleapis.com/tasks.Task", value = "\10\1x" })
t.is(mw.type(any), "google.protobuf.Any")
t.same(mw.any.unpack(any), { id = "x" }) t.is(mw.type(mw.any.unpack(any)), "tasks.Task")
t.same(mw.any.unpack(t.oracle("kinds.Wellknown", { any = any }).any), { id = "x" })
t.same(mw.any.unpack({ type_url = "tasks.Task" }), {})
t.is(mw.any.unpack(mw.any.pack("google.protobuf.Duration", "1.5s")):number(), 1.5)
t.raises('tasks.Task.titel: no such field (did you mean "title"?)', mw.any.pack, "tasks.Task", { titel = "" })
t.raises('no message type "Task" in the schema', mw.any.pack, "Task", {})
local nothing, status = mw.any.unpack { type_url = "x/no.Such", value = "" }
t.is(nothing, nil) t.is(status.code, "INVALID_ARGUMENT")
t.is(status.message, 'Any: no message type "no.Such" in the schema')
nothing, status = mw.any.unpack { type_url = "x/tasks.Task", value = "\10\255" }
t.is(nothing, nil) t.is(status.code, "INVALID_ARGUMENT")
t.raises("table expected", mw.any.unpack, "x")
t.raises("expected {type_url=, value=}", mw.any.unpack, { type_url = 5 })

-- Unsigned 64-bit integers.
local u64 = mw.u64
t.is(u64.max, -1) t.is(u64.to_string(-1), "18446744073709551615") t.is(u64.to_string(-1, 16), "ffffffffffffffff")
t.is(u64.to_string(5), "5")
t.is(u64.parse("18446744073709551615"), -1) t.is(u64.parse("0xFF"), 255) t.is(u64.parse("0"), 0)
for _, text in ipairs { "", "-1", "18446744073709551616", "1.5", "0x", "x", " 1", "1\0" } do
  local value, why = u64.parse(text)
  t.is(value, nil, text) t.is(why.code, "INVALID_ARGUMENT")
end
t.is(select(2, u64.parse("x")).message, 'expected a whole number from 0 to 18446744073709551615, got "x"')
t.is(u64.compare(-1, 1), 1) t.is(u64.compare(1, -1), -1) t.is(u64.compare(5, 5), 0)
assert(u64.lt(1, -1) and not u64.lt(-1, 1) and u64.le(5, 5) and not u64.le(-1, 5))
t.is(u64.div(-1, 2), math.maxinteger) t.is(u64.rem(-1, 10), 5) t.is(u64.to_number(-1), 2.0 ^ 64)
t.is(u64.from_number(2.0 ^ 63), math.mininteger) t.is(u64.from_number(7), 7)
t.is(u64.from_number(math.maxinteger), math.maxinteger)
t.raises("division by zero", u64.div, 1, 0) t.raises("division by zero", u64.rem, 1, 0)
t.raises("expected a whole number from 0", u64.from_number, -1)
t.raises("expected a whole number from 0", u64.from_number, 2.0 ^ 64)
t.raises("expected a whole number from 0", u64.from_number, 0.5)
t.raises("expected 10 or 16", u64.to_string, 1, 8)
