-- The end of calls and jobs when their server stops.
local echo = require "support.echo"
local mw = require "moonwire"
local test = require "moonwire.test"

describe("a server that stops", function()
  local server
  before_each(function() server = echo.start() end)

  -- Stops the server and waits for its end. Returns its exit code and the time, seconds.
  local function stop()
    local since = test.now()
    server.process:kill()
    local code = server.process:wait()
    return code, test.now() - since
  end

  it("does not wait for open streams of reflection", function()
    local streams = {}
    for i, version in ipairs { "v1", "v1alpha" } do
      streams[i] = server.client:service(("grpc.reflection.%s.ServerReflection"):format(version)):ServerReflectionInfo()
      assert.is_true(streams[i]:send { list_services = "" })
      assert.is_truthy(streams[i]:receive())
    end
    local code, seconds = stop()
    assert.equal(0, code)
    assert.is_true(seconds < 5, seconds)
    for _, stream in ipairs(streams) do
      local message, status = stream:receive()
      assert.is_nil(message)
      assert.equal("UNAVAILABLE", status.code)
    end
  end)

  it("does not wait for the watchers of its health", function()
    local health = server.client:service "grpc.health.v1.Health"
    local watch = health:Watch { service = "echo.Echo" }
    local unknown = health:Watch { service = "no.Such" }
    assert.equal("SERVING", watch:receive().status)
    assert.equal("SERVICE_UNKNOWN", unknown:receive().status)
    local code, seconds = stop()
    assert.equal(0, code)
    assert.is_true(seconds < 5, seconds)
    assert.equal("NOT_SERVING", watch:receive().status)
    local message, status = watch:receive()
    assert.is_nil(message)
    assert.equal("UNAVAILABLE", status.code)
    assert.equal("UNAVAILABLE", select(2, unknown:receive()).code)
  end)

  it("ends jobs that jobs spawn as they end", function()
    server:unary "respawn"
    assert.equal(0, (stop()))
  end)

  it("ends <close> handlers that wait without end", function()
    mw.spawn(function() server:unary "endless" end)
    server:note "endless"
    server.process:kill()
    server:wait_logged "draining"
    server.process:kill() -- a second signal ends the grace period
    assert.equal(0, (server.process:wait()))
  end)

  it("lets running calls finish", function()
    local reply
    mw.spawn(function() reply = server:unary("announce", { seconds = 0.3 }) or false end)
    server:wait_logged "sleeping"
    assert.equal(0, (stop()))
    test.eventually(function() return reply ~= nil end)
    assert.equal("announce", reply.what)
  end)

  it("stops at a second signal, whatever handlers do", function()
    mw.spawn(function() server:unary "spin" end)
    server:wait_logged "spinning"
    server.process:kill()
    server:wait_logged "draining"
    server.process:kill()
    assert.equal(0, (server.process:wait()))
    assert.matches("the server is shutting down and the handler ran on", server.process.stderr, 1, true)
  end)
end)
