-- A client may disconnect at any point of any call: the server releases everything that it held for the call.
local echo = require "support.echo"
local test = require "moonwire.test"

local CLIENTS <const> = 1000

describe("clients that vanish", function()
  it("in every phase of every call type leave nothing behind", function()
    local server = echo.start { args = { "--workers", "2" } }
    local function vanish(count)
      local script <const> = "spec/support/vanish.py"
      local clients <close> = test.start { "/usr/bin/python3", script, server.address, tostring(count) }
      assert.are.equal("done", clients:read_line(60), clients.stderr)
    end

    vanish(100) -- buffers, pools and the like, which are made once, exist now
    test.eventually(function() return server:counts().calls == 0 end)
    local before = server:counts()
    vanish(CLIENTS)
    local now
    local ok = pcall(test.eventually, function()
      now = server:counts()
      return now.calls == 0 and now.coroutines <= before.coroutines and now.fds <= before.fds
    end, 20)
    local words = "calls %d, coroutines %d -> %d, files %d -> %d"
    assert.is_true(ok, words:format(now.calls, before.coroutines, now.coroutines, before.fds, now.fds))
    server:stop()
  end)
end)
