-- mw.store: collections, updates, iteration, keys and ids.
local collections = require "support.collection"
local mw = require "moonwire"
local servers = require "support.server"
local test = require "moonwire.test"

local fill, keys, raises = collections.fill, collections.keys, collections.raises
local function fresh(options) return collections.fresh("collection", options) end

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
    raises("each: unknown option limt %(expected where, prefix, after, limit, reverse, snapshot, packed%)",
      tasks.each, tasks, { limt = 1 })
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
