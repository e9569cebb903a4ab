local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local names = 0

-- Returns a collection that no other test uses.
local function fresh(options)
  names = names + 1
  local o = { name = "spec." .. names, message = "tasks.Task" }
  for k, v in pairs(options or {}) do o[k] = v end
  return mw.store.collection(o), o
end

local function raises(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
end

local function keys(collection, options, field)
  local list = {}
  for message in collection:each(options) do list[#list + 1] = message[field or "id"] end
  return list
end

local function fill(collection, ...)
  for _, id in ipairs { ... } do assert(collection:put { id = id }) end
end

describe("mw.store.collection", function()
  it("names what is wrong when it is declared", function()
    local declare = mw.store.collection
    raises("name: expected string, got nil", declare, { message = "tasks.Task" })
    raises('name: expected 1 to 64 letters, digits and _ %- %. , got "a b"', declare,
      { name = "a b", message = "tasks.Task" })
    raises("expected 1 to 64 letters", declare, { name = "a\0b", message = "tasks.Task" })
    raises("expected 1 to 64 letters", declare, { name = "", message = "tasks.Task" })
    raises("expected 1 to 64 letters", declare, { name = ("n"):rep(65), message = "tasks.Task" })
    raises("message: expected string, got nil", declare, { name = "a" })
    raises("collection a: the schema has no message tasks%.None", declare, { name = "a", message = "tasks.None" })
    raises("collection a: tasks%.Task has no field none to be the key", declare,
      { name = "a", message = "tasks.Task", key = "none" })
    raises("collection a: tasks%.Task%.priority cannot be the key: expected a string or integer field, " ..
      "got tasks%.Priority", declare, { name = "a", message = "tasks.Task", key = "priority" })
    raises("cannot be the key: expected a string or integer field, got repeated string", declare,
      { name = "a", message = "google.protobuf.FieldMask", key = "paths" })
    raises("unknown option ke %(expected name, message, key%)", declare,
      { name = "a", message = "tasks.Task", ke = "id" })
  end)

  it("may be declared twice, but only as the same thing", function()
    local one, options = fresh()
    local two = mw.store.collection(options)
    fill(one, "a")
    assert.equal("a", two:get("a").id)
    options.key = "title"
    raises("holds tasks%.Task by id elsewhere, and tasks%.Task by title here", mw.store.collection, options)
  end)

  it("keeps its keys apart from other collections'", function()
    local name = "spec.apart"
    local short = mw.store.collection { name = name, message = "tasks.Task" }
    local long = mw.store.collection { name = name .. ".x", message = "tasks.Task" }
    fill(short, "a", ".xb")
    fill(long, "c")
    assert.same({ ".xb", "a" }, keys(short))
    assert.same({ "c" }, keys(long))
    assert.equal("collection spec.apart of tasks.Task by id", tostring(short))
  end)
end)

describe("a collection", function()
  it("inserts, and refuses what exists already", function()
    local tasks = fresh()
    local made = assert(tasks:insert { id = "a", title = "one" })
    assert.equal("tasks.Task", mw.type(made))
    assert.equal("one", made.title)
    assert.equal("PRIORITY_UNSPECIFIED", made.priority)
    local again, status = tasks:insert { id = "a", title = "two" }
    assert.is_nil(again)
    assert.equal("ALREADY_EXISTS", status.code)
    assert.matches("a exists already", status.message)
    assert.equal("one", tasks:get("a").title)
  end)

  it("puts whether it exists or not", function()
    local tasks = fresh()
    assert.equal("one", tasks:put({ id = "a", title = "one" }).title)
    assert.equal("two", tasks:put({ id = "a", title = "two" }).title)
    assert.equal("two", tasks:get("a").title)
  end)

  it("gets nil alone for what is not there", function()
    local tasks = fresh()
    for _, key in ipairs { "a", "", ("k"):rep(1000) } do
      assert.equal(1, select("#", tasks:get(key)))
      assert.is_nil(tasks:get(key))
    end
  end)

  it("refuses keys that cannot be", function()
    local tasks = fresh()
    for words, id in pairs { ["is empty"] = "", ["is too long"] = ("k"):rep(500) } do
      for _, write in ipairs { "insert", "put" } do
        local made, status = tasks[write](tasks, { id = id })
        assert.is_nil(made)
        assert.equal("INVALID_ARGUMENT", status.code)
        assert.equal("tasks.Task.id, the key, " .. words, status.message)
      end
    end
  end)

  it("raises for what is no message of its type", function()
    local tasks = fresh()
    raises("expected tasks.Priority, got", tasks.insert, tasks, { id = "a", priority = "HIHG" })
    raises("table expected", tasks.put, tasks, "a")
    raises("string expected", tasks.get, tasks, 1)
    raises("moonwire.Collection expected", tasks.get, {}, "a")
    raises("put: unknown option tll %(expected ttl%)", tasks.put, tasks, { id = "a" }, { tll = 1 })
    for _, ttl in ipairs { 0, -1, 2e9, "1", 0 / 0 } do
      raises("ttl: expected seconds above 0", tasks.put, tasks, { id = "a" }, { ttl = ttl })
    end
  end)

  it("holds messages of any type, by any string", function()
    local wide, options = fresh { message = "telemetry.MetricsResponse", key = "service_name" }
    wide:put { service_name = "a", cpu_usage = 1.5, timestamp_ms = 7 }
    assert.equal(1.5, wide:get("a").cpu_usage)
    assert.equal(7, wide:get("a").timestamp_ms)
    assert.equal("telemetry.MetricsResponse", options.message)
  end)

  it("deletes, and says whether there was something", function()
    local tasks = fresh()
    fill(tasks, "a")
    assert.is_true(tasks:delete "a")
    assert.is_false(tasks:delete "a")
    assert.is_false(tasks:delete "")
    assert.is_nil(tasks:get "a")
  end)

  it("tells one of many who delete at once", function()
    local tasks = fresh()
    fill(tasks, "a")
    local told, ended = 0, 0
    for _ = 1, 20 do
      mw.spawn(function()
        if tasks:delete "a" then told = told + 1 end
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 20 end)
    assert.equal(1, told)
  end)

  it("forgets what has lived its time", function()
    local tasks = fresh()
    local clock <close> = test.clock()
    tasks:put({ id = "a" }, { ttl = 20 })
    tasks:insert({ id = "b" }, { ttl = 1000 })
    clock:advance(19)
    assert.is_truthy(tasks:get "a")
    tasks:update("a", function(task) return task end) -- does not extend the lifetime
    clock:advance(1)
    assert.is_nil((tasks:get "a"))
    assert.same({ "b" }, keys(tasks))
    assert.is_truthy(tasks:insert { id = "a" })
    tasks:put({ id = "c" }, { ttl = 20 })
    tasks:update("c", function(task) return task end, { ttl = 1000 })
    clock:advance(30)
    assert.is_truthy(tasks:get "c")
  end)
end)

describe("update", function()
  it("stores what the function returns", function()
    local tasks = fresh()
    fill(tasks, "a")
    local task = assert(tasks:update("a", function(task)
      task.title = "changed"
      return task
    end))
    assert.equal("changed", task.title)
    assert.equal("changed", tasks:get("a").title)
    assert.equal("new", tasks:update("a", function() return { id = "a", title = "new" } end).title)
  end)

  it("reports what is not there", function()
    local task, status = fresh():update("a", error)
    assert.is_nil(task)
    assert.equal("NOT_FOUND", status.code)
    assert.matches("there is no a", status.message)
  end)

  it("is cancelled by nil, with a status or without", function()
    local tasks = fresh()
    fill(tasks, "a")
    assert.is_nil(tasks:update("a", function(task) task.title = "x" end))
    local _, status = tasks:update("a", function() return nil, mw.status.failed_precondition "not now" end)
    assert.equal("FAILED_PRECONDITION", status.code)
    assert.equal("", tasks:get("a").title)
  end)

  it("refuses another key, and what is no message", function()
    local tasks = fresh()
    fill(tasks, "a")
    raises("update: the function changed the key, tasks%.Task%.id", tasks.update, tasks, "a",
      function() return { id = "b" } end)
    raises("update: the function returned a string, not a message", tasks.update, tasks, "a", function() return "x" end)
    raises("boom", tasks.update, tasks, "a", function() error "boom" end)
  end)

  it("loses none of many at once, also when the function waits", function()
    local tasks = fresh()
    tasks:put { id = "a", created_at = 0 }
    local ended = 0
    for i = 1, 30 do
      mw.spawn(function()
        assert(tasks:update("a", function(task)
          if i % 3 == 0 then mw.sleep(0.001) end
          task.created_at = task.created_at + 1
          return task
        end))
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 30 end)
    assert.equal(30, tasks:get("a").created_at)
  end)

  it("goes on from what others are about to store, so that each function runs about once", function()
    local tasks = fresh()
    tasks:put { id = "a", created_at = 0 }
    local ended, runs, absent = 0, 0, 0
    local function one_more(task)
      runs = runs + 1
      task.created_at = task.created_at + 1
      return task
    end
    servers.spawn_all(500, function()
      assert(tasks:update("a", one_more))
      ended = ended + 1
    end)
    test.eventually(function() return ended == 500 end)
    assert.equal(500, tasks:get("a").created_at)
    assert.is_true(runs < 600, runs)
    for _ = 1, 100 do
      mw.spawn(function()
        if not tasks:delete("a") then absent = absent + 1 end
        assert(tasks:put { id = "a", created_at = 0 })
        assert(tasks:update("a", one_more))
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 600 end)
    assert.is_true(absent < 100, absent)
  end)

  it("goes for transactions of one key too", function()
    local tasks = fresh()
    tasks:put { id = "a", created_at = 0 }
    local ended, runs = 0, 0
    servers.spawn_all(500, function()
      assert(mw.store.transaction(function(tx)
        runs = runs + 1
        local task = assert(tx:get(tasks, "a"))
        task.created_at = task.created_at + 1
        return tx:put(tasks, task)
      end))
      ended = ended + 1
    end)
    test.eventually(function() return ended == 500 end)
    assert.equal(500, tasks:get("a").created_at)
    assert.is_true(runs < 3000, runs) -- a run on a snapshot, another on queued changes or after a commit in between
  end)

  it("does not starve transactions and deletes of the same key", function()
    local tasks = fresh()
    tasks:put { id = "a", created_at = 0 }
    local stop, deleted, changed = false, false, false
    for _ = 1, 50 do
      mw.spawn(function()
        local stored
        repeat
          stored = tasks:update("a", function(task)
            task.created_at = task.created_at + 1
            return task
          end)
        until stop or not stored
      end)
    end
    mw.spawn(function()
      assert(mw.store.transaction(function(tx)
        local task = assert(tx:get(tasks, "a"))
        task.title = "changed"
        tx:put(tasks, task)
      end))
      changed = tasks:get("a").title == "changed"
      deleted = assert(tasks:delete("a"))
      stop = true
    end)
    test.eventually(function() return stop end)
    assert.is_true(changed)
    assert.is_true(deleted)
    assert.is_nil(tasks:get "a")
  end)
end)

describe("each", function()
  it("goes over keys in order, within what it is asked for", function()
    local tasks = fresh()
    fill(tasks, "b2", "a1", "c1", "b1", "b3")
    assert.same({ "a1", "b1", "b2", "b3", "c1" }, keys(tasks))
    assert.same({ "b1", "b2", "b3" }, keys(tasks, { prefix = "b" }))
    assert.same({ "b2", "b3", "c1" }, keys(tasks, { after = "b1" }))
    assert.same({ "b2", "b3" }, keys(tasks, { after = "b1", prefix = "b" }))
    assert.same({ "c1", "b3", "b2", "b1", "a1" }, keys(tasks, { reverse = true }))
    assert.same({ "b1", "a1" }, keys(tasks, { reverse = true, after = "b2" }))
    assert.same({ "b3", "b2" }, keys(tasks, { reverse = true, prefix = "b", limit = 2 }))
    assert.same({}, keys(tasks, { limit = 0 }))
    assert.same({}, keys(tasks, { prefix = ("p"):rep(500) }))
    assert.equal(5, tasks:count())
    assert.equal(3, tasks:count { prefix = "b" })
    assert.equal(0, tasks:count { prefix = "x" })
  end)

  it("checks its options", function()
    local tasks = fresh()
    raises("each: unknown option limt %(expected prefix, after, limit, reverse, snapshot%)", tasks.each, tasks,
      { limt = 1 })
    raises("each: limit: expected an integer from 0 on, got 1.5", tasks.each, tasks, { limit = 1.5 })
    raises("each: limit: expected an integer from 0 on, got %-1", tasks.each, tasks, { limit = -1 })
    raises("each: after: expected string, got number", tasks.each, tasks, { after = 1 })
    raises("prefix: expected string, got number", tasks.each, tasks, { prefix = 1 })
    raises("count: unknown option after", tasks.count, tasks, { after = "a" })
  end)

  it("sees one moment, whatever is written meanwhile", function()
    local tasks = fresh()
    fill(tasks, "a", "b", "c")
    local seen = {}
    for task in tasks:each() do
      seen[#seen + 1] = task.id
      tasks:delete "c"
      tasks:put { id = "bb" }
      mw.sleep(0)
    end
    assert.same({ "a", "b", "c" }, seen)
    assert.same({ "a", "b", "bb" }, keys(tasks))
  end)

  it("may be left early, thousands of times", function()
    local tasks = fresh()
    fill(tasks, "a", "b")
    for _ = 1, 10000 do
      for _ in tasks:each() do break end
    end
    for _ = 1, 10000 do tasks:each() end -- the collector releases their snapshots
    assert.equal(2, tasks:count())
  end)
end)

describe("integer keys", function()
  it("sort as numbers", function()
    local signed = fresh { key = "created_at" }
    for _, n in ipairs { 5, -1, 0, 300, math.mininteger, math.maxinteger, -300 } do
      assert(signed:insert { created_at = n, title = tostring(n) })
    end
    assert.same({ math.mininteger, -300, -1, 0, 5, 300, math.maxinteger }, keys(signed, nil, "created_at"))
    assert.same({ 5, 300 }, keys(signed, { after = 0, limit = 2 }, "created_at"))
    assert.equal("-1", signed:get(-1).title)
    assert.equal("0", signed:get(0).title)
    assert.is_nil(signed:get(1))
    local _, status = signed:insert { created_at = -1 }
    assert.matches("%-1 exists already", status.message)
  end)

  it("sort as numbers when they are unsigned", function()
    local narrow = fresh { message = "fileupload.FileChunk", key = "chunk_index" }
    for _, n in ipairs { 4294967295, 0, 7 } do assert(narrow:put { chunk_index = n }) end
    assert.same({ 0, 7, 4294967295 }, keys(narrow, nil, "chunk_index"))
    local wide = fresh { message = "fileupload.UploadResponse", key = "total_bytes" }
    for _, n in ipairs { -1, 0, math.maxinteger } do assert(wide:put { total_bytes = n }) end
    assert.same({ 0, math.maxinteger, -1 }, keys(wide, nil, "total_bytes"))
    assert.equal(-1, wide:get(-1).total_bytes)
  end)

  it("have no prefix", function()
    local numbered, options = fresh { key = "created_at" }
    raises("prefix: the key of " .. options.name .. " is a number", numbered.each, numbered, { prefix = "1" })
    raises("each: after: expected integer, got string", numbered.each, numbered, { after = "1" })
    raises("number expected", numbered.get, numbered, "x")
    assert.equal(0, numbered:count())
  end)
end)

describe("next_id", function()
  it("counts, for each collection by itself", function()
    local one, two = fresh(), fresh()
    assert.equal("task-0001", one:next_id "task-%04d")
    assert.equal("task-0002", one:next_id "task-%04d")
    assert.equal("3", one:next_id "%d")
    assert.equal(4, one:next_id())
    assert.equal("1.x", two:next_id "%d.x")
    assert.same({ "2", "00003" }, { two:next_id "%01d", two:next_id "%05d" })
    assert.same({ "000000000004", ("0"):rep(98) .. "5" }, { two:next_id "%012d", two:next_id "%099d" })
  end)

  it("never repeats among many at once", function()
    local tasks = fresh()
    local seen, ended = {}, 0
    for _ = 1, 50 do
      mw.spawn(function()
        for _ = 1, 40 do
          local id = tasks:next_id()
          assert(not seen[id])
          seen[id] = true
        end
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 50 end)
    assert.equal(2000, #seen)
  end)

  it("wants a format with one number", function()
    local tasks = fresh()
    for _, format in ipairs { "task", "%s", "%d%d", "%4d", "%12d", "%", "%%d", "%0100d", "%04294967297d", "" } do
      raises('next_id: expected a format with one %%d or %%0Nd %(N up to 99%), such as "task%-%%04d"', tasks.next_id,
        tasks, format)
    end
  end)
end)

describe("mw.store.transaction", function()
  it("writes all, and returns what the function returns", function()
    local users, by_name = fresh(), fresh { key = "title" }
    local a, b, c = mw.store.transaction(function(tx)
      local user = tx:insert(users, { id = "1", title = "alice" })
      assert.equal("tasks.Task", mw.type(user))
      tx:put(by_name, user)
      assert.equal("alice", tx:get(users, "1").title)
      assert.is_nil(users:get "1")
      return 1, nil, "c"
    end)
    assert.same({ 1, nil, "c" }, { a, b, c })
    assert.equal("1", by_name:get("alice").id)
    assert.is_true(mw.store.transaction(function(tx) tx:delete(users, "1") end))
    assert.is_nil(users:get "1")
  end)

  it("writes nothing when the function says no, or fails", function()
    local tasks = fresh()
    local got, status = mw.store.transaction(function(tx)
      tx:put(tasks, { id = "a" })
      return nil, mw.status.already_exists "taken"
    end)
    assert.is_nil(got)
    assert.equal("ALREADY_EXISTS", status.code)
    assert.is_false(mw.store.transaction(function(tx)
      tx:put(tasks, { id = "a" })
      return false
    end))
    raises("boom", mw.store.transaction, function(tx)
      tx:put(tasks, { id = "a" })
      error "boom"
    end)
    raises("ALREADY_EXISTS: " .. ".*: b exists already", mw.store.transaction, function(tx)
      tx:insert(tasks, { id = "b" })
      tx:insert(tasks, { id = "b" })
    end)
    assert.equal(0, tasks:count())
  end)

  it("reads its own writes and deletes", function()
    local tasks = fresh()
    fill(tasks, "a")
    mw.store.transaction(function(tx)
      assert.is_true(tx:delete(tasks, "a"))
      assert.is_false(tx:delete(tasks, "a"))
      assert.is_nil(tx:get(tasks, "a"))
      tx:insert(tasks, { id = "a", title = "again" })
      assert.equal("again", tx:get(tasks, "a").title)
      tx:put(tasks, { id = "a", title = "last" })
    end)
    assert.equal("last", tasks:get("a").title)
  end)

  it("lets only one have a name, of many who want it at once", function()
    local by_id, by_name = fresh(), fresh { key = "title" }
    local refused, ended = 0, 0
    for i = 1, 20 do
      mw.spawn(function()
        local user = mw.store.transaction(function(tx)
          if tx:get(by_name, "alice") then return nil, mw.status.already_exists "taken" end
          tx:put(by_name, { id = tostring(i), title = "alice" })
          return tx:put(by_id, { id = tostring(i), title = "alice" })
        end)
        if not user then refused = refused + 1 end
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 20 end)
    assert.equal(19, refused)
    assert.equal(1, by_id:count())
  end)

  it("moves between keys without loss", function()
    local accounts = fresh()
    for i = 1, 4 do accounts:put { id = tostring(i), created_at = 100 } end
    local ended = 0
    for i = 1, 30 do
      mw.spawn(function()
        local from, to = tostring(i % 4 + 1), tostring((i + 1 + i // 4) % 4 + 1)
        mw.store.transaction(function(tx)
          local a = tx:get(accounts, from)
          a.created_at = a.created_at - 1
          tx:put(accounts, a)
          local b = tx:get(accounts, to)
          b.created_at = b.created_at + 1
          tx:put(accounts, b)
        end)
        ended = ended + 1
      end)
    end
    test.eventually(function() return ended == 30 end)
    local sum = 0
    for account in accounts:each() do sum = sum + account.created_at end
    assert.equal(400, sum)
  end)

  it("ends with its function", function()
    local tasks = fresh()
    local kept
    mw.store.transaction(function(tx) kept = tx end)
    raises("the transaction is over: use tx only within its function", kept.get, kept, tasks, "a")
    raises("function expected", mw.store.transaction, 1)
  end)
end)

describe("watch", function()
  -- Follows changes in a fiber of its own until it reads `stop`.
  local function follow(collection, options, stop)
    local seen = { done = false }
    mw.spawn(function()
      for event in collection:watch(options) do
        seen[#seen + 1] = (event.type == "put" and "+" or "-") .. event.key
        assert.equal(event.type == "put", event.message ~= nil)
        if event.key == stop then break end
      end
      seen.done = true
    end)
    return seen
  end

  local function wait(seen)
    test.eventually(function() return seen.done end)
    return table.concat(seen, " ")
  end

  it("tells of each change, in order", function()
    local tasks = fresh()
    fill(tasks, "old")
    local seen, some = follow(tasks, nil, "z"), follow(tasks, { prefix = "b" }, "bz")
    fill(tasks, "a", "b1", "a")
    tasks:delete "old"
    tasks:delete "never"
    mw.store.transaction(function(tx)
      tx:put(tasks, { id = "b2" })
      tx:delete(tasks, "b1")
    end)
    fill(tasks, "bz", "z")
    assert.equal("+a +b1 +a -old +b2 -b1 +bz +z", wait(seen))
    assert.equal("+b1 +b2 -b1 +bz", wait(some))
  end)

  it("tells first of what exists, each once", function()
    local tasks = fresh()
    for i = 1, 50 do fill(tasks, ("a%03d"):format(i)) end
    local seen = {}
    mw.spawn(function()
      for i = 51, 150 do fill(tasks, ("a%03d"):format(i)) end
    end)
    for event in tasks:watch { existing = true } do
      assert(not seen[event.key])
      seen[event.key] = true
      seen[#seen + 1] = event.key
      assert.equal(event.key, event.message.id)
      if #seen % 7 == 0 then mw.sleep(0) end
      if #seen == 150 then break end
    end
    assert.same(keys(tasks), { table.unpack(seen) })
  end)

  it("gives integer keys as integers", function()
    local numbered = fresh { key = "created_at" }
    numbered:put { created_at = -5 }
    for event in numbered:watch { existing = true } do
      assert.equal(-5, event.key)
      break
    end
  end)

  it("tells of what expires", function()
    local tasks = fresh()
    local seen = follow(tasks, { prefix = "" }, "z")
    tasks:put({ id = "a" }, { ttl = 0.001 })
    test.eventually(function() return #seen == 2 end)
    fill(tasks, "z")
    assert.equal("+a -a +z", wait(seen))
  end)

  it("wakes who waits for a change when another closes it", function()
    local tasks = fresh()
    local next_event, state, _, watch = tasks:watch()
    local ok, message
    mw.spawn(function() ok, message = pcall(next_event, state) end)
    do local _ <close> = watch end
    test.eventually(function() return ok == false end)
    assert.matches("watch: it is closed", message, 1, true)
  end)

  it("checks its options", function()
    local tasks = fresh()
    raises("watch: unknown option exist %(expected prefix, existing%)", tasks.watch, tasks, { exist = true })
    raises("watch: prefix: longer than any key", tasks.watch, tasks, { prefix = ("p"):rep(500) })
  end)
end)

describe("a store that is full", function()
  it("does not show callers where it is", function()
    local folder <close> = project.new {
      ["moonwire.lua"] = "return { store = { map_bytes = 1048576 } }",
      ["proto/greeter.proto"] = [[
        syntax = "proto3";
        package helloworld;
        message HelloRequest { string name = 1; }
        message HelloReply { string message = 1; }
        service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
      ]],
      ["lua/greeter.lua"] = [[
        local mw = require "moonwire"
        local replies = mw.store.collection { name = "replies", message = "helloworld.HelloReply", key = "message" }
        local requests = mw.store.collection { name = "requests", message = "helloworld.HelloRequest", key = "name" }
        local Greeter = mw.service "helloworld.Greeter"
        function Greeter.SayHello(req)
          for i = 1, 10000 do
            local stored, status = requests:put { name = ("x"):rep(400) .. i }
            if not stored then return nil, status end
          end
        end
      ]],
    }
    for _, data in ipairs { folder.dir .. "/data", ":memory:" } do
      local server = servers.start { dir = folder.dir, data = data }
      local reply, status = server:connect "helloworld.Greeter":SayHello {}
      servers.assert_status("RESOURCE_EXHAUSTED", "the store is full (1 MiB)", reply, status)
      assert.matches("^requests: [%w/]*store.mdb: the store is full", status.message)
      assert.is_nil(status.message:find("/tmp", 1, true) or status.message:find("/dev", 1, true))
      local log = server:stop()
      assert.matches('store: %d+ transactions? failed: /[^"]*/store.mdb: the store is full', log)
      assert.is_nil(log:find("the store failed", 1, true)) -- would be a second line about the same failure
    end
  end)
end)

describe("changes of the same keys by all workers", function()
  it("are each made once, on one state, and show nothing that is not stored", function()
    local folder <close> = project.new {
      ["proto/counts.proto"] = [[
        syntax = "proto3";
        package helloworld;
        message HelloRequest { string name = 1; }
        message HelloReply { string message = 1; }
        message Count { string id = 1; int64 value = 2; }
        service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
      ]],
      ["lua/counts.lua"] = [[
        local mw = require "moonwire"
        local counts = mw.store.collection { name = "counts", message = "helloworld.Count" }
        local Greeter = mw.service "helloworld.Greeter"
        local changes = {}
        local function more(count, id) return { id = id, value = (count and count.value or 0) + 1 } end
        function changes.both(tx)
          local a, b = tx:get(counts, "a"), tx:get(counts, "b")
          assert((a and a.value) == (b and b.value), "not one state")
          tx:put(counts, more(a, "a"))
          return tx:put(counts, more(b, "b"))
        end
        function changes.first(tx)
          return tx:insert(counts, { id = "first" })
        end
        function changes.refuse(tx)
          local a = tx:get(counts, "a")
          if a then return nil, mw.status.failed_precondition("%d", a.value) end
          return {}
        end
        local function change(name)
          if name == "one" then
            return counts:update("one", function(count) return more(count, "one") end)
          elseif name == "put" then
            return counts:put { id = "one" }
          end
          return mw.store.transaction(changes[name])
        end
        function Greeter.SayHello(req)
          local count, status = change(req.name)
          if not count then return nil, status end
          return { message = tostring(count.value) }
        end
      ]],
    }
    local server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "3" } }
    local ends = {}
    for i = 1, 12 do ends[i] = server:connect "helloworld.Greeter" end
    assert(ends[1]:SayHello { name = "put" })
    local made, functions = 0, {}
    for i = 1, 480 do
      functions[i] = function()
        local stub, kind = ends[i % 12 + 1], i % 4
        if kind == 0 then
          assert(stub:SayHello { name = "both" })
        elseif kind == 1 then
          assert(stub:SayHello { name = "one" })
        elseif kind == 2 then
          local first, status = stub:SayHello { name = "first" }
          made = made + (first and 1 or 0)
          assert(first or status.code == "ALREADY_EXISTS", tostring(status))
        else
          local _, status = stub:SayHello { name = "refuse" }
          assert(not status or status.code == "FAILED_PRECONDITION", tostring(status))
        end
      end
    end
    servers.all(functions)
    assert.equal(1, made)
    assert.equal("121", assert(ends[1]:SayHello { name = "both" }).message)
    assert.equal("121", assert(ends[1]:SayHello { name = "one" }).message)
    assert.is_nil(server:stop():find("not one state", 1, true))
  end)
end)

describe("a snapshot that a call holds for long", function()
  it("is listed, closed and logged, and its call ends with ABORTED unless it goes on from another", function()
    local folder <close> = project.new {
      ["proto/greeter.proto"] = [[
        syntax = "proto3";
        package helloworld;
        message HelloRequest { string name = 1; }
        message HelloReply { string message = 1; }
        service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
      ]],
      ["lua/greeter.lua"] = [[
        local mw = require "moonwire"
        local replies = mw.store.collection { name = "replies", message = "helloworld.HelloReply", key = "message" }
        local Greeter = mw.service "helloworld.Greeter"
        local function closed() return mw.metrics.total "moonwire_store_snapshots_ended_total" or 0 end
        function Greeter.SayHello(req)
          for _, key in ipairs { "a", "b", "c" } do assert(replies:put { message = key }) end
          local seen, before = "", closed()
          for reply in replies:each { snapshot = req.name ~= "any" } do
            seen = seen .. reply.message
            if reply.message == "b" then
              assert(replies:put { message = "bb" })
              repeat mw.sleep(0.01) until closed() > before
            end
          end
          return { message = seen }
        end
      ]],
    }
    local server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "1" } }
    local greeter = server:connect "helloworld.Greeter"
    local reply, status
    mw.spawn(function() reply, status = greeter:SayHello {} end)
    local call
    test.eventually(function()
      local _, shown = folder:run "status"
      call = shown:match "\nSNAPSHOT OF  AGE +WORKER  CALL\nreplies +[%d.]+s +0 +(%d+)$"
      return call
    end)
    folder:write("moonwire.lua", "return { store = { snapshot_seconds = 0.01 } }")
    assert(folder:run "reload" == 0)
    test.eventually(function() return status end)
    servers.assert_status("ABORTED", "replies: the snapshot was closed: it was open for longer than " ..
      "store.snapshot_seconds: begin again", reply, status)
    reply = assert(greeter:SayHello { name = "any" })
    assert.equal("abbbc", reply.message)
    local log = server:stop()
    assert.matches("a snapshot of the store was closed: it was open for longer than store.snapshot_seconds\" " ..
      "of=replies reason=age age=[%d.]+ count=1 call=" .. call, log)
  end)
end)
