-- Packed messages over streams, and call:send_all.
local echo = require "support.echo"
local mw = require "moonwire"
local test = require "moonwire.test"

describe("call:send_all", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  local function counts(fields)
    local stream <close> = server.echo:Expand(fields)
    local list = {}
    for message in stream:messages() do list[#list + 1] = message.count end
    assert.equal("OK", stream:status().code)
    return list
  end

  -- Asserts that the numbers `step`, 2 * step, ... `last` have come.
  local function assert_counts(last, step, list)
    assert.equal(last // step, #list)
    for i, n in ipairs(list) do assert.equal(i * step, n) end
  end

  it("sends the messages of a list", function()
    assert_counts(1000, 1, counts { what = "all_of_list", count = 1000 })
    assert.same({}, counts { what = "all_of_list", count = 0 })
  end)

  it("sends what an iterator returns, which may wait", function()
    assert_counts(1000, 1, counts { what = "all_of_function", count = 1000 })
  end)

  it("sends stored messages", function()
    assert_counts(300, 1, counts { what = "all_stored", count = 300 })
    assert_counts(300, 10, counts { what = "all_tens", count = 300 })
    assert_counts(300, 1, counts { what = "all_tables", count = 300 })
  end)

  it("waits while the client does not read", function()
    for _, what in ipairs { "all_stored", "all_of_function", "all_tables" } do
      local data = ("x"):rep(20000)
      local stream <close> = server.echo:Expand { what = what, count = 300, data = data }
      local n = 0
      for message in stream:messages() do
        if n == 0 then mw.sleep(0.1) end -- the server fills every buffer
        n = n + 1
        assert.equal(n, message.count)
        assert.is_true(data == message.data)
      end
      assert.equal(300, n)
    end
  end)

  it("closes its iterator when the client goes", function()
    local stream = server.echo:Expand { what = "all_endless", data = ("x"):rep(1000) }
    stream:receive()
    stream:cancel()
    local result = test.eventually(function()
      local list <close> = server.echo:Expand { what = "all_result", text = "result" }
      local text = list:receive().text
      return text ~= "" and text
    end)
    assert.matches("^nil CANCELLED: .*, closed true$", result)
  end)

  it("names what is wrong", function()
    local function mistake(name)
      local stream <close> = server.echo:Expand { what = "all_mistake", text = name }
      local text
      for message in stream:messages() do text = message.text end
      return text
    end
    assert.matches("call:send_all: expected a list or an iterator, got number", mistake "number")
    assert.matches("bad argument #1 to 'send_all' %(value expected%)", mistake "nothing")
    assert.matches("call:send_all: expected a list or an iterator, got a message: use call:send", mistake "message")
    assert.matches("call:send_all in /echo.Echo/Expand: echo.Message.txt: no such field", mistake "element")
    assert.matches("expected echo.Message, got a packed google.protobuf.Empty", mistake "other")
    assert.matches("expected echo.Message, got packed google.protobuf.FileDescriptorProto", mistake "source")
    assert.matches("in the iterator", mistake "raising")
  end)
end)

describe("a stream of packed messages", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  it("is relayed unchanged", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "relay_packed" }
    for i = 1, 100 do
      local message = mw.pack("echo.Message", { count = i, text = "t", pairs = { k = "v" } })
      stream:send(message)
      assert.equal(message, stream:receive { packed = true })
    end
    stream:send { count = 7 }
    assert.equal(7, stream:receive().count)
    stream:send { count = 8 }
    stream:close_send()
    for message in stream:messages { packed = true } do
      assert.equal("packed message", getmetatable(message))
      assert.equal(8, message.count)
    end
  end)

  it("is received, and its options are checked", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "receive_packed" }
    stream:send { text = "t", count = 3, pairs = { k = "v" } }
    assert.equal("packed message t 3 v", stream:receive().text)
    assert.matches("call:receive: packed: expected a boolean, got number", stream:receive().text)
    assert.matches("call:messages: unknown option pack %(expected packed%)", stream:receive().text)
    assert.has_error(function() stream:messages { packed = 1 } end)
  end)

  it("is not asked for by the last message in a loop over receive", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "receive_in_a_loop" }
    for i = 1, 3 do
      stream:send { count = i }
      assert.equal(i, stream:receive().count)
    end
    stream:send { count = 4 }
    stream:send { count = 5 }
    stream:close_send()
    local sum = 0
    for message in stream.receive, stream do sum = sum + message.count end
    assert.equal(9, sum)
  end)

  it("may come to a unary method", function()
    local reply = assert(server.echo:Unary(mw.pack("echo.Message", { what = "echo", text = "x" })))
    assert.equal("x", reply.text)
  end)
end)
