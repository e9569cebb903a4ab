-- `moonwire call` without a proto folder: it requests the schema from the server by reflection.
local project = require "support.project"
local test = require "moonwire.test"

local greet = [[
syntax = "proto3";
package greet;
import "parts/name.proto";
import "google/protobuf/timestamp.proto";
service Greeter {
  rpc Hello(Request) returns (Reply);
  rpc Watch(Request) returns (stream Reply);
  rpc Count(stream Request) returns (Reply);
}
service Other { rpc Hello(Request) returns (Reply); }
message Request { parts.Name name = 1; }
message Reply {
  string text = 1;
  google.protobuf.Timestamp at = 2;
  map<string, int32> counts = 3;
  repeated Mood moods = 4;
  optional int32 age = 5;
  oneof kind { string left = 6; bytes right = 7; }
}
enum Mood { GOOD = 0; BAD = 3; }
]]

local parts = [[
syntax = "proto3";
package parts;
message Name { string first = 1; }
]]

local script = [[
local mw = require "moonwire"
local Greeter = mw.service "greet.Greeter"
mw.service "greet.Other".Hello = function() return { text = "Other" } end
function Greeter.Hello(request) return { text = "Hello " .. request.name.first } end
function Greeter.Watch(request, call) call:send { text = "a" } call:send { text = "b" } end
function Greeter.Count(call) local n = 0 for _ in call:messages() do n = n + 1 end return { text = tostring(n) } end
]]

-- Runs `moonwire call ADDRESS ...` in `cwd`: "/" by default, which has no folder proto. C core's resolver, c-ares,
-- leaks the name "localhost".
local function call(cwd, ...)
  local env = (...):find "^:" and { ASAN_OPTIONS = "detect_leaks=0" } or nil
  local process <close> = test.start({ "call", ... }, { cwd = cwd or "/", env = env })
  process:close_input()
  local lines = {}
  for line in function() return process:read_line() end do lines[#lines + 1] = line end
  return process:wait(), lines, process.stderr
end

local function serve(files)
  local folder = project.new(files)
  local server, address = test.serve { dir = folder.dir }
  return setmetatable({ address = address, folder = folder }, {
    __close = function()
      server:kill()
      assert.are.equal(0, (server:wait()))
      folder:__close()
    end,
  })
end

local function served(more)
  local files = { ["proto/greet.proto"] = greet, ["proto/parts/name.proto"] = parts, ["lua/greet.lua"] = script }
  for path, text in pairs(more or {}) do files[path] = text end
  return serve(files)
end

local hello <const> = '{"name": {"first": "you"}}'

describe("moonwire call without a proto folder", function()
  local server
  setup(function() server = served() end)
  teardown(function() getmetatable(server).__close() end)

  it("calls by the server's schema, of each type", function()
    assert.are.same({ 0, { '{"text":"Hello you"}' }, "" }, { call(nil, server.address, "greet.Greeter/Hello", hello) })
    assert.are.same({ 0, { '{"text":"a"}', '{"text":"b"}' }, "" }, { call(nil, server.address, "greet.Greeter/Watch") })
    assert.are.same({ 0, { '{"text":"2"}' }, "" }, { call(nil, server.address, "greet.Greeter/Count", "{}{}") })
  end)

  it("takes a name without its beginning, where one method has it", function()
    for _, name in ipairs { "Greeter/Hello", "/greet.Greeter/Hello", "greet.Greeter.Hello", "Greeter.Hello" } do
      assert.are.same({ 0, { '{"text":"Hello you"}' }, "" }, { call(nil, server.address, name, hello) })
    end
    assert.are.same({ 0, { '{"text":"0"}' }, "" }, { call(nil, server.address, "Count") })
    -- not Health/Watch
    assert.are.same({ 0, { '{"text":"a"}', '{"text":"b"}' }, "" }, { call(nil, server.address, "Watch") })
    assert.are.same({ 0, { '{"status":"SERVING"}' }, "" }, { call(nil, server.address, "Check") })
    assert.are.same({ 1, {}, "moonwire call: Hello could be any of: greet.Greeter/Hello, greet.Other/Hello\n" },
      { call(nil, server.address, "Hello", hello) })
  end)

  it("takes :PORT for this machine's", function()
    local port = server.address:match ":%d+$"
    assert.are.same({ 0, { '{"text":"0"}' }, "" }, { call(nil, port, "Count") })
  end)

  it("names what is near", function()
    local there = "\nthere are: greet.Greeter, greet.Other\n"
    local function refuses(words, ...)
      assert.are.same({ 1, {}, "moonwire call: " .. words }, { call(nil, server.address, ...) })
    end
    refuses("greet.Greeter has no method Helo; did you mean Hello?\nthere are: Hello, Watch, Count\n",
      "greet.Greeter/Helo")
    refuses("greet.Greeter has no method Helo; did you mean Hello?\nthere are: Hello, Watch, Count\n", "Greeter/Helo")
    refuses("the server's reflection: no service greet.Greter; did you mean greet.Greeter?" .. there,
      "greet.Greter/Hello")
    refuses("the server's reflection: no method Coun; did you mean greet.Greeter/Count?" .. there, "Coun")
    refuses("the server's reflection: no service, method or type Zebra" .. there, "--describe", "Zebra")
  end)

  it("names what is near in a folder", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = [[
        syntax = "proto3";
        package a;
        service Svc { rpc Note(Rep) returns (Rep); rpc Up(Rep) returns (Rep); }
        service One { rpc Up(Rep) returns (Rep); }
        message Rep { message Inner {} }
        enum Colour { RED = 0; }
      ]],
      ["proto/b.proto"] = 'syntax = "proto3"; package b; import "a.proto"; ' ..
        "service Svc { rpc Down(a.Rep) returns (a.Rep); }",
      ["moonwire.lua"] = 'print "moonwire.lua ran"',
    }
    local unasked <const> = "use --reflection to ask the server instead of this folder\n"
    local there <const> = "\nthere are: a.One, a.Svc, b.Svc\n"
    local no <const> = "proto: no service, method or type "
    local function refuses(words, ...)
      local code, lines, stderr = call(folder.dir, server.address, ...)
      assert.are.same({ 1, {} }, { code, lines })
      assert.are.equal("moonwire call: " .. words, (stderr:gsub("^[^\n]*moonwire.lua ran[^\n]*\n", "")))
    end
    refuses("none of a.Svc, b.Svc has a method Nope; did you mean a.Svc/Note?\n" .. unasked, "Svc/Nope")
    refuses("none of a.Svc, b.Svc has a method Zebra\n" .. unasked, "Svc/Zebra")
    refuses("a.Svc, b.Svc are services: expected SERVICE/METHOD\n" .. unasked, "Svc")
    refuses("a.One is a service: expected a.One/METHOD\nthere are: Up\n" .. unasked, "One")
    refuses("proto: no service Ome; did you mean a.One?" .. there .. unasked, "Ome/Up")
    refuses(no .. "Rsp; did you mean a.Rep?" .. there .. unasked, "--describe", "Rsp")
    refuses(no .. "Iner; did you mean a.Rep.Inner?" .. there .. unasked, "--describe", "Iner")
    refuses(no .. "Color; did you mean a.Colour?" .. there .. unasked, "--describe", "Color")
    refuses(no .. "a.Rap; did you mean a.Rep?" .. there .. unasked, "--describe", "a.Rap")
    refuses("proto: no method Noe; did you mean a.Svc/Note?" .. there .. unasked, "Noe")
    refuses("proto: no method Zebra" .. there .. unasked, "Zebra")
    refuses("Up could be any of: a.One/Up, a.Svc/Up\n", "Up")
    refuses("Svc could be any of: a.Svc, b.Svc\n", "--describe", "Svc")
  end)

  it("runs no moonwire.lua with --proto", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; package a; service Mine {}',
      ["moonwire.lua"] = 'print "moonwire.lua ran"',
    }
    assert.are.same({ 0, { "a.Mine" }, "" }, { call(folder.dir, server.address, "--proto", "proto") })
    assert.matches("moonwire.lua ran", select(3, call(folder.dir, server.address)), 1, true)
    assert.are.same({ 1, {}, "moonwire call: --proto none: there is no such folder\n" },
      { call(folder.dir, server.address, "--proto", "none") })
  end)

  it("lists services and methods", function()
    local code, lines = call(nil, server.address)
    assert.are.equal(0, code)
    local text = table.concat(lines, "\n")
    assert.matches("greet.Greeter\n  Hello(greet.Request) returns (greet.Reply)\n" ..
      "  Watch(greet.Request) returns (stream greet.Reply)\n  Count(stream greet.Request) returns (greet.Reply)\n",
      text, 1, true)
    assert.matches("grpc.health.v1.Health\n  Check(", text, 1, true)
  end)

  it("describes what is named", function()
    local function describes(expected, ...)
      local code, lines = call(nil, server.address, "--describe", ...)
      assert.are.equal(0, code)
      assert.are.equal(expected, table.concat(lines, "\n"))
    end
    local service <const> = "service greet.Greeter {\n  rpc Hello(greet.Request) returns (greet.Reply);\n" ..
      "  rpc Watch(greet.Request) returns (stream greet.Reply);\n  rpc Count(stream greet.Request) returns (greet.Reply);\n}"
    local request <const> = "message greet.Request {\n  parts.Name name = 1;\n}"
    local reply <const> = "message greet.Reply {\n  string text = 1;\n  google.protobuf.Timestamp at = 2;\n" ..
      "  map<string, int32> counts = 3;\n  repeated greet.Mood moods = 4;\n  optional int32 age = 5;\n" ..
      "  oneof kind {\n    string left = 6;\n    bytes right = 7;\n  }\n}"
    describes(service, "Greeter")
    describes("service greet.Greeter {\n  rpc Count(stream greet.Request) returns (greet.Reply);\n}\n\n" .. request ..
      "\n\n" .. reply, "greet.Greeter/Count")
    describes(reply, "greet.Reply")
    describes("message parts.Name {\n  string first = 1;\n}", "Name")
    describes("enum greet.Mood {\n  GOOD = 0;\n  BAD = 3;\n}", "Mood")
    local _, lines = call(nil, server.address, "--describe")
    assert.matches(service .. "\n\nservice greet.Other {", table.concat(lines, "\n"), 1, true)
  end)

  it("prefers a folder, if one is there, except for lists and with --reflection", function()
    local folder <close> = project.new { ["proto/greet.proto"] = 'syntax = "proto3"; package greet; service Mine {}' }
    local code, _, stderr = call(folder.dir, server.address, "greet.Greeter/Hello", hello)
    assert.are.equal(1, code)
    assert.are.equal("moonwire call: proto: no service greet.Greeter\nthere are: greet.Mine\n" ..
      "use --reflection to ask the server instead of this folder\n", stderr)
    assert.are.same({ 0, { '{"text":"Hello you"}' }, "" },
      { call(folder.dir, server.address, "greet.Greeter/Hello", hello, "--reflection") })
    assert.matches("greet.Greeter\n", table.concat(select(2, call(folder.dir, server.address)), "\n"), 1, true)
    assert.are.same({ 0, { "greet.Mine" }, "" }, { call(folder.dir, server.address, "--proto", "proto") })
  end)

  it("exits with the code of the status that reflection ends with", function()
    local code, _, stderr = call(nil, "127.0.0.1:1")
    assert.are.equal(14, code)
    assert.matches("^UNAVAILABLE: ", stderr)
  end)

  it("refuses wrong usage with 2", function()
    local function refuses(words, ...)
      local code, _, stderr = call(nil, server.address, ...)
      assert.are.equal(2, code)
      assert.are.equal("moonwire call: " .. words .. "\nTry moonwire call --help.\n", stderr)
    end
    refuses("--describe takes one name; unexpected {}", "--describe", "a/b", "{}")
    refuses("--proto and --reflection exclude each other", "a/b", "--proto", "x", "--reflection")
    refuses("a/b/c: expected package.Service/Method", "a/b/c")
  end)

  it("refuses a URL for a target", function()
    local code, _, stderr = call(nil, "http://" .. server.address, "Count")
    assert.are.equal(1, code)
    assert.are.equal(
      ('moonwire call: channel to "http://%s": leave out "http://": expected "host:port"\n'):format(server.address),
      stderr)
    local _, _, words = call(nil, "https://" .. server.address, "Count")
    assert.matches('leave out "https://", and ask for TLS by the option tls: expected "host:port"', words, 1, true)
  end)
end)

describe("reflection of another server", function()
  -- A handler that replaces the built-in reflection service and forwards requests to the server at UPSTREAM.
  local function proxied(answer)
    return ([[
      local mw = require "moonwire"
      local path <const> = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
      mw.service "grpc.reflection.v1.ServerReflection".ServerReflectionInfo = function(call)
        local upstream <close> = assert(mw.client(UPSTREAM):stream(path))
        for question in call:messages() do
          upstream:send(question)
          local answer = assert(upstream:receive())
          %s
          call:send(answer)
        end
      end
    ]]):format(answer)
  end

  local function with_upstream(upstream, answer)
    local text = proxied(answer):gsub("UPSTREAM", ("%q"):format(upstream.address))
    return serve { ["lua/proxy.lua"] = text }
  end

  it("may be v1alpha alone", function()
    local server <close> = served { ["lua/off.lua"] = [[
      local mw = require "moonwire"
      mw.intercept("grpc.reflection.v1.ServerReflection", function() return nil, mw.status.unimplemented() end)
    ]] }
    assert.are.same({ 0, { '{"text":"0"}' }, "" }, { call(nil, server.address, "Count") })
  end)

  it("may be off", function()
    local server <close> = served { ["moonwire.lua"] = "return { reflection = false }" }
    local words <const> = ("moonwire call: %s has no server reflection, and there is no folder \"proto\" here\n" ..
      "call from the service's own folder, or name the folder of its .proto files with --proto DIR\n"):format(
        server.address)
    assert.are.same({ 1, {}, words }, { call(nil, server.address, "greet.Greeter/Hello", hello) })
    assert.are.same({ 1, {}, words }, { call(nil, server.address) })
    local dir <const> = server.folder.dir
    for _, arguments in ipairs { {}, { "--describe" } } do
      local code, lines, stderr = call(dir, server.address, table.unpack(arguments)) -- the folder's schema
      assert.are.equal(0, code)
      assert.matches("greet.Greeter", lines[1], 1, true)
      assert.are.equal(('moonwire call: %s has no server reflection; this list comes from the folder "proto"\n')
        :format(server.address), stderr)
    end
    assert.are.same({ 1, {}, ("moonwire call: %s has no server reflection\n" ..
      'leave out --reflection to use the folder "proto"\n'):format(server.address) },
      { call(dir, server.address, "Count", "--reflection") })
    assert.are.same({ 0, { '{"text":"0"}' }, "" }, { call(dir, server.address, "Count") })
  end)

  it("may be off, and the folders of protos are those of moonwire.lua", function()
    local server <close> = served { ["moonwire.lua"] = "return { reflection = false }" }
    local folder <close> = project.new {
      ["contracts/a.proto"] = 'syntax = "proto3"; package a; service Mine {}',
      ["moonwire.lua"] = "return { proto = 'contracts' }",
    }
    assert.are.same({ 0, { "a.Mine" },
      ('moonwire call: %s has no server reflection; this list comes from the folder "contracts"\n')
      :format(server.address) }, { call(folder.dir, server.address) })
    assert.are.same({ 1, {}, "moonwire call: contracts: no service Bogus\nthere are: a.Mine\n" ..
      "use --reflection to ask the server instead of this folder\n" }, { call(folder.dir, server.address, "Bogus/Go") })
    local second <close> = project.new {
      ["more/b.proto"] = 'syntax = "proto3"; package b;',
      ["contracts/a.proto"] = 'syntax = "proto3"; package a; service Mine {}',
      ["moonwire.lua"] = "return { proto = { 'contracts', 'more' } }",
    }
    local _, _, stderr = call(second.dir, server.address, "Bogus/Go")
    assert.matches("^moonwire call: contracts, more: no service Bogus\n", stderr)
    local empty <close> = project.new { ["moonwire.lua"] = "return { proto = 'contracts' }" }
    assert.matches('and there is no folder "contracts" here\n', select(3, call(empty.dir, server.address)), 1, true)
  end)

  it("may refuse to list its services, which is not to have no reflection", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      answer = { error_response = { error_code = 5, error_message = "gone" } }
    ]])
    assert.are.same({ 1, {}, 'moonwire call: the server\'s reflection reports an error for "*": gone\n' },
      { call(upstream.folder.dir, server.address) })
  end)

  it("is asked within the deadline of the call", function()
    local server <close> = served { ["lua/slow.lua"] = [[
      local mw = require "moonwire"
      mw.intercept("grpc.reflection.v1.ServerReflection", function(_, next) mw.sleep(0.5) return next() end)
      mw.service "greet.Greeter".Hello = function(_, call) return { text = tostring(call:time_remaining()) } end
    ]], ["lua/greet.lua"] = "" }
    local code, lines, stderr = call(nil, server.address, "greet.Greeter/Hello", "--deadline", "20s")
    assert.are.same({ 0, "" }, { code, stderr })
    local left = tonumber(lines[1]:match '"text":"([%d.]+)"')
    assert.is_true(left <= 19.5, "left: " .. left)
  end)

  it("may send one file at a time", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      local files = answer.file_descriptor_response
      if files then files.file_descriptor_proto = { files.file_descriptor_proto[1] } end
    ]])
    local code, lines = call(nil, server.address, "--describe", "parts.Name")
    assert.are.same({ 0, { "message parts.Name {", "  string first = 1;", "}" } }, { code, lines })
    assert.are.equal(12, (call(nil, server.address, "greet.Greeter/Hello", hello))) -- UNIMPLEMENTED
  end)

  it("may lack a file", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      if question.file_by_filename then
        answer = { error_response = { error_code = 5, error_message = "gone" } }
      elseif answer.file_descriptor_response then
        answer.file_descriptor_response.file_descriptor_proto = { answer.file_descriptor_response.file_descriptor_proto[1] }
      end
    ]])
    local code, _, stderr = call(nil, server.address, "greet.Greeter/Hello", hello)
    assert.are.equal(1, code)
    assert.matches('greet.proto: imports "parts/name.proto", which is not in the descriptor set', stderr, 1, true)
  end)

  it("may send no descriptors", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      if answer.file_descriptor_response then answer.file_descriptor_response.file_descriptor_proto = { "\x0a\xff" } end
    ]])
    local words <const> = 'moonwire call: the server\'s reflection has sent a malformed answer about "greet.Greeter"\n'
    for _, arguments in ipairs { { "greet.Greeter/Hello", hello }, { "Count" }, { "--describe" }, {} } do
      assert.are.same({ 1, {}, words }, { call(nil, server.address, table.unpack(arguments)) })
    end
  end)

  it("may send a descriptor without a name", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      local files = answer.file_descriptor_response
      if files then files.file_descriptor_proto = { "\x12\x01p" } end
    ]])
    local words <const> = 'moonwire call: the server\'s reflection has sent a malformed answer about "greet.Greeter"\n'
    assert.are.same({ 1, {}, words }, { call(nil, server.address, "--describe") })
  end)

  it("may list a service without a name", function()
    local upstream <close> = served()
    local words <const> = 'moonwire call: the server\'s reflection has sent a malformed answer about "*"\n'
    for _, name in ipairs { [[""]], [["a\0b"]] } do
      local server <close> = with_upstream(upstream, ([[
        if answer.list_services_response then answer.list_services_response.service = { { name = %s } } end
      ]]):format(name))
      assert.are.same({ 1, {}, words }, { call(nil, server.address) })
    end
  end)

  it("may send what is no answer", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, "answer = {}")
    local function words(about, kind)
      return ('moonwire call: the server\'s reflection has answered the question about "%s" with '
        .. "neither services, files nor an error: expected %s\n"):format(about, kind)
    end
    assert.are.same({ 1, {}, words("*", "services") }, { call(nil, server.address) })
    assert.are.same({ 1, {}, words("*", "services") }, { call(nil, server.address, "--describe") })
    assert.are.same({ 1, {}, words("*", "services") }, { call(nil, server.address, "greet.Greeter/Hello", hello) })
    local files <close> = with_upstream(upstream, "if not answer.list_services_response then answer = {} end")
    assert.are.same({ 1, {}, words("greet.Greeter", "files") }, { call(nil, files.address) })
  end)

  it("may send the answer to another question", function()
    local upstream <close> = served()
    local twice <close> = with_upstream(upstream, "call:send(answer)")
    local words <const> = 'moonwire call: the server\'s reflection has answered the question about "greet.Greeter" ' ..
      "with services: expected files\n"
    for _, arguments in ipairs { { "Count" }, { "--describe" }, {} } do
      assert.are.same({ 1, {}, words }, { call(nil, twice.address, table.unpack(arguments)) })
    end
    local files <close> = with_upstream(upstream, [[
      if answer.list_services_response then answer = { file_descriptor_response = {} } end
    ]])
    assert.are.same({ 1, {}, 'moonwire call: the server\'s reflection has answered the question about "*" ' ..
      "with files: expected services\n" }, { call(nil, files.address) })
  end)

  it("may list a service that it does not define", function()
    local upstream <close> = served()
    local server <close> = with_upstream(upstream, [[
      local list = answer.list_services_response
      if list then list.service = { { name = "greet.Other" }, { name = "gone.Gone" } } end
    ]])
    local code, lines, stderr = call(nil, server.address)
    assert.are.same({ 0, "gone.Gone (the server has no definition of it)", "" }, { code, lines[#lines], stderr })
    code, lines, stderr = call(nil, server.address, "--describe")
    assert.are.same({ 0, "", "// gone.Gone: the server has no definition of it", "" },
      { code, lines[#lines - 1], lines[#lines], stderr })
  end)

  it("may end without an answer", function()
    local server <close> = served { ["lua/off.lua"] = [[
      local mw = require "moonwire"
      mw.service "grpc.reflection.v1.ServerReflection".ServerReflectionInfo = function(call) end
    ]] }
    local code, _, stderr = call(nil, server.address, "Count")
    assert.are.equal(13, code)
    assert.are.equal("INTERNAL: the server ended the reflection stream without an answer\n", stderr)
  end)
end)
