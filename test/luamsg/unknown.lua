-- Fields missing in the schema survive decode and encode, at every depth.

local newer = { id = "task-0001", title = "t", owner = "me", votes = { 1, 2 }, offset = -3, mask = 255,
                parent = { id = "task-0000" } }
local bytes = t.encode("tasks.NewerTask", newer)
local task = t.decode("tasks.Task", bytes)
t.same(task, { id = "task-0001", title = "t" })
t.is(t.encode("tasks.Task", task), bytes)

-- A change of another field keeps them.
task.title = "changed"
newer.title = "changed"
t.is(t.encode("tasks.Task", task), t.encode("tasks.NewerTask", newer))

local list = { tasks = { newer, { id = "plain" }, newer }, token = "\0\255" }
bytes = t.encode("tasks.NewerTaskList", list)
local older = t.decode("tasks.TaskList", bytes)
t.is(t.encode("tasks.TaskList", older), bytes)
t.same(t.decode("tasks.NewerTaskList", t.encode("tasks.TaskList", older)), t.round_trip("tasks.NewerTaskList", list))

-- They belong to the table: a copy made field by field lacks them, a moved message keeps them.
local copy = {}
for k, v in pairs(older.tasks[1]) do copy[k] = v end
t.same(t.round_trip("tasks.NewerTask", t.decode("tasks.NewerTask", t.encode("tasks.Task", copy))).owner, "")
older.tasks[2] = older.tasks[1]
t.is(t.decode("tasks.NewerTaskList", t.encode("tasks.TaskList", older)).tasks[2].owner, "me")
t.is(t.decode("tasks.NewerTask", t.encode("tasks.Task", mw.message("tasks.Task", older.tasks[1]))).owner, "me")

-- A group of proto2.
bytes = t.protoc_encode("legacy.WithGroup", 'before: 1 Inner { text: "x" } after: 2')
local group = t.decode("legacy.WithGroup", bytes)
t.same(group, { before = 1, after = 2 })
t.same(t.protoc_decode("legacy.WithGroup", t.encode("legacy.WithGroup", group)),
       t.protoc_decode("legacy.WithGroup", bytes))

-- They are released with their message.
local weak = setmetatable({ group }, { __mode = "v" })
group = nil
collectgarbage()
t.is(weak[1], nil)
