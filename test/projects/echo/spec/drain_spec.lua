-- A server that stops: no new calls, a grace period for running ones, which then end with UNAVAILABLE; exit code 0.
local mw = require "moonwire"
local echo = require "support.echo"
local project = require "support.folder"
local test = require "moonwire.test"

describe("a server that is asked to stop", function()
  local folder
  teardown(function() if folder then folder:close() end end)

  -- Starts a server of this folder's scripts with that grace period, seconds, and other settings, Lua text.
  local function start(grace, others)
    if folder then folder:close() end
    folder = project.with_settings(("return { grace = %g, %s }"):format(grace, others or ""))
    return echo.start { dir = folder.dir, args = { "--workers", "2" } }
  end

  local function chat(server, how)
    local stream = server.echo:Chat()
    stream:send { what = "wait", text = how, pairs = { how = how } }
    assert.is_truthy(stream:receive())
    return stream
  end

  local function assert_exits(server, code)
    assert.are.equal(code or 0, (server.process:wait()), server.process.stderr)
  end

  it("ends at once when it is idle", function()
    local server = start(600)
    local started = test.now()
    server:stop()
    assert.is_true(test.now() - started < 10)
  end)

  it("lets the calls that run finish", function()
    local server = start(600)
    local stream <close> = server.echo:Chat()
    stream:send { what = "echo", text = "one" }
    assert.are.equal("one", stream:receive().text)
    local slow
    mw.spawn(function() slow = server:unary("sleep", { seconds = 0.2, text = "slow" }) end)
    test.eventually(function() return server:counts().calls == 2 end)
    server.process:kill()
    server:wait_logged "draining: running calls get the grace period"
    test.eventually(function() return slow end)
    assert.are.equal("slow", slow.text)
    assert.is_true(stream:send { text = "two" })
    assert.are.equal("two", stream:receive().text)
    assert.is_true((stream:finish()))
    assert_exits(server)
  end)

  it("takes no new calls", function()
    local server = start(600)
    local stream <close> = chat(server, "messages")
    server.process:kill()
    server:wait_logged "draining"
    test.eventually(function()
      local _, status = server:unary "echo"
      return status and status.code == "UNAVAILABLE"
    end)
    echo.assert_status("UNAVAILABLE", "", server:connect():Unary { what = "echo" })
    assert.is_true((stream:finish()))
    assert_exits(server)
  end)

  it("ends the calls that are left after the grace period, and lets them clean up", function()
    local server = start(0.1)
    local hows, streams = { "sleep", "pcall", "receive", "send", "messages", "topic", "generator" }, {}
    for i, how in ipairs(hows) do streams[i] = chat(server, how) end
    server.process:kill()
    for _, stream in ipairs(streams) do
      local message, status
      repeat message, status = stream:receive() until not message
      -- The message may be lost: data on its way to a server that is gone causes a reset of the connection.
      assert.are.equal("UNAVAILABLE", status.code)
    end
    assert_exits(server)
    for _, how in ipairs(hows) do
      assert.matches("msg=\"closed\" key=" .. how, server.process.stderr, 1, true)
    end
  end)

  it("ends the grace period when it is asked again", function()
    local server = start(600)
    local stream <close> = chat(server, "sleep")
    server.process:kill()
    server:wait_logged "draining"
    server.process:kill(2)
    echo.assert_status("UNAVAILABLE", "the server is shutting down", stream:receive())
    assert_exits(server)
  end)

  it("gives no grace period when it is set to none", function()
    local server = start(0)
    local stream <close> = chat(server, "messages")
    server.process:kill()
    echo.assert_status("UNAVAILABLE", "the server is shutting down", stream:receive())
    assert_exits(server)
  end)

  it("tells those who watch its health", function()
    local server = start(600)
    local health = server.client:service "grpc.health.v1.Health"
    local watch <close> = health:Watch { service = "" }
    assert.are.equal("SERVING", watch:receive().status)
    local stream <close> = chat(server, "messages")
    server.process:kill()
    assert.are.equal("NOT_SERVING", watch:receive().status)
    watch:cancel()
    assert.is_true((stream:finish()))
    assert_exits(server)
  end)

  it("ends a handler that never waits", function()
    local server = start(0, "limits = { slice_ms = 0 }")
    local stream <close> = server.echo:Expand { what = "spin" }
    server:wait_logged "spins"
    server.process:kill()
    echo.assert_status("UNAVAILABLE", "the server is shutting down and the handler ran on", stream:receive())
    assert_exits(server)
  end)

  it("ends jobs too", function()
    local server = start(600)
    assert(server:unary("job", { text = "job" }))
    assert.matches('msg="the job was ended" err="UNAVAILABLE: the server stops this job"', server:stop(), 1, true)
  end)
end)
