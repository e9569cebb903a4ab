-- grpc.health.v1.Health, which load balancers call. (Specs of the echo project test that it reports NOT_SERVING while
-- the server stops.)
local project = require "support.project"
local servers = require "support.server"
local mw = require "moonwire"

describe("grpc.health.v1.Health", function()
  local server, health
  setup(function()
    server = servers.start()
    health = mw.client(server.address):service "grpc.health.v1.Health"
  end)
  teardown(function() server:stop() end)

  it("says that the server, and each service with a handler, is serving", function()
    for _, name in ipairs { "", "tasks.TaskService", "helloworld.Greeter", "grpc.health.v1.Health" } do
      assert.are.equal("SERVING", assert(health:Check { service = name }).status)
    end
  end)

  it("does not know other services", function()
    servers.assert_status("NOT_FOUND", "unknown service", health:Check { service = "tasks.TaskServic" })
    local watch <close> = health:Watch { service = "no.Such" }
    assert.are.equal("SERVICE_UNKNOWN", watch:receive().status)
  end)

  it("lists the server and each service with a handler", function()
    local names, statuses = {}, assert(health:List {}).statuses
    for name, response in pairs(statuses) do
      names[#names + 1] = name
      assert.are.equal("SERVING", response.status)
    end
    table.sort(names)
    assert.are.same({
      "", "fileupload.FileUploadService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection", "helloworld.Greeter", "tasks.TaskService",
      "telemetry.TelemetryService",
    }, names)
  end)

  it("keeps those who watch", function()
    local watch <close> = health:Watch { service = "tasks.TaskService" }
    assert.are.equal("SERVING", watch:receive().status)
    assert.is_nil(watch:status())
    watch:cancel()
  end)

  it("may be replaced by a script", function()
    local folder <close> = project.new { ["lua/health.lua"] = [[
      local Health = require "moonwire".service "grpc.health.v1.Health"
      function Health.Check() return { status = "NOT_SERVING" } end
    ]] }
    local other = servers.start { dir = folder.dir }
    local client = other:connect "grpc.health.v1.Health"
    assert.are.equal("NOT_SERVING", assert(client:Check {}).status)
    local watch <close> = client:Watch {} -- the script replaces Check only
    assert.are.equal("SERVING", watch:receive().status)
    watch:cancel()
    other:stop()
  end)
end)
