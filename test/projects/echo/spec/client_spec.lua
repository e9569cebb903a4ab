-- mw.client: outbound calls of all four types, against this project's own server.
local mw = require "moonwire"
local test = require "moonwire.test"

local server, address
local client, echo

-- Returns the text of the error that `f(...)` raises.
local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return tostring(err)
end

-- Waits for a handler's note under `key`. Returns its text.
local function noted(key)
  return test.eventually(function()
    collectgarbage()
    local text = echo:Unary({ what = "note", text = key }).text
    return text ~= "" and text
  end)
end

describe("mw.client", function()
  setup(function()
    server, address = test.serve()
    client = mw.client(address)
    echo = client:service "echo.Echo"
  end)

  teardown(function()
    server:kill()
    server:wait()
  end)

  describe("a unary call", function()
    it("returns the reply", function()
      local reply, status = echo:Unary { what = "echo", text = "grüß", data = "\0\xff" }
      assert.is_nil(status)
      assert.equal("grüß", reply.text)
      assert.equal("\0\xff", reply.data)
      assert.equal("echo.Message", mw.type(reply))
    end)

    it("returns nil, the status and what came with it", function()
      local reply, status, info = echo:Unary { what = "status", text = "NOT_FOUND" }
      assert.is_nil(reply)
      assert.equal("NOT_FOUND", status.code)
      assert.equal("the message of NOT_FOUND", status.message)
      assert.is_table(info.trailers)
    end)

    it("unpacks the details of a status", function()
      local _, status = echo:Unary { what = "details" }
      local violation = mw.any.unpack(status.details[1]).field_violations[1]
      assert.equal("text", violation.field)
      assert.equal("must not be empty", violation.description)
    end)

    it("starts at once, whatever has woken the handler that makes it", function()
      local stream <close> = echo:Chat { deadline = 10 }
      assert.is_true(stream:send { what = "forward", text = address })
      assert.is_true(stream:send { what = "echo", text = "grüß" })
      local reply, status = stream:receive()
      assert.is_nil(status)
      assert.equal("grüß", reply.text)
    end)

    it("carries metadata both ways", function()
      local reply, _, info = echo:Unary({ what = "metadata" }, {
        metadata = { ["x-one"] = "1", ["x-many"] = { "a", "b" }, ["x-bytes-bin"] = "\0\xff\n" },
      })
      assert.equal("1", reply.pairs["x-one"])
      assert.equal("a|b", reply.pairs.values)
      assert.equal("3 bytes", reply.pairs["x-bytes-bin"])
      assert.equal("of the header", info.headers["x-header"])
      assert.equal("\0\xff\n", info.headers["x-bytes-bin"])
      assert.equal("of the trailer", info.trailers["x-trailer"])
    end)

    it("gives every value of a key that repeats, in order", function()
      local _, status, info = echo:Unary { what = "repeat_metadata" }
      assert.equal("ABORTED", status.code)
      assert.equal("a", info.headers["x-many"])
      assert.same({ "a", "b", "a" }, info:header_values "x-many")
      assert.same({ "1" }, info:header_values "x-one")
      assert.same({ "\0", "\xff" }, info:header_values "x-bytes-bin")
      assert.same({}, info:header_values "x-trailer")
      assert.same({ "y", "z" }, info:trailer_values "x-trailer")
      assert.same({}, info:trailer_values "x-many")
      assert.matches("string expected, got no value", failure(info.header_values, info), 1, true)
    end)

    it("gives the values of keys of which none repeats", function()
      local _, _, info = echo:Unary { what = "metadata" }
      assert.same({ "of the header" }, info:header_values "x-header")
      assert.same({ "of the trailer" }, info:trailer_values "x-trailer")
      assert.same({}, info:header_values "x-none")
      assert.same({ "\0\1" }, info:header_values "x-bytes-bin")
    end)

    it("ends with its deadline", function()
      local reply, status = echo:Unary({ what = "sleep", seconds = 60 }, { deadline = 0.05 })
      assert.is_nil(reply)
      assert.equal("DEADLINE_EXCEEDED", status.code)
    end)

    it("may be compressed", function()
      for _, name in ipairs { "gzip", "deflate" } do
        local text = ("x"):rep(100000)
        assert.equal(text, echo:Unary({ what = "echo", text = text }, { compression = name }).text)
      end
    end)

    it("runs beside others", function()
      local done, waiting = 0, mw.topic "client spec"
      local woken <close> = waiting:subscribe()
      for i = 1, 20 do
        mw.spawn(function()
          local reply = echo:Unary { what = "sleep", seconds = 0.02, count = i }
          if reply.count == i then done = done + 1 end
          waiting:publish(i)
        end)
      end
      for _ = 1, 20 do woken:receive() end
      assert.equal(20, done)
    end)

    it("says what is wrong with a request, and where", function()
      assert.matches("/echo.Echo/Unary: echo.Message.count: expected int64",
        failure(echo.Unary, echo, { count = "x" }), 1, true)
      assert.matches("/echo.Echo/Unary: expected a request table, got string", failure(echo.Unary, echo, "x"), 1, true)
    end)

    it("says what is wrong with an option", function()
      local function options(value) return failure(echo.Unary, echo, {}, value) end
      assert.matches('no option "dedline": there are deadline, metadata, compression, wait_for_ready, trace_context '
        .. 'and async', options { dedline = 1 }, 1, true)
      assert.matches("trace_context: expected a boolean, got string", options { trace_context = "no" }, 1, true)
      assert.matches("deadline: expected a number, got string", options { deadline = "soon" }, 1, true)
      assert.matches("deadline: expected seconds from now, 0 or more", options { deadline = -1 }, 1, true)
      assert.matches('compression: expected "gzip" or "deflate"', options { compression = "zip" }, 1, true)
      assert.matches("metadata: expected a table, got number", options { metadata = 1 }, 1, true)
      assert.matches('metadata key "te" is reserved', options { metadata = { te = "x" } }, 1, true)
      assert.matches('metadata "x": expected a string or a list of them, got boolean',
        options { metadata = { x = true } }, 1, true)
      assert.matches("options: expected a table, got number", options(1), 1, true)
      assert.matches("async: expected a boolean, got number", options { async = 1 }, 1, true)
      assert.matches("async: /echo.Echo/Expand streams: its stream is returned at once",
        failure(echo.Expand, echo, {}, { async = true }), 1, true)
    end)
  end)

  describe("an async call", function()
    it("returns an object at once, whose wait returns the reply, and returns it again", function()
      local pending <close> = echo:Unary({ what = "echo", text = "x" }, { async = true })
      assert.equal("call /echo.Echo/Unary", tostring(pending))
      local reply, status, info = pending:wait()
      assert.equal("x", reply.text)
      assert.is_nil(status)
      assert.is_table(info.headers)
      assert.equal("call /echo.Echo/Unary (ended)", tostring(pending))
      assert.equal(reply, (pending:wait()))
      assert.equal(info, select(3, pending:wait()))
    end)

    it("returns the status of one that fails", function()
      local pending <close> = client:call("echo.Echo/Unary", { what = "status", text = "NOT_FOUND" }, { async = true })
      local reply, status, info = pending:wait()
      assert.is_nil(reply)
      assert.equal("NOT_FOUND", status.code)
      assert.is_table(info.trailers)
    end)

    it("runs beside others", function()
      local pending = {}
      for i = 1, 20 do pending[i] = echo:Unary({ what = "sleep", seconds = 0.02, count = i }, { async = true }) end
      for i = 20, 1, -1 do assert.equal(i, pending[i]:wait().count) end
    end)

    it("is cancelled on both sides", function()
      local key = "cancelled " .. address
      local pending <close> = echo:Unary({ what = "cleanup", text = key }, { async = true })
      noted(key .. " begun")
      pending:cancel()
      pending:cancel()
      local reply, status = pending:wait()
      assert.is_nil(reply)
      assert.equal("CANCELLED: the call was cancelled on this side", tostring(status))
      assert.matches("^CANCELLED", noted(key))
    end)

    it("is cancelled by another fiber while one waits", function()
      local pending <close> = echo:Unary({ what = "hold" }, { async = true })
      local done <close> = mw.topic("async spec"):subscribe()
      mw.spawn(function() mw.topic("async spec"):publish(tostring(select(2, pending:wait()))) end)
      assert.matches("another fiber waits for this call", failure(pending.wait, pending), 1, true)
      pending:cancel()
      assert.matches("^CANCELLED", done:receive())
    end)

    it("is cancelled when its variable ends", function()
      local key = "closed async " .. address
      do
        local pending <close> = echo:Unary({ what = "cleanup", text = key }, { async = true })
        assert.is_userdata(pending)
        noted(key .. " begun")
      end
      assert.matches("^CANCELLED", noted(key))
    end)

    it("is cancelled when it is collected", function()
      local key = "collected async " .. address
      local pending = echo:Unary({ what = "cleanup", text = key }, { async = true })
      noted(key .. " begun")
      assert.is_userdata(pending)
      pending = nil
      assert.matches("^CANCELLED", noted(key))
    end)

    it("keeps its reply when it is cancelled after its end", function()
      local pending <close> = echo:Unary({ what = "echo", text = "x" }, { async = true })
      pending:wait()
      pending:cancel()
      assert.equal("x", pending:wait().text)
    end)
  end)

  describe("a stub", function()
    it("lists its methods when shown", function()
      assert.equal("echo.Echo: Unary, Expand (server streaming), Collect (client streaming), Chat (bidirectional), " ..
        "Unhandled", tostring(echo))
    end)

    it("names the nearest method for one that it does not have, or all", function()
      assert.matches("echo.Echo: no method Unari in the schema (did you mean Unary?)",
        failure(function() echo:Unari {} end), 1, true)
      assert.matches("echo.Echo: no method Delete in the schema: there are Unary, Expand, Collect, Chat and Unhandled",
        failure(function() echo:Delete {} end), 1, true)
    end)
  end)

  describe("a call with a streamed reply", function()
    it("iterates over the messages", function()
      local sum = 0
      local stream <close> = echo:Expand { what = "count", count = 100 }
      for message in stream:messages() do sum = sum + message.count end
      assert.equal(5050, sum)
      assert.equal("OK", stream:status().code)
    end)

    it("receives one by one, then nil", function()
      local stream <close> = echo:Expand { what = "count", count = 1 }
      assert.is_nil(stream:status())
      assert.equal(1, stream:receive().count)
      local message, status = stream:receive()
      assert.is_nil(message)
      assert.is_nil(status)
      assert.is_nil(stream:receive())
    end)

    it("returns the status of a dirty end from receive, and raises it from messages", function()
      local one <close> = echo:Expand { what = "fail_midway", count = 0 }
      local message, status = one:receive()
      assert.is_nil(message)
      assert.equal("DATA_LOSS", status.code)
      local two <close> = echo:Expand { what = "fail_midway", count = 0 }
      assert.matches("DATA_LOSS: after 0", failure(function() for _ in two:messages() do end end), 1, true)
    end)

    it("has headers before and trailers after the messages", function()
      local stream <close> = echo:Expand { what = "metadata" }
      assert.same({ "yes" }, stream:header_values "x-early") -- waits for them
      assert.equal("yes", stream:headers()["x-early"])
      assert.same({}, stream:trailer_values "x-late")
      local ended, _, info = stream:finish()
      assert.is_true(ended)
      assert.equal("yes", stream:trailers()["x-late"])
      assert.same({ "yes", "always" }, stream:trailer_values "x-late")
      assert.same({ "yes", "always" }, info:trailer_values "x-late")
    end)

    it("ends on the server when its variable does", function()
      local key = "flood " .. address
      do
        local stream <close> = echo:Expand { what = "flood", text = key, count = 1000000 }
        assert.equal(1000, #stream:receive().text)
      end
      assert.matches("CANCELLED", noted(key .. "-end"))
    end)

    it("is cancelled when it is collected", function()
      local key = "collected " .. address
      echo:Expand({ what = "flood", text = key, count = 1000000 }):receive()
      assert.matches("CANCELLED", noted(key .. "-end"))
    end)

    it("is over after cancel", function()
      local stream <close> = echo:Expand { what = "forever" }
      assert.equal(1, stream:receive().count)
      stream:cancel()
      stream:cancel()
      local message, status = stream:receive()
      assert.is_nil(message)
      assert.equal("CANCELLED", status.code)
      assert.equal("stream /echo.Echo/Expand (ended)", tostring(stream))
    end)

    it("takes no second reader", function()
      local stream <close> = echo:Expand { what = "forever" }
      local waiting <close> = echo:Chat()
      mw.spawn(function() waiting:receive() end)
      mw.sleep(0)
      assert.matches("stream:receive: another receive of this stream is under way",
        failure(waiting.receive, waiting), 1, true)
      assert.matches("the request of /echo.Echo/Expand is not streamed", failure(stream.send, stream, {}), 1, true)
    end)
  end)

  describe("a call with a streamed request", function()
    it("returns the reply from finish", function()
      local stream <close> = echo:Collect()
      for i = 1, 10 do assert.is_true(stream:send { what = "sum", count = i }) end
      local reply, status, info = stream:finish()
      assert.equal(55, reply.count)
      assert.is_nil(status)
      assert.is_table(info.headers)
      assert.equal(55, stream:finish().count)
    end)

    it("waits while the server does not read", function()
      local stream <close> = echo:Collect({ deadline = 0.2 })
      stream:send { what = "receive_end" }
      stream:send {}
      local text, sent, ok, status = ("x"):rep(100000), 0, nil, nil
      repeat
        ok, status = stream:send { text = text }
        sent = sent + 1
      until not ok or sent == 1000
      assert.is_true(sent < 1000)
      assert.is_string(status.code)
    end)

    it("tells of an early end", function()
      local stream <close> = echo:Collect()
      stream:send { what = "first_only", text = "enough" }
      local ok, status
      repeat
        ok, status = stream:send { text = "more" }
        mw.sleep(0.001)
      until not ok
      assert.is_string(status.code)
    end)

    it("takes nothing after close_send", function()
      local stream <close> = echo:Collect()
      stream:close_send()
      stream:close_send()
      assert.matches("stream:send: after stream:close_send()", failure(stream.send, stream, {}), 1, true)
      assert.equal("nothing", stream:finish().text)
    end)

    it("is not read", function()
      local stream <close> = echo:Collect()
      assert.matches("use stream:finish()", failure(stream.receive, stream), 1, true)
      assert.matches("use stream:finish()", failure(stream.messages, stream), 1, true)
    end)
  end)

  describe("a bidirectional call", function()
    it("sends and receives in any order", function()
      local stream <close> = echo:Chat()
      for i = 1, 20 do
        stream:send { what = "echo", count = i }
        assert.equal(i, stream:receive().count)
      end
      stream:close_send()
      assert.is_nil(stream:receive())
      assert.equal("OK", stream:status().code)
    end)

    it("finishes with messages that nobody has received", function()
      local stream <close> = echo:Chat()
      for i = 1, 20 do stream:send { what = "echo", count = i } end
      assert.is_true(stream:finish())
    end)
  end)

  describe("calls by path", function()
    it("call and stream", function()
      assert.equal("x", client:call("echo.Echo/Unary", { what = "echo", text = "x" }).text)
      assert.equal("x", client:call("/echo.Echo/Unary", { what = "echo", text = "x" }).text)
      local stream <close> = client:stream("echo.Echo/Expand", { what = "count", count = 3 })
      assert.equal(1, stream:receive().count)
      local chat <close> = client:stream("echo.Echo/Chat", { metadata = { x = "y" } })
      chat:send { what = "echo", text = "x" }
      assert.equal("x", chat:receive().text)
    end)

    it("say what there is not", function()
      for words, f in pairs {
        ["client:service: no service echo.Ecko in the schema (did you mean echo.Echo?)"] =
          function() client:service "echo.Ecko" end,
        ["echo.Echo: no method Unari in the schema (did you mean Unary?)"] = function() echo:Unari {} end,
        ["client:service: no service zzz in the schema: there are "] = function() client:service "zzz" end,
        ["client:call: no method echo.Echo/Zzz in the schema: there are Unary, Expand, Collect, Chat and Unhandled"] =
          function() client:call("echo.Echo/Zzz", {}) end,
        ["client:call: no method echo.Echo/Unari in the schema (did you mean Unary?)"] =
          function() client:call("echo.Echo/Unari", {}) end,
        ['client:call: expected "package.Service/Method", got "Unary"'] = function() client:call("Unary", {}) end,
        ["client:call: /echo.Echo/Expand streams: use client:stream"] =
          function() client:call("echo.Echo/Expand", {}) end,
        ["client:stream: /echo.Echo/Unary does not stream: use client:call"] =
          function() client:stream("echo.Echo/Unary", {}) end,
        ["mw.client: no target"] = function() mw.client "" end,
        ["mw.client: target: expected at most 65536 bytes, got 65537"] = function() mw.client(("a"):rep(65537)) end,
        ["mw.client: authority: expected at most 65536 bytes, got 65537"] =
          function() mw.client("a:1", { authority = ("a"):rep(65537) }) end,
        ["mw.client: service_config: expected at most 1048576 bytes, got 1048577"] =
          function() mw.client("a:1", { service_config = (" "):rep(1048577) }) end,
        ["mw.client: unknown option tsl (expected target, tls,"] = function() mw.client("a:1", { tsl = true }) end,
        ['load balancing "ring", expected "pick_first" or "round_robin"'] =
          function() mw.client("a:1", { load_balancing = "ring" }) end,
        ["mw.client: service_config: expected a table or JSON, got number"] =
          function() mw.client("a:1", { service_config = 7 }) end,
        ["mw.client: service config: methodConfig[0].retrypolicy: unknown member (expected name, timeout,"] =
          function() mw.client("a:1", { service_config = { methodConfig = { { retrypolicy = {} } } } }) end,
        ["service config: gRPC refuses it without a reason; expected load balancing, waitForReady and " ..
          "max...MessageBytes as in its documentation: CANCELLED"] =
          function() mw.client("a:1", { service_config = { loadBalancingConfig = { { none = {} } } } }) end,
        ["mw.client: TLS CA certificates: ./none.pem: No such file or directory"] =
          function() mw.client("a:1", { ca = "none.pem" }) end,
      } do
        assert.matches(words, failure(f), 1, true)
      end
    end)
  end)

  describe("within a call that is being served", function()
    it("hands the trace on", function()
      local trace = ("0af7651916cd43dd"):rep(2)
      local reply = echo:Unary({ what = "forward", text = address, pairs = { what = "call" } }, {
        metadata = { traceparent = ("00-%s-b7ad6b7169203331-01"):format(trace) },
      })
      assert.equal(trace, reply.pairs.trace_id)
    end)

    it("hands the deadline on", function()
      local request = { what = "forward", text = address, pairs = { what = "call" } }
      local remaining = tonumber(echo:Unary(request, { deadline = 20 }).pairs.remaining)
      assert.is_true(remaining > 10 and remaining <= 21)
      assert.equal("nil", echo:Unary(request).pairs.remaining)
    end)

    it("ends with it", function()
      local key = "forwarded " .. address
      local request = { what = "forward", text = address, pairs = { what = "cleanup", text = key } }
      local _, status = echo:Unary(request, { deadline = 0.5 })
      assert.equal("DEADLINE_EXCEEDED", status.code)
      assert.matches("^[CD]", noted(key))
    end)

    it("is cancelled with it, even if nobody waits", function()
      local key = "held " .. address
      do
        local stream <close> = echo:Expand { what = "hold", text = address, pairs = { text = key } }
        assert.is_table(stream:receive())
      end
      assert.matches("CANCELLED", noted(key .. "-end"))
    end)
  end)

  it("reports an unreachable server as UNAVAILABLE", function()
    local _, status = mw.client("127.0.0.1:1"):call("echo.Echo/Unary", {})
    assert.equal("UNAVAILABLE", status.code)
  end)

  it("waits for a server when told to", function()
    local patient = mw.client("127.0.0.1:1", { wait_for_ready = true })
    local _, status = patient:call("echo.Echo/Unary", {}, { deadline = 0.05 })
    assert.equal("DEADLINE_EXCEEDED", status.code)
  end)

  it("retries as the service config says", function()
    local retrying = mw.client { target = address, service_config = { methodConfig = { {
      name = { { service = "echo.Echo" } },
      retryPolicy = { maxAttempts = 3, initialBackoff = "0.01s", maxBackoff = "0.1s", backoffMultiplier = 2,
        retryableStatusCodes = { "UNAVAILABLE" } },
    } } } }
    assert.equal("x", retrying:call("echo.Echo/Unary", { what = "echo", text = "x" }).text)
  end)

  it("retries when the handler of the other side asks for it", function()
    local retrying = mw.client { target = address, service_config = { methodConfig = { {
      name = { { service = "echo.Echo" } },
      retryPolicy = { maxAttempts = 3, initialBackoff = "100s", maxBackoff = "100s", backoffMultiplier = 1,
        retryableStatusCodes = { "UNAVAILABLE" } },
    } } } }
    local function call(pushback)
      return retrying:call("echo.Echo/Unary", { what = "pushed_back", pairs = { pushback = pushback } })
    end
    assert.equal("1", assert(call "1").pairs.before)
    assert.equal("UNAVAILABLE: again", tostring(select(2, call "-1")))
    for _, wrong in ipairs { "1s", "2147483648", ("9"):rep(100) } do
      assert.equal("INTERNAL", select(2, call(wrong)).code)
      local words = [[grpc-retry-pushback-ms: expected an integer from -2147483647 to 2147483647, got \"%s\"]]
      test.eventually(function() return server.stderr:find(words:format(wrong), 1, true) end)
    end
  end)
end)
