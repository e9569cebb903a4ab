-- Trace context: as a handler reads it from its caller, in log lines, and in outbound calls.
local echo = require "support.echo"

local ID <const> = ("0af7651916cd43dd"):rep(2)
local PARENT <const> = "00-" .. ID .. "-b7ad6b7169203331-01"

describe("the trace context", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  -- Returns the context that the second of two servers receives, given the metadata of the call to the first one.
  local function forwarded(metadata, own)
    local fields = { text = server.address, pairs = own }
    local seen = assert(server:unary("forward_trace", fields, { metadata = metadata })).pairs
    return { seen.traceparent, seen.tracestate, seen.baggage }
  end

  it("goes on unchanged", function()
    local metadata = { traceparent = PARENT, tracestate = "vendor=1,other=a b", baggage = "user=7;p=1,region=eu" }
    assert.are.same({ PARENT, "vendor=1,other=a b", "user=7;p=1,region=eu" }, forwarded(metadata))
    assert.are.same({ PARENT, "-", "-" }, forwarded { traceparent = PARENT })
    assert.are.same({ "-", "-", "user=7" }, forwarded { baggage = "user=7" })
  end)

  it("goes on with every value of a key that repeats", function()
    local metadata = { traceparent = PARENT, tracestate = { "a=1", "b=2" }, baggage = { "c=3", "d=4" } }
    assert.are.same({ PARENT, "a=1|b=2", "c=3|d=4" }, forwarded(metadata))
  end)

  it("goes on whatever its flags and version are", function()
    for _, parent in ipairs { PARENT:sub(1, -2) .. "0", PARENT:sub(1, -3) .. "ff", "cc" .. PARENT:sub(3) .. "-more",
      "00" } do
      assert.are.same({ parent, "-", "-" }, forwarded { traceparent = parent })
    end
  end)

  it("is not made up for other servers", function()
    assert.are.same({ "-", "-", "-" }, forwarded(nil))
    assert.are.same({ "-", "-", "-" }, forwarded(nil, { id = "ask for call.trace_id first" }))
  end)

  it("is the handler's own where it sets one", function()
    local metadata = { traceparent = PARENT, tracestate = "a=1", baggage = "b=2" }
    local own = "00-" .. ("1"):rep(32) .. "-" .. ("2"):rep(16) .. "-01"
    assert.are.same({ own, "-", "b=2" }, forwarded(metadata, { traceparent = own }))
    assert.are.same({ PARENT, "x=9", "b=2" }, forwarded(metadata, { tracestate = "x=9" }))
    assert.are.same({ PARENT, "a=1", "y=8" }, forwarded(metadata, { baggage = "y=8" }))
  end)

  it("stays here with the option trace_context = false, but for the handler's own", function()
    local metadata = { traceparent = PARENT, tracestate = "a=1", baggage = "b=2" }
    assert.are.same({ "-", "-", "-" }, forwarded(metadata, { trace_context = "false" }))
    assert.are.same({ "-", "-", "y=8" }, forwarded(metadata, { trace_context = "false", baggage = "y=8" }))
    assert.are.same({ PARENT, "a=1", "b=2" }, forwarded(metadata, { trace_context = "true" }))
  end)

  -- Returns the trace_id of the log line with the text; nil if the line has none.
  local function logged(text)
    server:wait_logged(text)
    for line in server.process.stderr:gmatch "[^\n]+" do
      if line:find(text, 1, true) then return line:match " trace_id=(%x+) " end
    end
  end

  it("is in the lines of the log", function()
    server:unary("log", { text = "line-of-a-trace" }, { metadata = { traceparent = PARENT } })
    assert.are.equal(ID, logged "line-of-a-trace")
  end)

  it("is in no line without one, or with a malformed one", function()
    server:unary("log", { text = "line-without" })
    assert.is_nil(logged "line-without")
    server:unary("log", { text = "line-malformed" }, { metadata = { traceparent = "00-" .. ID } })
    assert.is_nil(logged "line-malformed")
  end)

  it("has an id of its own for a script that asks and a caller without one", function()
    local seen = assert(server:unary("trace", { text = "line-of-an-own-id" })).pairs
    assert.matches("^%x+$", seen.trace_id)
    assert.are.equal(32, #seen.trace_id)
    assert.are.equal(seen.trace_id, logged "line-of-an-own-id")
  end)
end)
