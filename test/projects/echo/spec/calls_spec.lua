-- The four call types, and the functions of a call that handlers use.
local echo = require "support.echo"
local test = require "moonwire.test"

describe("a call", function()
  local server
  setup(function() server = echo.start { args = { "--workers", "2" } } end)
  teardown(function() server:stop() end)

  -- Starts a stream with its first message.
  local function chat(what, text)
    local stream = server.echo:Chat()
    assert.is_true(stream:send { what = what, text = text })
    return stream
  end

  local function sum_of(counts)
    local stream <close> = server.echo:Collect()
    for _, count in ipairs(counts) do assert.is_true(stream:send { what = "sum", count = count }) end
    return stream:finish()
  end

  it("that is unary answers its request", function()
    local fields = { text = "ünïcödé", count = -1, data = "\0\xff", pairs = { a = "b" } }
    local reply = assert(server:unary("echo", fields))
    assert.are.equal("ünïcödé", reply.text)
    assert.are.equal(-1, reply.count)
    assert.are.equal("\0\xff", reply.data)
    assert.are.same({ a = "b" }, reply.pairs)
  end)

  it("that is unary takes an empty request", function()
    echo.assert_status("UNIMPLEMENTED", "no behaviour ", server.echo:Unary {})
  end)

  it("streams its reply, in order", function()
    local n = 0
    for message in server.echo:Expand({ what = "count", count = 1000 }):messages() do
      n = n + 1
      assert.are.equal(n, message.count)
    end
    assert.are.equal(1000, n)
  end)

  it("may stream a reply of no message", function()
    local stream <close> = server.echo:Expand { what = "count" }
    local message, status = stream:receive()
    assert.is_nil(message)
    assert.is_nil(status)
    assert.is_true((stream:finish()))
  end)

  it("takes a streamed request", function()
    assert.are.equal(6, assert(sum_of { 1, 2, 3 }).count)
    local many = {}
    for i = 1, 2000 do many[i] = i end
    assert.are.equal(2001000, assert(sum_of(many)).count)
  end)

  it("takes a streamed request of no message", function()
    assert.are.equal("nothing", assert(server.echo:Collect():finish()).text)
  end)

  it("may answer before the streamed request has ended", function()
    local stream <close> = server.echo:Collect()
    stream:send { what = "first_only", text = "enough" }
    assert.are.equal("enough", assert(stream:finish()).text)
  end)

  it("streams both ways at once", function()
    local stream <close> = chat("echo", "0")
    assert.are.equal("0", stream:receive().text)
    for i = 1, 100 do
      assert.is_true(stream:send { text = tostring(i) })
      assert.are.equal(tostring(i), stream:receive().text)
    end
    stream:close_send()
    assert.is_nil((stream:receive()))
    assert.are.equal(true, (stream:finish()))
  end)

  it("streams both ways without waiting for the other side", function()
    local stream <close> = chat("echo", "0")
    for i = 1, 200 do assert.is_true(stream:send { text = tostring(i) }) end
    stream:close_send()
    local n = 0
    for message in stream:messages() do
      assert.are.equal(tostring(n), message.text)
      n = n + 1
    end
    assert.are.equal(201, n)
  end)

  it("runs beside many others", function()
    local streams = {}
    for i = 1, 200 do streams[i] = chat("echo", tostring(i)) end
    for i = 200, 1, -1 do
      assert.are.equal(tostring(i), streams[i]:receive().text)
      assert.is_true((streams[i]:finish()))
    end
  end)

  it("is compressed as the client asks", function()
    local text = ("x"):rep(100000)
    for _, compression in ipairs { "gzip", "deflate" } do
      local reply, _, info = server:unary("echo", { text = text }, { compression = compression })
      assert.are.equal(text, assert(reply).text)
      assert.is_table(info)
    end
  end)

  describe("object's compression", function()
    local text = ("x"):rep(10000)

    it("tells how the request came", function()
      assert.are.equal("identity", assert(server:unary("encoding", { text = text })).text)
      for _, name in ipairs { "gzip", "deflate" } do
        assert.are.equal(name, assert(server:unary("encoding", { text = text }, { compression = name })).text)
      end
      local stream <close> = server.echo:Collect { compression = "gzip" }
      for _ = 1, 3 do stream:send { what = "encodings", text = text } end
      assert.are.equal("gzip gzip gzip", assert(stream:finish()).text)
    end)

    it("may be chosen for the reply, and left out for single messages", function()
      for _, name in ipairs { "gzip", "deflate", "identity" } do
        local reply = assert(server:unary("compression", { text = name, count = #text }))
        assert.are.equal(text, reply.text)
      end
      local n = 0
      for message in server.echo:Expand({ what = "compression", text = text, count = 100 }):messages() do
        n = n + 1
        assert.are.equal(n, message.count)
        assert.are.equal(text, message.text)
      end
      assert.are.equal(100, n)
    end)

    local function refuses(expected, reply, status)
      echo.assert_status("INTERNAL", "internal error", reply, status)
      server:wait_logged(expected)
    end

    it("is one that there is", function()
      local words = [[call:set_compression: expected \"gzip\", \"deflate\" or \"identity\", got ]]
      refuses(words .. "zip", server:unary("compression", { text = "zip" }))
      refuses(words .. "42", server:unary("compression", { text = "42" }))
    end)

    it("is not chosen after the headers, nor by other options", function()
      local function expand(what, option)
        return server.echo:Expand({ what = what, text = option }):finish()
      end
      refuses("call:set_compression: the headers have been sent already", expand("late_compression"))
      refuses("bad argument #2 to 'send' (table expected, got string)", expand("bad_option", "string"))
      refuses("call:send: unknown option compres (expected compress)", expand("bad_option", "name"))
      refuses("call:send: unknown option 1 (expected compress)", expand("bad_option", "number"))
      refuses("call:send: compress: expected a boolean, got string", expand("bad_option", "value"))
    end)
  end)

  it("of a method without a handler, or of a service without any, is UNIMPLEMENTED", function()
    echo.assert_status("UNIMPLEMENTED", "method /echo.Echo/Unhandled has no handler", server.echo:Unhandled {})
    server:wait_logged "call of a method without a handler"
    local absent = server.client:service "echo.Absent"
    echo.assert_status("UNIMPLEMENTED", "method /echo.Absent/Unary has no handler", absent:Unary {})
    assert.matches('UNIMPLEMENTED" service=echo.Echo methods=Unhandled\n', server.process.stderr, 1, true)
    assert.is_nil(server.process.stderr:find("service=echo.Absent", 1, true))
  end)

  describe("object", function()
    it("tells of the call", function()
      local seen = assert(server:unary("call", nil, { deadline = 100 })).pairs
      assert.are.equal("Unary", seen.method)
      assert.are.equal("echo.Echo", seen.service)
      assert.matches("^ipv4:127%.0%.0%.1:%d+$", seen.peer)
      assert.matches("^%x+$", seen.trace_id)
      assert.are.equal(32, #seen.trace_id)
      assert.are.equal("call /echo.Echo/Unary", seen.text)
      local remaining = tonumber(seen.remaining)
      assert.is_true(remaining > 50 and remaining < 103, seen.remaining) -- gRPC rounds up
      assert.is_true(math.abs(tonumber(seen.deadline) - os.time() - 100) < 50, seen.deadline)
    end)

    it("has no deadline when the client set none", function()
      local seen = assert(server:unary "call").pairs
      assert.are.equal("nil", seen.deadline)
      assert.are.equal("nil", seen.remaining)
    end)

    it("continues the caller's trace", function()
      local trace = "0af7651916cd43dd8448eb211c80319c"
      local metadata = { traceparent = "00-" .. trace .. "-b7ad6b7169203331-01" }
      assert.are.equal(trace, assert(server:unary("call", nil, { metadata = metadata })).pairs.trace_id)
    end)

    it("has vars, new for each call, and takes no other fields", function()
      for _ = 1, 2 do assert.are.equal(1, assert(server:unary "vars").count) end
      echo.assert_status("INTERNAL", "internal error", server:unary "set_field")
      server:wait_logged "call.x cannot be set: keep your own values in call.vars"
      echo.assert_status("INTERNAL", "internal error", server:unary "misspelt_field")
      server:wait_logged "call has no metdata (did you mean metadata?)"
    end)

    it("that is kept says that its call has ended", function()
      assert(server:unary "keep_call")
      local reply = assert(server:unary "use_kept_call")
      assert.are.equal("call /echo.Echo/Unary (ended)", reply.text)
      assert.matches("time_remaining: the call /echo.Echo/Unary has ended", reply.what, 1, true)
    end)
  end)

  describe("handler", function()
    it("may wait inside of coroutines of its own", function()
      assert.are.equal(5050, assert(server:unary("generator", { count = 100 })).count)
    end)

    it("cannot wait where Lua cannot suspend", function()
      echo.assert_status("INTERNAL", "internal error", server:unary "sort_wait")
      server:wait_logged "mw.sleep cannot wait here: inside a callback of table.sort"
    end)

    it("may leave work behind that outlives the call", function()
      assert(server:unary("spawn", { text = "left-behind" }))
      assert.are.equal("spawned", server:note "left-behind")
    end)

    it("lets others run while it waits", function()
      local slow <close> = server.echo:Chat()
      slow:send { what = "both_ways", text = "slow" }
      assert.is_truthy(slow:receive())
      assert.are.equal("x", assert(server:unary("echo", { text = "x" })).text)
    end)

    it("may read and write a stream in two fibers, both of which end with it", function()
      local stream <close> = chat("both_ways", "two-fibers")
      for i = 0, 10 do assert.are.equal(i, stream:receive().count) end
      stream:close_send()
      assert.are.equal("the writer has ended", server:note "two-fibers")
      test.eventually(function() return server:counts().calls == 0 end)
    end)
  end)
end)
