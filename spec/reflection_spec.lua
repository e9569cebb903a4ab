-- Server reflection: a client without .proto files lists the services and reads their schema.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

for _, version in ipairs { "v1", "v1alpha" } do
  local service = ("grpc.reflection.%s.ServerReflection"):format(version)

  describe(service, function()
    local server, stream
    setup(function()
      server = servers.start()
      stream = mw.client(server.address):service(service):ServerReflectionInfo()
    end)
    teardown(function()
      assert.is_true((stream:finish()))
      server:stop()
    end)

    local function ask(request)
      assert.is_true(stream:send(request))
      return assert(stream:receive())
    end

    -- Names of the files in an answer, in order.
    local function files(answer)
      local names = {}
      for i, bytes in ipairs(assert(answer.file_descriptor_response).file_descriptor_proto) do
        local url = "type.googleapis.com/google.protobuf.FileDescriptorProto"
        names[i] = assert(mw.any.unpack { type_url = url, value = bytes }).name
      end
      return names
    end

    local function assert_error(code, request)
      local answer = ask(request).error_response
      assert.is_truthy(answer)
      assert.are.equal(code, answer.error_code)
      assert.is_true(answer.error_message ~= "")
    end

    it("lists the services", function()
      local names = {}
      for _, entry in ipairs(ask({ list_services = "" }).list_services_response.service) do names[entry.name] = true end
      for _, name in ipairs { "tasks.TaskService", "telemetry.TelemetryService", "helloworld.Greeter", service } do
        assert.is_true(names[name], name)
      end
    end)

    it("finds files by their names", function()
      assert.are.same({ "tasks.proto" }, files(ask { file_by_filename = "tasks.proto" }))
    end)

    it("finds files by what they define", function()
      local symbols = { "TaskService", "TaskService.GetTask", "Task", "Task.id", "Priority" }
      for _, symbol in ipairs(symbols) do
        assert.are.same({ "tasks.proto" }, files(ask { file_containing_symbol = "tasks." .. symbol }))
      end
    end)

    it("sends what a file imports along", function()
      local names = files(ask { file_containing_symbol = "google.rpc.Status" })
      assert.are.same({ "google/rpc/status.proto", "google/protobuf/any.proto" }, names)
    end)

    it("repeats host and question", function()
      local answer = ask { host = "example.com", file_by_filename = "tasks.proto" }
      assert.are.equal("example.com", answer.valid_host)
      assert.are.equal("tasks.proto", answer.original_request.file_by_filename)
    end)

    it("says so when it knows no answer, and goes on", function()
      assert_error(5, { file_by_filename = "no.proto" })
      assert_error(5, { file_containing_symbol = "no.Such" })
      assert_error(5, { all_extension_numbers_of_type = "no.Such" })
      assert_error(5, { file_containing_extension = { containing_type = "tasks.Task", extension_number = 1 } })
      assert_error(3, {})
      assert.are.same({ "tasks.proto" }, files(ask { file_by_filename = "tasks.proto" }))
    end)

    it("lists the numbers of extensions", function()
      local answer = ask { all_extension_numbers_of_type = "tasks.Task" }
      assert.are.equal("tasks.Task", answer.all_extension_numbers_response.base_type_name)
      assert.are.same({}, { table.unpack(answer.all_extension_numbers_response.extension_number) })
    end)
  end)
end

describe("grpc.reflection.v1.ServerReflection", function()
  it("lists the services that have a handler, and finds the others", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = [[
        syntax = "proto3"; package a;
        message M { }
        service Served { rpc Get(M) returns (M); rpc Put(M) returns (M); }
        service Begun { rpc Get(M) returns (M); }
        service Outbound { rpc Get(M) returns (M); }
      ]],
      ["lua/a.lua"] = [[
        local mw = require "moonwire"
        mw.service "a.Served".Get = function(m) return m end
        mw.service "a.Begun"
        mw.client("127.0.0.1:1"):service "a.Outbound"
      ]],
    }
    local server = servers.start { dir = folder.dir }
    local stream = server:connect "grpc.reflection.v1.ServerReflection":ServerReflectionInfo()
    assert.is_true(stream:send { list_services = "" })
    local names = {}
    for i, entry in ipairs(assert(stream:receive()).list_services_response.service) do names[i] = entry.name end
    assert.are.same({ "a.Served", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection" }, names)
    assert.is_true(stream:send { file_containing_symbol = "a.Outbound" })
    assert.is_truthy(assert(stream:receive()).file_descriptor_response)
    stream:finish()
    local function assert_unimplemented(method, words)
      local process <close> = test.start { "call", "--proto", folder.dir .. "/proto", server.address, method, "{}" }
      assert.are.equal(12, process:wait(), process.stderr)
      assert.matches(words, process.stderr, 1, true)
    end
    assert_unimplemented("a.Served/Put", "method /a.Served/Put has no handler")
    assert_unimplemented("a.Begun/Get", "method /a.Begun/Get has no handler")
    assert_unimplemented("a.Outbound/Get", "method /a.Outbound/Get has no handler")
    for name, status in pairs { Served = "SERVING", Begun = "NOT_FOUND", Outbound = "NOT_FOUND" } do
      local reply, failure = server:connect "grpc.health.v1.Health":Check { service = "a." .. name }
      assert.are.equal(status, reply and reply.status or failure.code)
    end
    local log = server:stop()
    assert.are.equal(2, select(2, log:gsub("no handler: ", "")), log)
    assert.is_nil(log:find("service=a.Outbound", 1, true), log)
  end)

  it("leaves out comments, which make a file larger than a message may be", function()
    local fields = {}
    for i = 1, 5000 do fields[i] = ("  // %s\n  string f%d = %d;\n"):format(("word "):rep(200), i, i) end
    local folder <close> = project.new {
      ["proto/big.proto"] = [[
        syntax = "proto3"; package big; import "small.proto";
        // A service.
        service S { rpc Get(M) returns (small.M); } // With a method.
        message M { ]] .. table.concat(fields) .. "}\n",
      ["proto/small.proto"] = 'syntax = "proto3"; package small;\n// A message.\nmessage M { }\n',
      ["lua/big.lua"] = 'require "moonwire".service "big.S".Get = function() return {} end\n',
    }
    local server = servers.start { dir = folder.dir }
    for _, version in ipairs { "v1", "v1alpha" } do
      local service = ("grpc.reflection.%s.ServerReflection"):format(version)
      local stream = mw.client(server.address):service(service):ServerReflectionInfo()
      assert.is_true(stream:send { file_containing_symbol = "big.S" })
      local answer, status = stream:receive()
      assert.is_nil(status, tostring(status))
      local files = {}
      for _, bytes in ipairs(answer.file_descriptor_response.file_descriptor_proto) do
        assert.is_nil(bytes:find("word", 1, true))
        local url = "type.googleapis.com/google.protobuf.FileDescriptorProto"
        local file = assert(mw.any.unpack { type_url = url, value = bytes })
        assert.is_nil(file.source_code_info)
        files[file.name] = file
      end
      assert.are.equal(5000, #files["big.proto"].message_type[1].field)
      assert.are.equal("Get", files["big.proto"].service[1].method[1].name)
      assert.are.equal("M", files["small.proto"].message_type[1].name)
      assert.are.equal("proto3", files["small.proto"].syntax)
      stream:finish()
    end
    server:stop()
  end)

  -- A descriptor set of files that import each other in a chain: a0 imports a1, and so on.
  local function chain(n)
    local function field(number, bytes) -- `bytes` are shorter than 128, so that the length is one byte
      return string.char(number << 3 | 2, #bytes) .. bytes
    end
    local files = {}
    for i = 1, n do
      local name, next = field(1, "a" .. i - 1), i < n and field(3, "a" .. i) or ""
      files[i] = field(1, name .. next)
    end
    return table.concat(files)
  end

  it("follows imports however long their chain is", function()
    local n <const> = 100000
    local folder <close> = project.new { ["proto/chain.binpb"] = chain(n) }
    local server = servers.start { dir = folder.dir }
    local stream = server:connect "grpc.reflection.v1.ServerReflection":ServerReflectionInfo()
    assert.is_true(stream:send { file_by_filename = "a0" })
    local answer = assert(stream:receive())
    assert.are.equal(n, #answer.file_descriptor_response.file_descriptor_proto)
    stream:finish()
    server:stop()
  end)
end)
