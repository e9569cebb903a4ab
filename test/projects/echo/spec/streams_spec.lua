-- The rules of streams, and the memory cost of a client that does not read.
local echo = require "support.echo"
local test = require "moonwire.test"

describe("a stream", function()
  local server
  setup(function()
    -- A small quarantine, so that freed memory that AddressSanitizer keeps does not count as the server's.
    local env = { ASAN_OPTIONS = "quarantine_size_mb=4:" .. (os.getenv "ASAN_OPTIONS" or "") }
    server = echo.start { args = { "--workers", "1" }, env = env }
  end)
  teardown(function() server:stop() end)

  -- Has the handler try a rule. Returns its result.
  local function try(rule)
    local stream <close> = server.echo:Chat()
    stream:send { what = "rule", text = rule }
    if rule == "receive_after_end" then stream:close_send() end
    for message in stream:messages() do
      if message.what == "result" then
        stream:close_send()
        return message.text
      end
    end
  end

  it("is received by one fiber at a time", function()
    assert.matches("call:receive: another receive of this call is under way", try "two_receives", 1, true)
  end)

  it("says again and again that it has ended", function()
    assert.are.equal("nil nil", try "receive_after_end")
  end)

  it("takes no nothing", function()
    assert.matches("bad argument #1 to 'send' %(value expected%)", try "send_nothing")
  end)

  it("takes messages of many fibers, and loses none", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "rule", text = "many_senders" }
    local last, n = {}, 0
    for message in stream:messages() do
      if message.what == "result" then break end
      assert.are.equal((last[message.text] or 0) + 1, message.count)
      last[message.text], n = message.count, n + 1
    end
    assert.are.equal(1000, n)
  end)

  it("takes nothing any more after its handler has returned", function()
    assert.are.equal("ends now", try "send_late")
    local status = "CANCELLED: the call has ended"
    local noted = server:note "send_late"
    assert.matches(("nil %s, %s, "):format(status, status), noted, 1, true)
    assert.matches("call:messages: the call /echo.Echo/Chat has ended", noted, 1, true)
    server:wait_logged "call:send after the end of /echo.Echo/Chat"
  end)

  it("that nobody reads holds its handler up, and costs little", function()
    assert(server:unary "echo")
    local before = server:memory()
    local stream <close> = server.echo:Expand { what = "flood", text = "flood", count = 1000000 } -- of 1,000 bytes each
    local sent = tonumber(server:note "flood")
    assert.is_true(sent > 0 and sent < 20000, sent)
    assert.is_true(server:memory() - before < 32 << 20, server:memory() - before)
    stream:cancel()
    assert.matches("^CANCELLED: ", server:note "flood-end")
  end)

  it("goes on when it is read again", function()
    local stream <close> = server.echo:Expand { what = "flood", text = "pause", count = 20000 }
    server:note "pause"
    local n = 0
    for _ in stream:messages() do n = n + 1 end
    assert.are.equal(20000, n)
  end)

  it("that nobody receives holds its client up", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "wait", text = "unread", pairs = { how = "sleep" } }
    local payload, sent, before = ("x"):rep(10000), 0, -1
    local mw = require "moonwire"
    mw.spawn(function()
      while stream:send { text = payload } do sent = sent + 1 end
    end)
    test.eventually(function()
      local stuck = sent == before
      before = sent
      mw.sleep(0.05)
      return stuck
    end)
    assert.is_true(sent < 2000, sent)
    stream:cancel()
  end)
end)
