-- stream:finish(): once, again, and after the end.
local echo = require "support.echo"

describe("stream:finish", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  it("returns the same again", function()
    local upload <close> = server.echo:Collect()
    upload:send { what = "sum", count = 5 }
    for _ = 1, 2 do
      local reply, status, info = upload:finish()
      assert.are.equal(5, reply.count)
      assert.is_nil(status)
      assert.is_table(info.trailers)
    end
  end)

  it("returns true after the last message", function()
    local stream <close> = server.echo:Expand { what = "count", count = 2 }
    for _ in stream:messages() do end
    for _ = 1, 2 do
      local done, status, info = stream:finish()
      assert.is_true(done)
      assert.is_nil(status)
      assert.is_table(info.trailers)
    end
    assert.is_nil((stream:receive()))
  end)

  it("returns the status of a call that has failed", function()
    local stream <close> = server.echo:Expand { what = "fail_midway", count = 1 }
    repeat local message = stream:receive() until not message
    for _ = 1, 2 do echo.assert_status("DATA_LOSS", "after 1", stream:finish()) end
  end)

  it("returns CANCELLED after a cancel, and nothing is sent any more", function()
    local chat <close> = server.echo:Chat()
    chat:cancel()
    echo.assert_status("CANCELLED", "the call was cancelled on this side", chat:finish())
    echo.assert_status("CANCELLED", "the call was cancelled on this side", chat:send {})
  end)
end)
