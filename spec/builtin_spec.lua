-- A folder's own copies of built-in files: health, reflection, google.protobuf, google.rpc. Copies of the same shape
-- replace the built-in ones, others are refused at file:line, and no call of a client ends the server.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local function proto(package, body) return ('syntax = "proto3"; package %s;\n%s'):format(package, body) end

local response = [[
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; }
  ServingStatus status = 1;
}
]]

-- The health service of NVIDIA Triton and Qdrant.
local without_watch = proto("grpc.health.v1", [[
message HealthCheckRequest { string service = 1; }
]] .. response .. [[
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
]])

local other_health = proto("grpc.health.v1", [[
message HealthCheckRequest { }
message HealthCheckResponse { int32 status = 1; }
service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
]])

local other_reflection = proto("grpc.reflection.v1alpha", [[
message ServerReflectionRequest { string host = 1; }
message ServerReflectionResponse { string valid_host = 1; }
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
]])

local differs = ": this copy differs from the built-in definition: expected "
local refused = {
  { other_health,
    "DIR/proto/x.proto:2: grpc.health.v1.HealthCheckRequest" .. differs .. "{ string service = 1; }, got { }" },
  { other_reflection, "DIR/proto/x.proto:2: grpc.reflection.v1alpha.ServerReflectionRequest" .. differs },
  { proto("google.rpc", "message Status { string code = 1; }"), "DIR/proto/x.proto:2: google.rpc.Status" .. differs },
  { proto("google.protobuf", "enum Any { A = 0; }"),
    "DIR/proto/x.proto:2: google.protobuf.Any: expected a message, as the built-in definition is, got an enum" },
}

-- A service of the folder, by which specs check that the server lives.
local echo = {
  ["proto/echo.proto"] = proto("echo", "message M { string text = 1; }\nservice Echo { rpc Say(M) returns (M); }"),
  ["lua/echo.lua"] = [[
    local mw = require "moonwire"
    local Echo = mw.service "echo.Echo"
    function Echo.Say(request)
      if request.text == "spin" then while true do end end
      if request.text == "fail" then error "on purpose" end
      return request
    end
  ]],
}

local function folder_of(files)
  local folder = project.new(echo)
  for path, text in pairs(files or {}) do folder:write(path, text) end
  return folder
end

-- Sends one request to a server's reflection service of either version. Returns the answer.
local function reflect(server, question, version)
  local service = ("grpc.reflection.%s.ServerReflection"):format(version or "v1")
  local stream = server:connect(service):ServerReflectionInfo()
  assert.is_true(stream:send(question))
  local answer, status = stream:receive()
  stream:finish()
  return answer, status
end

-- Requests a file by reflection, which proves that the server is alive.
local function assert_alive(server)
  local answer = assert(reflect(server, { file_containing_symbol = "echo.Echo" }))
  assert.is_truthy(answer.file_descriptor_response)
end

-- The files of an answer, by name.
local function files_of(answer)
  local files = {}
  for _, bytes in ipairs(assert(answer.file_descriptor_response).file_descriptor_proto) do
    local url = "type.googleapis.com/google.protobuf.FileDescriptorProto"
    local file = assert(mw.any.unpack { type_url = url, value = bytes })
    files[file.name] = file
  end
  return files
end

-- Runs `moonwire call`, which must exit with the given status code. Returns its stderr.
local function call(folder, server, code, method, request)
  local process <close> = test.start { "call", "--proto", folder.dir .. "/proto", server.address, method, request }
  assert.are.equal(code, process:wait(), process.stderr)
  return process.stderr
end

describe("a folder's copy of a built-in file", function()
  it("is refused by `check` where it has another shape", function()
    for _, case in ipairs(refused) do
      local folder <close> = folder_of { ["proto/x.proto"] = case[1] }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code, stderr)
      assert.is_truthy(stderr:find(case[2], 1, true), ("expected %q in %q"):format(case[2], stderr))
    end
  end)

  it("is refused by `serve` where it has another shape", function()
    local folder <close> = folder_of { ["proto/x.proto"] = other_health }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0", "--data", ":memory:")
    assert.are.equal(1, code, stderr)
    assert.is_truthy(stderr:find(refused[1][2], 1, true), stderr)
  end)

  it("is refused by a running server where it has another shape, and the old generation goes on", function()
    local folder <close> = folder_of()
    local server = servers.start { dir = folder.dir }
    for _, case in ipairs(refused) do
      local before = #server.process.stderr
      folder:write("proto/x.proto", case[1])
      server.process:kill(1)
      test.eventually(function()
        return folder:short(server.process.stderr:sub(before + 1)):find(case[2]:sub(5), 1, true)
      end)
      assert.are.equal("SERVING", assert(server:connect "grpc.health.v1.Health":Check {}).status)
      assert_alive(server)
    end
    server:stop()
  end)

  it("may lack methods of a service, which are left out", function()
    local folder <close> = folder_of { ["proto/x.proto"] = without_watch }
    assert.are.equal(0, (folder:run "check"))
    local server = servers.start { dir = folder.dir }
    local health = server:connect "grpc.health.v1.Health"
    assert.are.equal("SERVING", assert(health:Check {}).status)
    local watch <close> = health:Watch {}
    local _, status = watch:receive()
    assert.are.equal("UNIMPLEMENTED", status.code)
    servers.assert_status("UNIMPLEMENTED", "unknown method /grpc.health.v1.Health/List", health:List {})
    assert_alive(server)
    server:stop()
  end)

  it("may be saved without a method while the server runs", function()
    local folder <close> = folder_of()
    local server = servers.start { dir = folder.dir }
    local health = server:connect "grpc.health.v1.Health"
    assert.are.equal("SERVING", assert(health:Check {}).status)
    folder:write("proto/x.proto", without_watch)
    server.process:kill(1)
    test.eventually(function() return server.process.stderr:find "generation 2 is live" end)
    assert.are.equal("SERVING", assert(health:Check {}).status)
    local watch <close> = health:Watch {}
    local _, status = watch:receive()
    assert.are.equal("UNIMPLEMENTED", status.code)
    server:stop()
  end)

  it("may define a message of a service's package alone", function()
    local folder <close> = folder_of { ["proto/x.proto"] = proto("grpc.health.v1",
      "message HealthCheckRequest { string service = 1; }\n" ..
      "service Other { rpc A(HealthCheckRequest) returns (HealthCheckRequest); }") }
    assert.are.equal(0, (folder:run "check"))
    local server = servers.start { dir = folder.dir }
    servers.assert_status("UNIMPLEMENTED", "", server:connect "grpc.health.v1.Health":Check {})
    assert_alive(server)
    server:stop()
  end)

  it("may have handlers, for methods of its own too", function()
    local folder <close> = folder_of {
      ["proto/x.proto"] = without_watch:gsub("}\n$",
        " rpc Extra(HealthCheckRequest) returns (HealthCheckResponse); }\n"),
      ["lua/health.lua"] = [[
        local Health = require "moonwire".service "grpc.health.v1.Health"
        function Health.Check() return { status = "NOT_SERVING" } end
        function Health.Extra() return { status = "SERVING" } end
      ]],
    }
    local server = servers.start { dir = folder.dir }
    assert.are.equal("NOT_SERVING", assert(server:connect "grpc.health.v1.Health":Check {}).status)
    server:stop()
  end)

  it("of descriptor.proto may have any shape: reflection does not read it", function()
    local folder <close> = folder_of { ["proto/x.proto"] = proto("google.protobuf", "message FileDescriptorProto { }") }
    local server = servers.start { dir = folder.dir }
    for _, version in ipairs { "v1", "v1alpha" } do
      local answer = assert(reflect(server, { file_containing_symbol = "echo.M" }, version))
      assert.is_truthy(files_of(answer)["echo.proto"])
    end
    server:stop()
  end)

  it("at another path serves what imports the usual one", function()
    local folder <close> = folder_of {
      ["proto/duration.proto"] = proto("google.protobuf", "message Duration { int64 seconds = 1; int32 nanos = 2; }"),
      ["proto/any.proto"] = proto("google.protobuf", "message Any { string type_url = 1; bytes value = 2; }"),
      ["proto/f.proto"] = proto("f", 'import "duration.proto"; import "any.proto";\n' ..
        "message M { google.protobuf.Duration d = 1; google.protobuf.Any a = 2; } service S { rpc G(M) returns (M); }"),
      ["lua/f.lua"] = [[
        local mw = require "moonwire"
        local S = mw.service "f.S"
        function S.G()
          return nil, mw.status.invalid_argument("x"):with_details("google.rpc.RetryInfo", { retry_delay = "1s" })
        end
      ]],
    }
    local server = servers.start { dir = folder.dir }
    for symbol, path in pairs { ["google.rpc.Status"] = "google/rpc/status.proto", ["f.S"] = "f.proto",
                                ["google.rpc.RetryInfo"] = "google/rpc/error_details.proto" } do
      local files, n = files_of(assert(reflect(server, { file_containing_symbol = symbol }))), 0
      assert.is_truthy(files[path])
      for _, file in pairs(files) do -- all imports are in the answer, and each type once
        for _, import in ipairs(file.dependency) do assert.is_truthy(files[import], import) end
        for _, message in ipairs(file.message_type) do
          if message.name == "Any" or message.name == "Duration" then n = n + 1 end
        end
      end
      assert.are.equal(symbol == "f.S" and 2 or 1, n)
    end
    local forwarder = assert(reflect(server, { file_by_filename = "google/protobuf/duration.proto" }))
    local file = files_of(forwarder)["google/protobuf/duration.proto"]
    assert.are.same({ "duration.proto" }, { table.unpack(file.dependency) })
    assert.are.same({ 0 }, { table.unpack(file.public_dependency) })
    assert.matches('"retryDelay":"1s"', call(folder, server, 3, "f.S/G", "{}"), 1, true)
    server:stop()
  end)

  it("may lack google.rpc.DebugInfo, which --dev then leaves out", function()
    local folder <close> = folder_of {
      ["proto/x.proto"] = proto("google.rpc", "message ErrorInfo { string reason = 1; }") }
    local server = servers.start { dir = folder.dir, args = { "--dev" } }
    assert.matches("on purpose", call(folder, server, 13, "echo.Echo/Say", '{"text":"fail"}'), 1, true)
    assert.matches("without waiting", call(folder, server, 8, "echo.Echo/Say", '{"text":"spin"}'), 1, true)
    assert_alive(server)
    server:stop()
  end)
end)
