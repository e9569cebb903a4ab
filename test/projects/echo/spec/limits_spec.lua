-- Calls beyond a limit are refused with an error that names the limit, and affect only their caller.
local echo = require "support.echo"
local folders = require "support.folder"
local test = require "moonwire.test"

describe("limits", function()
  local server, folder
  setup(function()
    folder = folders.with_settings [[
      return { limits = { message_bytes = 10000, metadata_bytes = 2000, unsent_messages = 4 } }
    ]]
    server = echo.start { dir = folder.dir }
  end)
  teardown(function()
    server:stop()
    folder:close()
  end)

  it("refuse a request of more than limits.message_bytes", function()
    assert(server:unary("echo", { text = ("x"):rep(9000) }))
    echo.assert_status("RESOURCE_EXHAUSTED", "10000", server:unary("echo", { text = ("x"):rep(10000) }))
  end)

  it("refuse one that is small only while it is compressed", function()
    local reply, status = server:unary("echo", { text = ("x"):rep(100000) }, { compression = "gzip" })
    echo.assert_status("RESOURCE_EXHAUSTED", "", reply, status)
  end)

  it("refuse one in the midst of a stream", function()
    local stream <close> = server.echo:Collect()
    stream:send { what = "sum" }
    stream:send { text = ("x"):rep(10000) }
    local reply, status = stream:finish()
    echo.assert_status("RESOURCE_EXHAUSTED", "10000", reply, status)
    test.eventually(function() return server:counts().calls == 0 end)
  end)

  it("do not hold for replies", function()
    assert.are.equal(100000, #assert(server:unary("large", { count = 100000 })).text)
  end)

  it("refuse a reply that the client does not take", function()
    echo.assert_status("RESOURCE_EXHAUSTED", "", server:unary("large", { count = 5 << 20 }))
  end)

  it("refuse metadata of more than limits.metadata_bytes", function()
    assert(server:unary("echo", {}, { metadata = { ["x-big"] = ("x"):rep(1000) } }))
    -- An engine may close the connection of such a call, so it has one of its own.
    local options = { metadata = { ["x-big"] = ("x"):rep(8000) } }
    local reply, status = server:connect():Unary({ what = "echo" }, options)
    assert.is_nil(reply)
    assert.are.equal("RESOURCE_EXHAUSTED", status.code)
  end)

  it("bound what a call may have unsent", function()
    local stream <close> = server.echo:Expand { what = "flood", text = "few", count = 1000000 }
    local sent = tonumber(server:note "few")
    assert.is_true(sent > 4 and sent < 20000, sent)
  end)
end)
