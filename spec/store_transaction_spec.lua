-- mw.store.transaction.
local collections = require "support.collection"
local mw = require "moonwire"
local test = require "moonwire.test"

local fill, raises = collections.fill, collections.raises
local function fresh(options) return collections.fresh("transaction", options) end

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

  it("fails after a thousand attempts that others overtake", function()
    local tasks = fresh()
    local attempts = 0
    local got, status = mw.store.transaction(function(tx)
      attempts = attempts + 1
      tx:get(tasks, "a")
      tasks:put { id = "a", title = tostring(attempts) } -- not through tx: another writer
      tx:put(tasks, { id = "b" })
    end)
    assert.is_nil(got)
    assert.equal("ABORTED: the transaction lost to others in 1000 attempts", tostring(status))
    assert.equal(1000, attempts)
    assert.is_nil(tasks:get "b")
  end)

  it("ends an attempt whose reads have changed by an error", function()
    local tasks = fresh()
    local errors = {}
    mw.store.transaction(function(tx)
      tx:get(tasks, "a")
      if #errors == 0 then tasks:put { id = "a" } end
      local good, err = pcall(tx.get, tx, tasks, "b")
      if not good then errors[#errors + 1] = err end
      tx:put(tasks, { id = "c" })
    end)
    assert.matches("the transaction begins again: its reads have changed", errors[1], 1, true)
    assert.is_truthy(tasks:get "c")
  end)
end)
