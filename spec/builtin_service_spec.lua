-- The built-in services, health and reflection: with interceptors, and disabled.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local assert_status = servers.assert_status

local versions <const> = { "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection" }
local let_in <const> = { metadata = { ["x-token"] = "moon" } }

local greeter <const> = [[
syntax = "proto3";
package helloworld;
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
]]

-- Starts a server with a Greeter and the script `lua`, which may use "mw".
local function start(lua, settings)
  local folder = project.new {
    ["proto/greeter.proto"] = greeter,
    ["lua/greeter.lua"] = 'require "moonwire".service "helloworld.Greeter".SayHello = function() return {} end',
    ["lua/script.lua"] = 'local mw = require "moonwire"\n' .. lua,
    ["moonwire.lua"] = settings,
  }
  return servers.start { dir = folder.dir }, folder
end

describe("an interceptor without a name", function()
  local server, folder, health
  setup(function()
    server, folder = start [[
      local open <const> = setmetatable({}, { __close = function() mw.log.info "left" end })
      mw.intercept(function(call, next)
        if call.metadata["x-token"] ~= "moon" then return nil, mw.status.unauthenticated("no token for %s", call.service) end
        local left <close> = open
        local reply, status = next()
        if status then mw.log.info("ended", { code = status.code, message = status.message }) end
        return reply, status
      end)
      mw.intercept("grpc.health.v1.Health/Check", function(call, next)
        if call.metadata["x-raise"] then error "oh" end
        if call.metadata["x-spin"] then while true do end end
        local reply, status = next()
        if reply and call.metadata["x-down"] then reply.status = "NOT_SERVING" end
        return reply, status
      end)
    ]]
    health = mw.client(server.address):service "grpc.health.v1.Health"
  end)
  teardown(function()
    server:stop()
    folder:__close()
  end)

  it("covers health", function()
    assert_status("UNAUTHENTICATED", "no token for grpc.health.v1.Health", health:Check {})
    local watch <close> = health:Watch {}
    assert_status("UNAUTHENTICATED", "no token for grpc.health.v1.Health", watch:receive())
  end)

  it("covers reflection", function()
    for _, name in ipairs(versions) do
      local stream <close> = mw.client(server.address):service(name):ServerReflectionInfo()
      stream:send { list_services = "" }
      assert_status("UNAUTHENTICATED", "no token for " .. name, stream:receive())
    end
  end)

  it("passes calls on, replies and statuses back", function()
    assert.equal("SERVING", assert(health:Check({}, let_in)).status)
    assert.equal("SERVING", assert(health:Check({ service = "grpc.health.v1.Health" }, let_in)).status)
    assert_status("NOT_FOUND", "unknown service", health:Check({ service = "no.Such" }, let_in))
    assert.equal("SERVING", assert(health:List({}, let_in)).statuses["helloworld.Greeter"].status)
    assert_status("UNAUTHENTICATED", "no token for grpc.health.v1.Health", health:List {})
    local metadata = { ["x-token"] = "moon", ["x-down"] = "1" }
    assert.equal("NOT_SERVING", assert(health:Check({}, { metadata = metadata })).status)
  end)

  it("may fail in its own ways", function()
    assert_status("INTERNAL", "internal error",
      health:Check({}, { metadata = { ["x-token"] = "moon", ["x-raise"] = "1" } }))
    assert_status("RESOURCE_EXHAUSTED", "ran for more than", health:Check({}, {
      metadata = { ["x-token"] = "moon", ["x-spin"] = "1" } }))
    assert.equal("SERVING", assert(health:Check({}, let_in)).status)
  end)

  it("stands around a watch until that ends", function()
    local watches = {}
    for i = 1, 20 do
      watches[i] = health:Watch({ service = i % 2 == 0 and "no.Such" or "" }, let_in)
      assert.equal(i % 2 == 0 and "SERVICE_UNKNOWN" or "SERVING", assert(watches[i]:receive()).status)
    end
    local function left() return select(2, server.process.stderr:gsub('msg="left"', "")) end
    local before = left()
    for _, watch in ipairs(watches) do watch:cancel() end
    test.eventually(function() return left() == before + 20 end)
    local late <close> = health:Watch({}, { metadata = let_in.metadata, deadline = 0.05 })
    local reply, status = late:receive() -- on a busy machine the deadline may pass before the first message
    if reply then reply, status = late:receive() end
    assert_status("DEADLINE_EXCEEDED", "", reply, status)
  end)

  it("stands around reflection, which answers as ever", function()
    for _, name in ipairs(versions) do
      local stream <close> = mw.client(server.address):service(name):ServerReflectionInfo(let_in)
      local function ask(request)
        assert.is_true(stream:send(request))
        return assert(stream:receive())
      end
      local listed = {}
      for i, service in ipairs(ask { list_services = "" }.list_services_response.service) do
        listed[i] = service.name
      end
      table.sort(listed)
      assert.same({ "grpc.health.v1.Health", versions[1], versions[2], "helloworld.Greeter" }, listed)
      assert.equal(5, ask { file_by_filename = "no.proto" }.error_response.error_code)
      assert.is_true((stream:finish()))
    end
  end)

  it("holds back reflection's answers for a slow client", function()
    local stream <close> = mw.client(server.address):service(versions[1]):ServerReflectionInfo(let_in)
    local n <const> = 500
    mw.spawn(function()
      for i = 1, n do stream:send { host = ("h"):rep(4000) .. i, file_containing_symbol = "grpc.health.v1.Health" } end
      stream:close_send()
    end)
    local got = 0
    for answer in stream:messages() do
      got = got + 1
      assert.equal(("h"):rep(4000) .. got, answer.valid_host)
      assert.is_truthy(answer.file_descriptor_response)
    end
    assert.equal(n, got)
  end)

  it("sees what a server that stops sends to watches", function()
    local other, dir = start [[
      mw.intercept(function(call, next)
        local reply, status = next()
        return reply, mw.status.aborted("was %s", status.message)
      end)
    ]]
    local watch <close> = other:connect "grpc.health.v1.Health":Watch {}
    assert.equal("SERVING", assert(watch:receive()).status)
    other.process:kill()
    assert.equal("NOT_SERVING", assert(watch:receive()).status)
    assert_status("ABORTED", "was the server is shutting down", watch:receive())
    other:stop()
    dir:__close()
  end)

  it("waits in the call's own handler only", function()
    local other, dir = start [[
      mw.intercept(function(call, next)
        local words
        mw.spawn(function() words = select(2, pcall(next)) end)
        while not words do mw.sleep(0.001) end
        return nil, mw.status.aborted("%s", words)
      end)
    ]]
    assert_status("ABORTED", "only the call's own handler can wait for a built-in service",
      other:connect "grpc.health.v1.Health":Check {})
    other:stop()
    dir:__close()
  end)

  it("ends with its call where that closes its variables", function()
    local other, dir = start [[
      mw.intercept(function(call, next)
        local last <close> = setmetatable({}, { __close = function()
          local reply, status = next()
          mw.log.info("closed with " .. status.code)
        end })
        return next()
      end)
    ]]
    local watch = other:connect "grpc.health.v1.Health":Watch {}
    assert.equal("SERVING", assert(watch:receive()).status)
    watch:cancel()
    test.eventually(function() return other.process.stderr:find 'msg="closed with CANCELLED"' end)
    watch = other:connect "grpc.health.v1.Health":Watch { service = "no.Such" }
    assert.equal("SERVICE_UNKNOWN", assert(watch:receive()).status)
    watch:cancel()
    other:stop()
    dir:__close()
  end)

  it("may be called again, and more than once", function()
    local other, dir = start [[
      mw.intercept(function(call, next)
        local a, b = next(), coroutine.wrap(next)()
        assert(a.status == b.status)
        return next()
      end)
    ]]
    assert.equal("SERVING", assert(other:connect "grpc.health.v1.Health":Check {}).status)
    other:stop()
    dir:__close()
  end)
end)

describe("a built-in service that is turned off", function()
  it("is served by nobody", function()
    local server, folder = start("", "return { health = false, reflection = false }")
    assert_status("UNIMPLEMENTED", "unknown service grpc.health.v1.Health",
      server:connect "grpc.health.v1.Health":Check {})
    for _, name in ipairs(versions) do
      local stream <close> = server:connect(name):ServerReflectionInfo()
      stream:send { list_services = "" }
      assert_status("UNIMPLEMENTED", "unknown service " .. name, stream:receive())
    end
    local log = server:stop()
    assert.is_nil(log:find("service=grpc", 1, true), log)
    folder:__close()
  end)

  it("is not listed by reflection", function()
    local server, folder = start("", "return { health = false }")
    local stream <close> = server:connect(versions[1]):ServerReflectionInfo()
    stream:send { list_services = "" }
    local listed = {}
    for i, service in ipairs(assert(stream:receive()).list_services_response.service) do listed[i] = service.name end
    table.sort(listed)
    assert.same({ versions[1], versions[2], "helloworld.Greeter" }, listed)
    assert.is_true((stream:finish()))
    server:stop()
    folder:__close()
  end)

  it("may be a script's", function()
    local server, folder = start([[
      local Health = mw.service "grpc.health.v1.Health"
      function Health.Check() return { status = "NOT_SERVING" } end
    ]], "return { health = false }")
    assert.equal("NOT_SERVING", assert(server:connect "grpc.health.v1.Health":Check {}).status)
    server:stop()
    folder:__close()
  end)

  it("is true or false in the settings", function()
    local folder <close> = project.new { ["moonwire.lua"] = "return {\n health = 'admin',\n reflection = 'off' }" }
    local code, _, stderr = folder:run "check"
    assert.equal(1, code)
    assert.matches("DIR/moonwire.lua:2: health: expected true or false", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:3: reflection: expected true or false", stderr, 1, true)
  end)
end)
