-- Values that the encoder refuses, and the errors.

t.fails("tasks.Task", { priority = "HIHG" },
        'tasks.Task.priority: expected tasks.Priority, got "HIHG" (did you mean "HIGH"?)')
t.fails("tasks.Task", { priority = "XYZZYXYZZY" }, 'tasks.Task.priority: expected tasks.Priority, got "XYZZYXYZZY"')
t.fails("tasks.Task", { priority = true }, "tasks.Task.priority: expected tasks.Priority, got true")
t.fails("tasks.Task", { priority = 1.5 }, "tasks.Task.priority: expected tasks.Priority, got 1.5")
t.fails("tasks.Task", { priority = 2 ^ 31 }, "tasks.Task.priority: expected tasks.Priority, got 2147483648.0")
t.fails("tasks.Task", { titel = "x" }, 'tasks.Task.titel: no such field (did you mean "title"?)')
t.fails("tasks.Task", { wholly_other = "x" }, "tasks.Task.wholly_other: no such field")
t.fails("tasks.Task", { "x" }, "tasks.Task[1]: no such field; the keys of a message are field names")
t.fails("tasks.Task", { [true] = "x" }, "tasks.Task[true]: no such field; the keys of a message are field names")
t.fails("tasks.Task", { [1.5] = "x" }, "tasks.Task[1.5]: no such field; the keys of a message are field names")
t.fails("tasks.Task", { ["a b"] = "x" }, 'tasks.Task["a b"]: no such field')

-- The value as a whole.
t.fails("tasks.Task", "x", 'tasks.Task: expected tasks.Task, got "x"')
t.fails("tasks.Task", nil, "tasks.Task: expected tasks.Task, got nil")
t.fails("tasks.Task", mw.message("tasks.TaskList", {}), "tasks.Task: expected tasks.Task, got tasks.TaskList")
t.fails("tasks.TaskList", { tasks = { mw.message("tasks.TaskList", {}) } },
        "tasks.TaskList.tasks[1]: expected tasks.Task, got tasks.TaskList")

-- Integers.
t.fails("kinds.Plain", { f_int32 = 1.5 }, "kinds.Plain.f_int32: expected int32, got 1.5")
t.fails("kinds.Plain", { f_int32 = "1" }, 'kinds.Plain.f_int32: expected int32, got "1"')
t.fails("kinds.Plain", { f_int32 = 2147483648 },
        "kinds.Plain.f_int32: expected int32 (-2147483648 to 2147483647), got 2147483648")
t.fails("kinds.Plain", { f_sint32 = -2147483649 },
        "kinds.Plain.f_sint32: expected sint32 (-2147483648 to 2147483647), got -2147483649")
t.fails("kinds.Plain", { f_uint32 = -1 }, "kinds.Plain.f_uint32: expected uint32 (0 to 4294967295), got -1")
t.fails("kinds.Plain", { f_fixed32 = 4294967296 },
        "kinds.Plain.f_fixed32: expected fixed32 (0 to 4294967295), got 4294967296")
t.fails("kinds.Plain", { f_int64 = 2.0 ^ 63 }, "kinds.Plain.f_int64: expected int64, got 9.2233720368548e+18")
t.fails("kinds.Plain", { f_uint64 = 2.0 ^ 64 }, "kinds.Plain.f_uint64: expected uint64, got 1.844674407371e+19")
t.fails("kinds.Plain", { f_int64 = 0 / 0 }, "kinds.Plain.f_int64: expected int64, got nan")
t.fails("kinds.Plain", { f_int64 = {} }, "kinds.Plain.f_int64: expected int64, got a table")
t.fails("kinds.Plain", { f_int64 = mw.array {} }, "kinds.Plain.f_int64: expected int64, got a list")
t.fails("kinds.Plain", { f_int64 = mw.null }, "kinds.Plain.f_int64: expected int64, got mw.null")
t.fails("kinds.Plain", { f_int64 = print }, "kinds.Plain.f_int64: expected int64, got a function")

-- The other scalars.
t.fails("kinds.Plain", { f_double = "1" }, 'kinds.Plain.f_double: expected double, got "1"')
t.fails("kinds.Plain", { f_float = 1e39 },
        "kinds.Plain.f_float: expected float (at most 3.4028235e+38 either way), got 1e+39")
t.fails("kinds.Plain", { f_bool = 1 }, "kinds.Plain.f_bool: expected bool, got 1")
t.fails("kinds.Plain", { f_string = 1 }, "kinds.Plain.f_string: expected string, got 1")
t.fails("kinds.Plain", { f_bytes = false }, "kinds.Plain.f_bytes: expected bytes (a string), got false")
t.fails("kinds.Plain", { f_string = "a\255" },
        'kinds.Plain.f_string: expected string in UTF-8, got "a\\xff"; other bytes need a field of type bytes')
t.fails("kinds.Plain", { f_bool = ('"\n\\\t\r\0é'):rep(40) },
        "kinds.Plain.f_bool: expected bool, got \"" .. ([[\"\n\\\t\r\x00é]]):rep(5) .. [[\"\n\\"...]])

-- Sequences.
t.fails("kinds.Repeated", { f_int32 = 5 }, "kinds.Repeated.f_int32: expected a sequence of int32, got 5")
t.fails("kinds.Repeated", { f_int32 = { 1, "x" } }, 'kinds.Repeated.f_int32[2]: expected int32, got "x"')
t.fails("kinds.Repeated", { f_message = { {}, { f_message = { f_int32 = "x" } } } },
        'kinds.Repeated.f_message[2].f_message.f_int32: expected int32, got "x"')
t.fails("kinds.Repeated", { f_int32 = { 1, nil, 3 } },
        "kinds.Repeated.f_int32[2]: no element here, but one at 3; a sequence has no holes")
t.fails("kinds.Repeated", { f_int32 = { [2] = 1 } },
        "kinds.Repeated.f_int32[1]: no element here, but one at 2; a sequence has no holes")
for _, key in ipairs { 0, -1 } do
  t.fails("kinds.Repeated", { f_int32 = { [key] = 1 } }, ("kinds.Repeated.f_int32[%d]: expected a sequence of int32, "
          .. "which has the keys 1, 2, 3 ... only"):format(key))
end
t.fails("kinds.Repeated", { f_int32 = { x = 1 } },
        'kinds.Repeated.f_int32["x"]: expected a sequence of int32, which has the keys 1, 2, 3 ... only')

-- Maps.
t.fails("kinds.Maps", { labels = 5 }, "kinds.Maps.labels: expected a table of keys and values, got 5")
t.fails("kinds.Maps", { labels = { x = 5 } }, 'kinds.Maps.labels["x"]: expected string, got 5')
t.fails("kinds.Maps", { labels = { "x" } }, "kinds.Maps.labels[1]: expected a key of type string, got 1")
t.fails("kinds.Maps", { by_bool = { x = "RED" } }, 'kinds.Maps.by_bool["x"]: expected a key of type bool, got "x"')
t.fails("kinds.Maps", { by_int32 = { [2 ^ 40] = {} } }, "kinds.Maps.by_int32[1099511627776]: expected a key of type "
        .. "int32 (-2147483648 to 2147483647), got 1099511627776")
t.fails("kinds.Maps", { by_int32 = { [7] = { f_bool = 0 } } }, "kinds.Maps.by_int32[7].f_bool: expected bool, got 0")
t.fails("kinds.Maps", { by_bool = { [true] = "READ" } },
        'kinds.Maps.by_bool[true]: expected kinds.Color, got "READ" (did you mean "RED"?)')

-- Nesting.
local loop = {}
loop.child = loop
t.is(select(2, t.encode("kinds.Nested", loop)),
     "kinds.Nested" .. (".child"):rep(100) .. ": more than 100 messages within each other")
local function nest(depth)
  local m = { number = depth }
  for _ = 2, depth do m = { child = m } end
  return m
end
t.same(t.round_trip("kinds.Nested", nest(1)).number, 1)
assert(t.round_trip("kinds.Nested", nest(100)))
t.is(t.encode("kinds.Nested", nest(101)), nil)
loop = {}
loop.by_name = { x = loop }
assert(select(2, t.encode("kinds.Nested", loop)):find("more than 100 messages within each other", 1, true))
loop = { meta = {} }
loop.meta.x = loop.meta
assert(select(2, t.encode("kinds.Wellknown", loop)):find("more than 100 messages within each other", 1, true))

-- No metamethod of a script runs.
local function trap() error("a metamethod was run") end
local trapped = setmetatable({ title = "x" }, { __index = trap, __pairs = trap, __len = trap, __newindex = trap })
t.same(t.round_trip("tasks.Task", trapped), { title = "x" })
local list = setmetatable({ trapped }, { __index = trap, __len = trap, __pairs = trap })
t.same(t.round_trip("tasks.TaskList", { tasks = list }), { tasks = { { title = "x" } } })

-- mw.message raises the same text, with the position in the script.
t.raises('tasks.Task.titel: no such field (did you mean "title"?)', mw.message, "tasks.Task", { titel = "x" })
t.raises('no message type "tasks.Taks" in the schema (did you mean "tasks.Task"?)', mw.message, "tasks.Taks", {})

-- A message of any accepted depth can be decoded again.
local function deepest(type_name, make)
  for depth = 1, 200 do
    local bytes = t.encode(type_name, make(depth))
    if not bytes then return depth - 1 end
    assert(t.decode(type_name, bytes), depth)
  end
end
local function wrap(make)
  return function(depth)
    local value = {}
    for _ = 1, depth do value = make(value) end
    return value
  end
end
t.is(deepest("kinds.Nested", wrap(function(v) return { child = v } end)), 99)
t.is(deepest("kinds.Nested", wrap(function(v) return { by_name = { x = v } } end)), 49)
t.is(deepest("google.protobuf.Struct", wrap(function(v) return { x = v } end)), 33)
t.is(deepest("google.protobuf.ListValue", wrap(function(v) return mw.array { v } end)), 49)
