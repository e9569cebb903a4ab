-- Cancellation, deadlines, backpressure and disconnecting clients, each at a chosen point.
local mw = require "moonwire"
local test = require "moonwire.test"

describe("a call in process", function()
  local inproc = test.service "inproc.Inproc"
  local counters
  before_each(function() counters = test.require "counters" end)

  it("is cancelled where its handler waits", function()
    local stream <close> = inproc:Expand { what = "ticks", count = 3, seconds = 600 }
    assert.are.equal(1, stream:receive().count)
    test.settle()
    local calls = test.calls()
    assert.are.equal(1, #calls)
    assert.matches("^lua/inproc.lua:%d+$", calls[1].at)
    calls[1].at = nil
    assert.are.same({
      method = "inproc.Inproc/Expand", received = 1, sent = 1, unsent = 0, cancelled = false,
    }, calls[1])
    stream:cancel()
    test.settle()
    assert.are.same({}, test.calls())
    assert.are.equal(1, counters.closed)
    assert.are.equal("CANCELLED: the client has cancelled the call or gone away", counters.last_end)
    assert.are.equal("CANCELLED", stream:status().code)
  end)

  it("is cancelled by the end of its <close> variable", function()
    do
      local stream <close> = inproc:Expand { what = "ticks", count = 3, seconds = 600 }
      stream:receive()
    end
    test.settle()
    assert.are.equal(1, counters.closed)
  end)

  it("tells call:receive of a cancellation", function()
    local stream <close> = inproc:Chat()
    stream:headers()
    stream:cancel()
    test.settle()
    assert.are.equal("CANCELLED: the client has cancelled the call or gone away", counters.last_end)
  end)

  it("ends at its deadline, the handler first", function()
    local clock <close> = test.clock()
    local reply, status = clock:run(function()
      return inproc:Unary({ what = "sleep", seconds = 600 }, { deadline = 5 })
    end)
    assert.is_nil(reply)
    assert.are.equal("DEADLINE_EXCEEDED: Deadline Exceeded", tostring(status))
    assert.are.equal("DEADLINE_EXCEEDED: the deadline has passed", counters.last_end)
    assert.are.same({}, test.calls())
  end)

  it("sees how much time is left", function()
    local clock <close> = test.clock()
    local reply = clock:run(function() return inproc:Unary({ what = "remaining" }, { deadline = 5 }) end)
    assert.are.equal(5, reply.seconds)
  end)

  it("does not reach its handler when the deadline has passed already", function()
    local _, status = inproc:Unary({ what = "log", text = "it came" }, { deadline = 0 })
    assert.are.equal("DEADLINE_EXCEEDED", status.code)
    assert.are.same({}, test.calls())
    assert.is_nil(table.concat(test.logs(), "\n"):find("it came", 1, true))
  end)

  it("has its handler wait after 32 messages that the client does not take", function()
    local stream <close> = inproc:Expand { what = "count", count = 100 }
    test.settle()
    assert.are.equal(31, counters.sent) -- the 32nd call:send waits
    assert.are.equal(32, test.calls()[1].unsent)
    for _ = 1, 15 do stream:receive() end
    test.settle()
    assert.are.equal(31, counters.sent)
    stream:receive() -- half of the messages are delivered
    test.settle()
    assert.are.equal(47, counters.sent)
    local left = 0
    for _ in stream:messages() do left = left + 1 end
    assert.are.equal(84, left)
    assert.are.equal(100, counters.sent)
  end)

  it("ends a call:send that waits when the client cancels", function()
    local stream <close> = inproc:Expand { what = "count", count = 100 }
    test.settle()
    stream:cancel()
    test.settle()
    assert.are.equal(31, counters.sent)
    assert.are.equal(1, counters.closed)
  end)

  it("has the client wait after 32 messages that the handler does not take", function()
    local clock <close> = test.clock()
    local stream <close> = inproc:Chat()
    stream:send { what = "hold", seconds = 60 }
    test.settle()
    local sent = 0
    mw.spawn(function()
      while sent < 100 and stream:send { count = sent + 1 } do sent = sent + 1 end
    end)
    test.settle()
    assert.are.equal(31, sent)
    clock:advance(59)
    assert.are.equal(31, sent)
    clock:advance(1)
    assert.is_true(sent > 31)
  end)

  it("loses its connection", function()
    local stream <close> = inproc:Expand { what = "ticks", count = 3, seconds = 600 }
    stream:receive()
    test.disconnect()
    local message, status = stream:receive()
    assert.is_nil(message)
    assert.are.equal("UNAVAILABLE: the connection was lost", tostring(status))
    assert.are.equal("CANCELLED: the client has cancelled the call or gone away", counters.last_end)
  end)
end)
