-- The in-process channel: all call types behave as for a client over the network.
local mw = require "moonwire"
local test = require "moonwire.test"

describe("test.service", function()
  local inproc = test.service "inproc.Inproc"

  it("calls a unary handler", function()
    local reply, status, info = inproc:Unary { what = "echo", text = "hello", payload = "\0\255" }
    assert.is_nil(status)
    assert.are.equal("hello", reply.text)
    assert.are.equal("\0\255", reply.payload)
    assert.are.equal("inproc.Message", mw.type(reply))
    assert.are.same({ headers = {}, trailers = {} }, info)
  end)

  it("reads a streamed reply to its end", function()
    local stream <close> = inproc:Expand { what = "count", count = 100 }
    local n = 0
    for message in stream:messages() do
      n = n + 1
      assert.are.equal(n, message.count)
    end
    assert.are.equal(100, n)
    assert.are.equal("OK", stream:status().code)
  end)

  it("streams a request", function()
    local stream <close> = inproc:Collect()
    for i = 1, 100 do assert.is_true(stream:send { count = i }) end
    assert.are.equal(5050, stream:finish().count)
  end)

  it("tells who still sends that the handler has ended the call", function()
    local stream <close> = inproc:Collect()
    assert.is_true(stream:send { count = 1 })
    assert.is_true(stream:send { what = "stop" })
    local sent, status
    repeat sent, status = stream:send { count = 1 } until not sent
    assert.are.equal("OK", status.code)
    assert.are.equal("stopped", stream:finish().text)
  end)

  it("streams both ways", function()
    local stream <close> = inproc:Chat()
    for i = 1, 10 do
      stream:send { count = i }
      assert.are.equal(i, stream:receive().count)
    end
    stream:close_send()
    assert.is_nil((stream:receive()))
    assert.are.equal("OK", stream:status().code)
  end)

  it("takes no message for the options of receive", function()
    local stream <close> = inproc:Structs()
    for _, struct in ipairs { { packed = true }, { packed = true, a = 1 }, { b = "x" } } do
      stream:send(struct)
      assert.are.same(struct, stream:receive())
    end
    stream:close_send()
    assert.is_nil((stream:receive()))
    assert.are.equal("OK", stream:status().code)
  end)

  it("carries metadata both ways", function()
    local reply, _, info = inproc:Unary({ what = "metadata" }, { metadata = { ["x-key"] = "value" } })
    assert.are.equal("value", reply.text)
    assert.are.equal("inproc", reply.what)
    assert.are.same({ headers = { ["x-header"] = "h" }, trailers = { ["x-trailer-bin"] = "\0\1" } }, info)
  end)

  it("shows headers that are sent before any message", function()
    local stream <close> = inproc:Chat()
    assert.are.same({}, stream:headers())
  end)

  it("returns the handler's status", function()
    local reply, status = inproc:Unary { what = "fail", text = "NOT_FOUND" }
    assert.is_nil(reply)
    assert.are.equal("NOT_FOUND: as you wish", tostring(status))
  end)

  it("gives what was sent before an error ahead of it", function()
    local stream <close> = inproc:Expand { what = "fail", count = 3 }
    for i = 1, 3 do assert.are.equal(i, stream:receive().count) end
    local message, status = stream:receive()
    assert.is_nil(message)
    assert.are.equal("DATA_LOSS: after all", tostring(status))
  end)

  it("runs interceptors", function()
    local _, status = inproc:Unary({ what = "echo" }, { metadata = { ["x-refuse"] = "1" } })
    assert.are.equal("PERMISSION_DENIED: refused", tostring(status))
  end)

  it("hides a handler's mistake, which is in the log", function()
    local _, status = inproc:Unary { what = "raise" }
    assert.are.equal("INTERNAL", status.code)
    local log = table.concat(test.logs(), "\n")
    assert.matches("lua/inproc.lua:%d+: a mistake", log)
  end)

  it("refuses methods without a handler", function()
    local _, status = inproc:Absent {}
    assert.are.equal("UNIMPLEMENTED: method /inproc.Inproc/Absent has no handler", tostring(status))
  end)

  it("keeps to the budget of a slice", function()
    local _, status = inproc:Unary { what = "spin" }
    assert.are.equal("RESOURCE_EXHAUSTED", status.code)
    assert.matches("ran for more than 100 ms without waiting", status.message)
  end)

  it("keeps to the limit of a message, in both directions", function()
    local _, status = inproc:Unary { what = "echo", payload = ("x"):rep(5 << 20) }
    assert.are.equal("RESOURCE_EXHAUSTED: message longer than the limit of 4194304 bytes", tostring(status))
  end)

  it("serves the built-in services too", function()
    local health = test.service "grpc.health.v1.Health"
    assert.are.equal("SERVING", health:Check({ service = "inproc.Inproc" }).status)
  end)

  it("names a service that is not there", function()
    assert.error_matches(function() test.service "inproc.Inprok" end,
      "client:service: no service inproc.Inprok in the schema (did you mean inproc.Inproc?)", 1, true)
  end)

  it("has calls take turns in the same order each time", function()
    local orders = {}
    for _ = 1, 3 do
      local order, left = {}, 3
      for i = 1, 3 do
        mw.spawn(function()
          for message in inproc:Expand({ what = "count", count = 3 }):messages() do
            order[#order + 1] = i .. "." .. message.count
          end
          left = left - 1
        end)
      end
      test.eventually(function() return left == 0 end)
      orders[#orders + 1] = table.concat(order, " ")
    end
    assert.are.equal("1.1 2.1 3.1 1.2 2.2 3.2 1.3 2.3 3.3", orders[1])
    assert.are.equal(orders[1], orders[2])
    assert.are.equal(orders[1], orders[3])
  end)
end)

describe("test.client", function()
  it("has client:call and client:stream", function()
    local client = test.client()
    assert.are.equal("x", client:call("inproc.Inproc/Unary", { what = "echo", text = "x" }).text)
    local stream <close> = client:stream("inproc.Inproc/Expand", { what = "count", count = 1 })
    assert.are.equal(1, stream:receive().count)
  end)
end)

describe("test.require", function()
  it("is the module that the handlers have", function()
    local counters = test.require "counters"
    local stream <close> = test.service("inproc.Inproc"):Expand { what = "count", count = 2 }
    while stream:receive() do end
    assert.are.equal(2, counters.sent)
  end)

  it("names a module that is not there", function()
    assert.error_matches(function() test.require "count" end, "test.require: no module 'count' in the lua folder", 1,
      true)
  end)
end)

describe("test.logs", function()
  it("has what was logged since the test began", function()
    test.service("inproc.Inproc"):Unary { what = "log", text = "look here" }
    local lines = test.logs()
    assert.matches('warn .* method=/inproc.Inproc/Unary .*msg="look here" answer=42$', lines[#lines])
  end)

  it("begins anew with each test", function()
    assert.is_nil(table.concat(test.logs(), "\n"):find("look here", 1, true))
  end)
end)

describe("what belongs to the loading of scripts", function()
  it("is refused in a handler", function()
    local reply = test.service("inproc.Inproc"):Unary { what = "late_handler" }
    assert.matches("inproc.Inproc.Absent: handlers are set while the script loads, not later", reply.text, 1, true)
  end)
end)
