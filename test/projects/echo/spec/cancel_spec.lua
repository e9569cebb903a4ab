-- Calls that are cancelled or pass their deadline, in each kind of wait: the handler unwinds and closes its variables.
local echo = require "support.echo"
local test = require "moonwire.test"

-- wait of the handler -> the note of its <close> variable: the status that the handler has received, and the error.
local waits = {
  sleep = "^ CODE: ", pcall = "^ CODE: ", xpcall = "^ CODE: ", generator = "^ CODE: ", protected_coroutine = "^ CODE: ",
  topic = "^ CODE: ", client = "^ CODE: ", messages = "^ CODE: ", receive = "^CODE CODE: ", send = "^CODE CODE: ",
  receive_and_return = "^CODE nil$", nothing = "^ nil$", fail = "^ INTERNAL: ",
}

describe("a call that ends before its time", function()
  local server
  setup(function() server = echo.start { args = { "--workers", "2" } } end)
  teardown(function() server:stop() end)

  -- Returns a stream whose handler is about to wait; nil and a status if its deadline passed before.
  local function start(how, key, options)
    local stream = server.echo:Chat(options)
    stream:send { what = "wait", text = key, pairs = { how = how, address = server.address } }
    local message, status = stream:receive()
    if message then return stream end
    return nil, status
  end

  -- Starts a stream with the shortest deadline that lets the handler reach its wait. Returns the stream and its key.
  local function start_with_deadline(how)
    local stream, status
    for _, deadline in ipairs { 0.2, 1, 5, 25 } do
      local key = ("deadline %s %g"):format(how, deadline)
      stream, status = start(how, key, { deadline = deadline })
      if stream then return stream, key end
      assert.are.equal("DEADLINE_EXCEEDED", status.code)
    end
    error(status)
  end

  local function assert_unwound(how, key, code)
    assert.matches((waits[how]:gsub("CODE", code)), server:note(key))
    test.eventually(function() return server:counts().calls == 0 end)
  end

  for how in pairs(waits) do
    it(("because it is cancelled unwinds its handler (%s)"):format(how), function()
      local stream <close> = assert(start(how, "cancel " .. how))
      stream:cancel()
      assert_unwound(how, "cancel " .. how, "CANCELLED")
    end)

    it(("because of its deadline unwinds its handler (%s)"):format(how), function()
      local started, key = start_with_deadline(how)
      local stream <close> = started
      if how ~= "send" and how ~= "nothing" and how ~= "fail" then -- no messages are left to read
        echo.assert_status("DEADLINE_EXCEEDED", "", stream:receive())
      end
      assert_unwound(how, key, "%%u+[_%%u]*") -- CANCELLED if the client's timer runs first
    end)
  end

  it("because of its deadline ends a handler that runs and never waits", function()
    local _, status = server:unary("spin", {}, { deadline = 0.2 })
    assert.are.equal("DEADLINE_EXCEEDED", status.code)
    server:wait_logged "the handler ran on after its deadline"
    test.eventually(function() return server:counts().calls == 0 end)
  end)

  it("unwinds a unary handler, which pcall does not stop", function()
    local reply, status = server:unary("cleanup", { text = "cleanup" }, { deadline = 0.1 })
    assert.is_nil(reply)
    assert.are.equal("DEADLINE_EXCEEDED", status.code)
    assert.matches("^[%u_]+: ", server:note "cleanup")
  end)

  it("ends a handler that does not look at what call:send returns", function()
    local stream <close> = server.echo:Expand { what = "forever" }
    assert.is_truthy(stream:receive())
    stream:cancel()
    test.eventually(function() return server:counts().calls == 0 end)
  end)

  it("cuts off a streamed request", function()
    local stream <close> = server.echo:Collect()
    stream:send { what = "receive_end", text = "cut off" }
    test.eventually(function() return server:counts().calls == 1 end)
    stream:cancel()
    assert.matches("^nil CANCELLED: ", server:note "cut off")
  end)

  it("leaves no coroutine behind", function()
    local before = server:counts()
    for _ = 1, 50 do
      local stream <close> = assert(start("sleep", "many"))
      stream:cancel()
    end
    test.eventually(function()
      local now = server:counts()
      return now.calls == before.calls and now.coroutines <= before.coroutines
    end)
  end)
end)
