-- The clock that a spec advances.
local mw = require "moonwire"
local test = require "moonwire.test"

describe("test.clock", function()
  local inproc = test.service "inproc.Inproc"

  it("stands still until it is moved", function()
    local clock <close> = test.clock()
    local now, mono = mw.time.now_ns(), mw.time.monotonic()
    test.pause(0.002)
    assert.are.equal(now, mw.time.now_ns())
    clock:advance(1.5)
    assert.are.equal(now + 1500000000, mw.time.now_ns())
    assert.is_true(math.abs(mw.time.monotonic() - mono - 1.5) < 1e-6)
  end)

  it("begins at the given time, which os.time and os.date show too", function()
    local clock <close> = test.clock "2026-01-02T03:04:05Z"
    clock:advance(5)
    local reply = inproc:Unary { what = "now" }
    assert.are.equal(1767323050, reply.count)
    assert.are.equal("2026-01-02T03:04:10", reply.text)
    assert.are.equal(1767323050, reply.seconds)
    assert.are.equal(1767323050, os.time())
    assert.are.equal(0, os.time { year = 1970, month = 1, day = 1, hour = tonumber(os.date("%H", 0)) })
    assert.are.equal(os.date("%c", os.time()), os.date())
  end)

  it("goes on with the machine's time when it is closed", function()
    local before = os.time()
    do
      local clock <close> = test.clock(0)
      clock:advance(1000)
      assert.are.equal(1000, os.time())
    end
    assert.is_true(os.time() >= before and os.time() < before + 60)
  end)

  it("fires what is due in order, and nothing else", function()
    local clock <close> = test.clock()
    local order = {}
    local start = mw.time.monotonic()
    local function after(seconds)
      mw.spawn(function()
        mw.sleep(seconds)
        order[#order + 1] = ("%g at %g"):format(seconds, math.floor(mw.time.monotonic() - start + 0.5))
      end)
    end
    for _, seconds in ipairs { 30, 10, 20, 10, 40 } do after(seconds) end
    clock:advance(30)
    assert.are.same({ "10 at 10", "10 at 10", "20 at 20", "30 at 30" }, order)
    clock:advance(10)
    assert.are.equal("40 at 40", order[5])
  end)

  it("runs the jobs of the folder", function()
    local clock <close> = test.clock()
    local counters = test.require "counters"
    clock:advance(59)
    local ticks = counters.ticks
    clock:advance(600)
    assert.are.equal(ticks + 10, counters.ticks)
  end)

  it("ends the wait for a topic", function()
    local clock <close> = test.clock()
    local reply = clock:run(function() return inproc:Unary { what = "listen", seconds = 60 } end)
    assert.are.equal("nothing", reply.text)
  end)

  it("makes what is stored expire", function()
    local clock <close> = test.clock()
    assert(inproc:Unary { what = "put", text = "a", seconds = 60 })
    clock:advance(59)
    assert.are.equal("kept", inproc:Unary({ what = "get", text = "a" }).text)
    clock:advance(1)
    assert.are.equal("nothing", inproc:Unary({ what = "get", text = "a" }).text)
  end)

  it("waits for files, which take the machine's time", function()
    local clock <close> = test.clock()
    local reply = clock:run(function() return inproc:Unary({ what = "file" }, { deadline = 1 }) end)
    assert.are.equal("written", reply.text)
  end)

  it("does not wait in real time", function()
    local clock <close> = test.clock()
    local started = test.now()
    local stream <close> = inproc:Expand { what = "ticks", count = 1000, seconds = 3600 }
    local n = clock:run(function()
      local n = 0
      for _ in stream:messages() do n = n + 1 end
      return n
    end, 1000 * 3600)
    assert.are.equal(1000, n)
    assert.is_true(test.now() - started < 3600) -- real time: less than one of the handler's ticks
  end)

  it("lets budgets go by the machine's time", function()
    local clock <close> = test.clock()
    local _, status = clock:run(function() return inproc:Unary { what = "spin" } end)
    assert.are.equal("RESOURCE_EXHAUSTED", status.code)
  end)

  it("leaves what is due later to the machine's clock when it is closed", function()
    local woken
    do
      local clock <close> = test.clock()
      mw.spawn(function() mw.sleep(10.01) woken = true end)
      clock:advance(10)
      assert.is_nil(woken)
    end
    test.eventually(function() return woken end)
  end)

  it("gives a wait of 0 seconds its turn", function()
    local clock <close> = test.clock()
    mw.sleep(0)
    local reply = clock:run(function() return inproc:Unary { what = "echo", text = "x" } end)
    assert.are.equal("x", reply.text)
  end)

  it("says when it does not get on", function()
    local clock <close> = test.clock()
    assert.error_matches(function()
      clock:run(function() return inproc:Unary { what = "busy_wait", seconds = 1 } end)
    end, "the clock does not advance: something waits for 0 seconds repeatedly", 1, true)
  end)

  it("is one at a time, and not used once it is closed", function()
    local clock = test.clock()
    assert.error_matches(test.clock, "test.clock: the clock is already stopped", 1, true)
    clock:close()
    clock:close()
    assert.error_matches(function() clock:advance(1) end,
      "this clock was closed, with <close> or by the end of its test", 1, true)
  end)

  it("takes seconds from 0 on", function()
    local clock <close> = test.clock()
    assert.error_matches(function() clock:advance(-1) end, "expected seconds from 0 to 1e9", 1, true)
    assert.error_matches(function() clock:advance() end, "number expected", 1, true)
  end)
end)

describe("clock:run", function()
  it("passes on what the function returns and raises", function()
    local clock <close> = test.clock()
    assert.are.same({ 1, nil, 3 }, { clock:run(function() return 1, nil, 3 end) })
    local ok, err = pcall(clock.run, clock, function()
      mw.sleep(1)
      error("so be it", 0)
    end)
    assert.is_false(ok)
    assert.are.equal("so be it", err)
  end)

  it("says when it has waited for long enough", function()
    local clock <close> = test.clock()
    local never = mw.topic("inproc.never"):subscribe()
    assert.error_matches(function() clock:run(function() never:receive() end) end,
      "clock:run: the function still waits after 3600 s", 1, true)
    assert.error_matches(function() clock:run(function() mw.sleep(11) end, 10) end,
      "clock:run: the function still waits after 10 s", 1, true)
  end)
end)

describe("clock:step", function()
  it("moves to the next timer, and says whether there was one", function()
    local clock <close> = test.clock(0)
    mw.spawn(function() mw.sleep(5) end)
    assert.is_true(clock:step(math.huge))
    assert.are.equal(5, mw.time.now())
    assert.is_false(clock:step(mw.time.monotonic() + 1))
    assert.is_false(clock:step(-math.huge))
    assert.are.equal(5, mw.time.now())
  end)
end)
