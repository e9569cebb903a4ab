local mw = require "moonwire"

-- Returns a coroutine that waits, and a variable whose close waits for the fiber that resumes it.
local function waiting(make)
  local done = false
  local co = make(function() mw.sleep(0.005) end)
  mw.spawn(function()
    if type(co) == "thread" then assert(coroutine.resume(co)) else co() end
    done = true
  end)
  return co, setmetatable({}, { __close = function() while not done do mw.sleep(0.001) end end })
end

describe("a coroutine", function()
  it("that waits suspends what resumed it", function()
    local order = {}
    local co = coroutine.wrap(function()
      order[#order + 1] = "before"
      mw.sleep(0.001)
      order[#order + 1] = "after"
      coroutine.yield "yielded"
    end)
    local last = co()
    order[#order + 1] = last
    assert.same({ "before", "after", "yielded" }, order)
  end)

  it("that waits cannot be resumed or closed by others", function()
    local co <const>, fiber <close> = waiting(coroutine.create)
    assert.equal("suspended", coroutine.status(co))
    assert.same({ false, "cannot resume a coroutine that waits" }, { coroutine.resume(co) })
    local ok, err = pcall(coroutine.close, co)
    assert.is_false(ok)
    assert.matches("cannot close a coroutine that waits", err)
  end)

  it("that waits cannot be called by others", function()
    local co <const>, fiber <close> = waiting(coroutine.wrap)
    local ok, err = pcall(co)
    assert.is_false(ok)
    assert.matches("cannot resume a coroutine that waits", err)
  end)

  it("of a handler or job belongs to the server", function()
    local job, done
    mw.spawn(function()
      job = coroutine.running()
      mw.sleep(0.005)
      done = true
    end)
    assert.is_false((coroutine.resume(job)))
    assert.is_false((pcall(coroutine.close, job)))
    while not done do mw.sleep(0.001) end
    assert.is_false((coroutine.resume(job)))
  end)

  it("around one that waits cannot be closed either", function()
    local inner, done
    local outer = coroutine.create(function()
      inner = coroutine.create(function() mw.sleep(0.005) end)
      assert(coroutine.resume(inner))
    end)
    mw.spawn(function()
      assert(coroutine.resume(outer))
      done = true
    end)
    assert.is_false((pcall(coroutine.close, outer)))
    assert.is_false((pcall(coroutine.close, inner)))
    while not done do mw.sleep(0.001) end
    assert.equal("dead", coroutine.status(outer))
    assert.is_true(coroutine.close(outer))
  end)

  it("is closed as in Lua otherwise", function()
    local closed
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, { __close = function() closed = true end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
    assert.equal("dead", coroutine.status(co))
  end)

  it("of coroutine.wrap is closed when it fails, and its <close> handlers may replace the error", function()
    local seen = {}
    local function closing(f) return setmetatable({}, { __close = f }) end
    local co = coroutine.wrap(function()
      local outer <close> = closing(function(_, err) seen[#seen + 1] = err error "third" end)
      local inner <close> = closing(function(_, err) seen[#seen + 1] = err error("second", 0) end)
      mw.sleep(0)
      error("first", 0)
    end)
    local ok, err = pcall(co)
    assert.is_false(ok)
    assert.same({ "first", "second" }, seen)
    assert.matches("coroutine_spec.lua:%d+: third$", err)
    assert.error_matches(co, "cannot resume dead coroutine", 1, true)
  end)

  it("of coroutine.wrap that fails is closed with its error, a table or nothing", function()
    for _, value in ipairs { {}, false } do
      local seen = {}
      local ok, err = pcall(coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = function(_, given) seen[1] = given end })
        error(value)
      end))
      assert.is_false(ok)
      assert.equal(value, err)
      assert.equal(value, seen[1])
    end
  end)
end)
