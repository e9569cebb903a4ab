-- Forbidden uses of an outbound stream: each error names the mistake.
local mw = require "moonwire"
local echo = require "support.echo"

describe("an outbound stream", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  local function raises(message, f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find(message, 1, true), ("expected %q in %q"):format(message, tostring(err)))
  end

  it("takes no message when its request is not streamed", function()
    local stream <close> = server.echo:Expand { what = "forever" }
    local words = "stream:send: the request of /echo.Echo/Expand is not streamed: it was sent at the start"
    raises(words, stream.send, stream, {})
  end)

  it("is read, watched and finished by one fiber at a time", function()
    local stream <close> = server.echo:Chat()
    mw.spawn(function() stream:receive() end)
    mw.spawn(function() stream:headers() end)
    raises("stream:receive: another receive of this stream is under way", stream.receive, stream)
    raises("stream:finish: another fiber reads this stream", stream.finish, stream)
    raises("stream:headers: another fiber waits for the headers", stream.headers, stream)
  end)

  it("is sent to by one fiber at a time", function()
    local stream <close> = server.echo:Chat()
    stream:send { what = "wait", text = "misuse", pairs = { how = "sleep" } }
    local stuck = true
    mw.spawn(function()
      local payload = { text = ("x"):rep(100000) }
      while stream:send(payload) do end
      stuck = false
    end)
    assert.is_true(stuck) -- it waits
    raises("stream:send: another send of this stream is under way", stream.send, stream, {})
  end)

  it("that is cancelled on this side says so", function()
    local stream <close> = server.echo:Chat()
    stream:cancel()
    echo.assert_status("CANCELLED", "the call was cancelled on this side", stream:receive())
    assert.are.equal("CANCELLED", stream:status().code)
  end)

  it("has metadata of strings", function()
    raises("metadata keys are strings, got number", server.echo.Unary, server.echo, {}, { metadata = { "x" } })
    raises("metadata \"k\": expected a string or a list of them, got boolean", server.echo.Unary, server.echo, {},
      { metadata = { k = true } })
  end)
end)
