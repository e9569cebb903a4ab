-- Watching a collection.
local collections = require "support.collection"
local mw = require "moonwire"
local test = require "moonwire.test"

local fill, keys, raises = collections.fill, collections.keys, collections.raises
local function fresh(options) return collections.fresh("watch", options) end

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
    raises("watch: unknown option exist %(expected prefix, existing, packed%)", tasks.watch, tasks, { exist = true })
    raises("watch: prefix: longer than any key", tasks.watch, tasks, { prefix = ("p"):rep(500) })
  end)
end)
