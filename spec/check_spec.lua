-- `moonwire check`: reports mistakes in a folder before it is served, with the place and the correction.
local project = require "support.project"
local test = require "moonwire.test"

local proto = [[
syntax = "proto3";
package greet;
service Greeter {
  rpc Hello(Request) returns (Reply);
  rpc Goodbye(Request) returns (Reply);
}
message Request { string name = 1; }
message Reply { string text = 1; }
]]

-- Checks a folder with the given script. Returns stderr.
local function check(script, files)
  files = files or {}
  files["proto/greet.proto"] = files["proto/greet.proto"] or proto
  files["lua/greet.lua"] = script
  local folder <close> = project.new(files)
  local code, _, stderr = folder:run "check"
  return code, stderr
end

local function assert_error(expected, script, files)
  local code, stderr = check(script, files)
  assert.are.equal(1, code, stderr)
  assert.is_truthy(stderr:find(expected, 1, true), ("expected %q in %q"):format(expected, stderr))
end

describe("moonwire check", function()
  it("accepts a folder that is right, and names methods without a handler", function()
    local code, stderr = check [[
      local mw = require "moonwire"
      local Greeter = mw.service "greet.Greeter"
      function Greeter.Hello(request) return { text = "Hello " .. request.name } end
    ]]
    assert.are.equal(0, code, stderr)
    assert.matches('msg="no handler: calls are answered with UNIMPLEMENTED" service=greet.Greeter methods=Goodbye\n',
      stderr, 1, true)
  end)

  it("names the methods without a handler in one line a service, of services that scripts handle", function()
    local function service(name, n)
      local methods = {}
      for i = 1, n do methods[i] = ("rpc M%d(M) returns (M);"):format(i) end
      return ("service %s { %s }\n"):format(name, table.concat(methods, " "))
    end
    local code, stderr = check([[
      local mw = require "moonwire"
      mw.service "a.Large".M2 = function(m) return m end
      mw.service "a.Begun"
      mw.service "a.Whole".M1 = function(m) return m end
    ]], { ["proto/a.proto"] = 'syntax = "proto3"; package a; message M { }\n' ..
      service("Large", 20) .. service("Begun", 2) .. service("Whole", 1) .. service("Outbound", 3) })
    assert.are.equal(0, code, stderr)
    local lines = {}
    for line in stderr:gmatch "[^\n]*no handler[^\n]*" do lines[#lines + 1] = line:match "service=.*" end
    assert.are.same({ 'service=a.Begun methods="M1, M2"',
      'service=a.Large methods="M1, M3, M4, M5, M6, M7, M8, M9 and 11 more"' }, lines)
  end)

  it("accepts a folder without scripts", function()
    local folder <close> = project.new {}
    local code, stdout = folder:run "check"
    assert.are.equal(0, code)
    assert.are.equal("ok: 0 services, 0 methods, 0 scripts", stdout)
  end)

  it("refuses a folder that is no project, as serve does, which makes nothing there", function()
    local folder <close> = project.new { ["README"] = "" }
    assert(os.remove(folder.dir .. "/lua"))
    for command, prefix in pairs { check = "", serve = "moonwire: " } do
      local code, _, stderr = folder:run(command)
      assert.are.equal(1, code)
      assert.are.equal(prefix ..
        "DIR: there is neither a folder proto nor a folder lua in it: expected a project folder " ..
        "(mkdir DIR/proto DIR/lua makes it one)\n", stderr)
    end
    assert(not os.rename(folder.dir .. "/data", folder.dir .. "/other"))
    for _, path in ipairs { "proto/a.proto", "moonwire.lua" } do
      folder:write(path, path == "moonwire.lua" and "return {}" or 'syntax = "proto3";')
      assert.are.equal(0, (folder:run "check"))
      os.execute(("rm -r %s/%s"):format(folder.dir, path:match "^[^/]+"))
    end
  end)

  it("counts services, methods and scripts", function()
    local folder <close> = project.new { ["proto/greet.proto"] = proto, ["lua/greet.lua"] = [[
      local Greeter = require "moonwire".service "greet.Greeter"
      function Greeter.Hello(request) return { text = "Hello " .. request.name } end
    ]] }
    assert.are.equal("ok: 1 service, 2 methods (1 without a handler), 1 script", select(2, folder:run "check"))
    folder:write("lua/other.lua", [[
      local Greeter = require "moonwire".service "greet.Greeter"
      function Greeter.Goodbye() return {} end
    ]])
    assert.are.equal("ok: 1 service, 2 methods, 2 scripts", select(2, folder:run "check"))
    folder:write("proto/other.proto",
      'syntax = "proto3"; package other; message M {} service S { rpc Get(M) returns (M); }')
    assert.are.equal("ok: 1 service (1 more without a script), 2 methods, 2 scripts", select(2, folder:run "check"))
  end)

  describe("names that have no value", function()
    -- The warnings about the script, as "LINE: message", sorted.
    local function warnings(script)
      local code, stderr = check(script)
      assert.are.equal(0, code, stderr)
      local lines = {}
      for message, line in stderr:gmatch 'warn[^\n]-msg="([^"]*)" at=[^\n ]*lua/greet.lua:(%d+)' do
        lines[#lines + 1] = line .. ": " .. message
      end
      table.sort(lines)
      return lines
    end

    it("are reported with file and line, without running them", function()
      assert.are.same({
        "10: undefined global pint (did you mean print?)",
        "11: string has no trim",
        "12: undefined global helper",
        "13: os.getenv is not available to scripts: use mw.env",
        "5: mw.status has no notfound (did you mean not_found?)",
        "6: mw has no stor (did you mean store?)",
        "8: mw.log has no warning (did you mean warn?)",
      }, warnings [[
        local mw <const> = require "moonwire" -- mw.nothing()
        local Greeter = mw.service "greet.Greeter"
        local text = "mw.nope()" .. [=[ mw.nope() ]=]
        function Greeter.Hello(request)
          if request.name == "" then return nil, mw.status.notfound("x", text) end
          mw.stor.collection { name = "c" }
          --[==[ mw.nope() ]==]
          mw.log.warning "x"
          local function use(a) a.foo() a:bar() end
          pint(request)
          string.trim(request.name)
          helper { use }
          os.getenv "HOME"
        end
        function Greeter.Goodbye() return {} end
      ]])
    end)

    it("are not reported where they may have one", function()
      assert.are.same({}, warnings [[
        local mw = require("moonwire")
        local Greeter = mw.service "greet.Greeter"
        local unpack = unpack or table.unpack
        local pow = math.pow or function(a, b) return a ^ b end
        function Greeter.Hello(request, call)
          if jit then jit.off() end
          if rawget(mw, "http") then return {} end
          for key, run in pairs {} do run(key) key.x.y() end
          goto done
          ::done::
          local t = { mod = 1, print = 2 } t.mod.x() t:any()
          return { text = (mw.env.SOME_NAME or ""):upper() .. unpack { "" } .. pow(1, 2) .. 0x1p4 .. 1 .. call.method:upper() }
        end
        local function shadowed(mw) return mw.anything() end
        function Greeter.Goodbye() return { text = shadowed { anything = print } } end
      ]])
    end)

    it("are the file's own when it declares _ENV", function()
      assert.are.same({}, warnings [[
        local mw = require "moonwire"
        local Greeter = mw.service "greet.Greeter"
        function Greeter.Hello() return {} end
        function Greeter.Goodbye() local _ENV = { f = print } f "x" return {} end
      ]])
    end)
  end)

  it("raises for a field that a part of the API does not have, with the nearest", function()
    local API = "local mw = require 'moonwire'\n"
    assert_error("DIR/lua/greet.lua:2: mw.status has no notfound (did you mean not_found?)",
      API .. "local x = mw.status.notfound")
    assert_error("DIR/lua/greet.lua:2: mw has no stor (did you mean store?)", API .. "local x = mw.stor")
    assert_error("DIR/lua/greet.lua:2: mw.time has no xyzzy", API .. "local x = mw.time.xyzzy")
    assert_error("DIR/lua/greet.lua:2: moonwire.Topic has no publsh (did you mean publish?)",
      API .. "mw.topic 't':publsh 'x'")
  end)

  it("ends a script that runs on and on", function()
    local expected = "the script ran for more than 1000 ms while it was loaded"
    assert_error("lua/greet.lua:1: " .. expected, "while true do end")
    assert_error("lua/greet.lua:2: " .. expected,
      "local function spin()\nwhile true do end end while true do pcall(spin) end")
    assert_error("lua/greet.lua:1: the script used up the memory",
      "local s = 'x' while true do pcall(function() s = s .. s end) end")
  end)

  it("shows a proto error as protoc gives it", function()
    assert_error('DIR/proto/greet.proto:2:23: "Strin" is not defined', "", {
      ["proto/greet.proto"] = 'syntax = "proto3"; package greet;\nmessage Request {     Strin name = 1; }\n',
    })
  end)

  it("shows a syntax error with its line", function()
    assert_error("DIR/lua/greet.lua:2:", "local a = 1\nlocal = 2\n")
  end)

  it("shows an error that a script raises, and those of the other files too", function()
    local code, stderr = check("error 'first'", { ["lua/other.lua"] = "\nerror 'second'" })
    assert.are.equal(1, code)
    assert.matches("DIR/lua/greet.lua:1: first", stderr, 1, true)
    assert.matches("DIR/lua/other.lua:2: second", stderr, 1, true)
  end)

  it("refuses a service that is not in the schema", function()
    assert_error("DIR/lua/greet.lua:1: mw.service: no service greet.Greter in the schema (did you mean greet.Greeter?)",
      "require'moonwire'.service 'greet.Greter'")
  end)

  it("lists the services if none is near", function()
    assert_error(
      "DIR/lua/greet.lua:1: mw.service: no service tasks.TaskService in the schema: there is greet.Greeter\n",
      "require'moonwire'.service 'tasks.TaskService'")
    assert_error("mw.service: no service greet.Greeter in the schema, which has none\n",
      "require'moonwire'.service 'greet.Greeter'", { ["proto/greet.proto"] = 'syntax = "proto3";' })
    local many = { 'syntax = "proto3"; package p;' }
    for i = 1, 50 do many[#many + 1] = ("service Service%02d {}"):format(i) end
    assert_error(
      "in the schema: there are p.Service01, p.Service02, p.Service03, p.Service04, p.Service05, p.Service06, ",
      "require'moonwire'.service 'X'", { ["proto/greet.proto"] = table.concat(many, "\n") })
    assert_error(", p.Service19, p.Service20 and 30 more\n", "require'moonwire'.service 'X'",
      { ["proto/greet.proto"] = table.concat(many, "\n") })
    assert_error("there are p.A and p.B\n", "require'moonwire'.service 'X'",
      { ["proto/greet.proto"] = 'syntax = "proto3"; package p; service A {} service B {}' })
  end)

  it("refuses a handler with the parameters of another type of call", function()
    local Greeter = "local Greeter = require'moonwire'.service 'greet.Greeter'\n"
    assert_error("DIR/lua/greet.lua:2: greet.Greeter.Hello: the handler has a parameter self: define it with a dot, " ..
      "function Service.Hello(request, call), not with a colon", Greeter .. "function Greeter:Hello(request, call) end")
    local files = { ["proto/greet.proto"] = proto:gsub("Goodbye%(Request%)", "Goodbye(stream Request)") }
    assert_error(
      "DIR/lua/greet.lua:2: greet.Greeter.Goodbye takes a stream: expected function Service.Goodbye(call), " ..
      "with the messages in call:messages(), got (request, call)",
      Greeter .. "function Greeter.Goodbye(request, call) end", files)
    files = { ["proto/greet.proto"] = proto:gsub("Goodbye%(Request%) returns %(", "Goodbye(Request) returns (stream ") }
    for _, parameters in ipairs { "(call)", "(call, request)", "(call, req)" } do
      assert_error("DIR/lua/greet.lua:2: greet.Greeter.Goodbye: the handler's first parameter is the request: expected function Service.Goodbye(request, call), got " ..
        parameters, Greeter .. "function Greeter.Goodbye" .. parameters .. " end", files)
    end
    assert_error("greet.Greeter.Hello: the handler's first parameter is the request: expected function Service.Hello(request, call), got (call, request)",
      Greeter .. "function Greeter.Hello(call, request) end")
    assert.are.equal(0, (check(Greeter .. "function Greeter.Hello(call) return { text = call.name } end")))
    files = { ["proto/greet.proto"] = proto:gsub("Goodbye%(Request%)", "Goodbye(stream Request)") }
    assert_error(
      "greet.Greeter.Goodbye: the handler has a parameter self: define it with a dot, function Service.Goodbye(call),",
      Greeter .. "function Greeter:Goodbye(call) end", files)
    local folder <close> = project.new { ["proto/greet.proto"] = files["proto/greet.proto"],
      ["lua/greet.lua"] = Greeter .. [[
      function Greeter.Hello(request, context, more) end
      function Greeter.Goodbye(stream, options) end
    ]] }
    local code, _, stderr = folder:run "check"
    assert.are.equal(0, code, stderr)
  end)

  it("refuses seconds that are text", function()
    local words <const> = "DIR/lua/greet.lua:2: bad argument #1 to 'every' (number expected, got string)"
    assert_error(words, 'local mw = require "moonwire"\nmw.every("5", function() end)')
    assert_error(words, 'local mw = require "moonwire"\nmw.every("5s", function() end)')
  end)

  it("warns of an empty script", function()
    local folder <close> = project.new {
      ["proto/greet.proto"] = proto, ["lua/empty.lua"] = "",
      ["lua/lines.lua"] = " \n\t\n", ["lua/words.lua"] = "return {}" }
    local code, _, stderr = folder:run "check"
    assert.are.equal(0, code, stderr)
    assert.matches('msg="the script is empty: it registers nothing" at=[^ ]*lua/empty.lua', stderr)
    assert.matches('msg="the script is empty: it registers nothing" at=[^ ]*lua/lines.lua', stderr)
    assert.is_nil(stderr:find("words.lua", 1, true))
  end)

  it("refuses a handler that is no method", function()
    assert_error("DIR/lua/greet.lua:2: greet.Greeter: no method Helo in the schema (did you mean Hello?)",
      "local Greeter = require'moonwire'.service 'greet.Greeter'\nfunction Greeter.Helo() end")
  end)

  it("refuses a handler that is no function", function()
    assert_error("greet.Greeter.Hello: expected a function, got number",
      "require'moonwire'.service 'greet.Greeter'.Hello = 1")
  end)

  it("refuses a second handler of a method, and says where the first is", function()
    assert_error("greet.Greeter.Hello has a handler already, at DIR/lua/greet.lua:2",
      "local Greeter = require'moonwire'.service 'greet.Greeter'\n" ..
      "function Greeter.Hello() end\nfunction Greeter.Hello() end")
    local long = ("lua/%s/first.lua"):format(("long"):rep(20))
    assert_error("greet.Greeter.Hello has a handler already, at DIR/" .. long .. ":1",
      "require'moonwire'.service 'greet.Greeter'.Hello = function() end\nreturn 1",
      { [long] = "require'moonwire'.service 'greet.Greeter'.Hello = function() end",
        ["lua/a.lua"] = ("require '%s.first'"):format(("long"):rep(20)) })
  end)

  it("refuses a write to a global", function()
    assert_error("DIR/lua/greet.lua:1: assignment to undefined global 'count': declare it with 'local count' first",
      "count = 0")
  end)

  it("refuses what would stop or block the server", function()
    assert_error("os.exit is not available to scripts: a script cannot stop the server", "os.exit()")
    assert_error("os.execute is not available to scripts", "os.execute 'true'")
    assert_error("io.open is not available to scripts: it would block every call of the worker: use mw.fs and mw.log",
      "io.open 'x'")
    assert_error("debug.sethook is not available to scripts", "debug.sethook()")
    assert_error("string.dump is not available to scripts", "string.dump(print)")
    assert_error("dofile is not available to scripts", "dofile 'x'")
  end)

  it("refuses an interceptor of what does not exist", function()
    assert_error("mw.intercept: expected ([name,] function), the name comes first",
      'require("moonwire").intercept(function(call, next) return next() end, "greet.Greeter")')
    assert_error("mw.intercept: no service greet.Greter in the schema (did you mean greet.Greeter?)",
      "require'moonwire'.intercept('greet.Greter', function() end)")
    assert_error("mw.intercept: no method greet.Greeter/Helo in the schema (did you mean greet.Greeter/Hello?)",
      "require'moonwire'.intercept('greet.Greeter/Helo', function() end)")
    assert_error('mw.intercept: no service Nothing in the schema, expected a name like "tasks.TaskService" or "tasks.TaskService/GetTask"',
      "require'moonwire'.intercept('Nothing', function() end)")
  end)

  it("refuses binary chunks", function()
    local bytes = string.dump(function() end)
    assert_error("DIR/lua/greet.lua: attempt to load a binary chunk", bytes)
    assert_error("attempt to load a binary chunk", ("assert(load(%q))"):format(bytes))
  end)

  it("refuses to wait while a script loads", function()
    assert_error("mw.sleep cannot wait here", "require'moonwire'.sleep(1)")
  end)

  describe("a file that begins with a byte order mark or a #! line", function()
    local heads <const> = { "\xEF\xBB\xBF", "#!/usr/bin/env moonwire\n", "\xEF\xBB\xBF#!/usr/bin/env moonwire\n", "#",
      "\xEF\xBB\xBF#" }

    it("is a script and settings like any other", function()
      for _, head in ipairs(heads) do
        local folder <close> = project.new { ["lua/greet.lua"] = head .. "\nreturn {}",
          ["moonwire.lua"] = head .. "\nreturn {}" }
        local code, _, stderr = folder:run "check"
        assert.are.equal(0, code, stderr)
      end
    end)

    it("keeps the numbers of its lines", function()
      assert_error("DIR/lua/greet.lua:2: here", "#!/usr/bin/env moonwire\nerror 'here'")
      assert_error("DIR/lua/greet.lua:1: here", "\xEF\xBB\xBFerror 'here'")
      assert_error("DIR/moonwire.lua:2: grace: expected seconds", "", {
        ["moonwire.lua"] = "\xEF\xBB\xBF#!x\nreturn { grace = -1 }" })
    end)

    it("is still no binary chunk", function()
      assert_error("DIR/lua/greet.lua:2: unexpected symbol near", "#!x\n\27Lua")
      assert_error("DIR/lua/greet.lua: attempt to load a binary chunk", "\xEF\xBB\xBF\27Lua")
    end)
  end)

  describe("require", function()
    it("gives the modules of the folder, each loaded once", function()
      local code, stderr = check([[
        local a, b = require "util.count", require "util.count"
        assert(a == b and a.loads == 1)
      ]], { ["lua/util/count.lua"] = "local M = { loads = 0 }\nM.loads = M.loads + 1\nreturn M" })
      assert.are.equal(0, code, stderr)
    end)

    it("names the module that was meant", function()
      assert_error("module 'utli' not found in the lua folder (did you mean 'util'?)", "require 'utli'",
        { ["lua/util.lua"] = "return {}" })
      assert_error("DIR/lua/greet.lua:2: module 'gone' not found in the lua folder", "\nrequire 'moonwire'.live 'gone'")
    end)

    it("tells of modules that require each other", function()
      assert_error("requires itself, by way of others", "require 'other'", { ["lua/other.lua"] = "require 'greet'" })
    end)

    it("reports the error of the required module once", function()
      local _, stderr = check("require 'other'", { ["lua/other.lua"] = "error 'broken'" })
      assert.matches("DIR/lua/other.lua:1: broken", stderr, 1, true)
      local _, times = stderr:gsub("broken", "")
      assert.are.equal(1, times)
    end)
  end)

  it("refuses settings that are wrong, all at once", function()
    local folder <close> = project.new { ["lua/broken.lua"] = "return )", ["moonwire.lua"] = [[
-- grace = 1
local limits <const> = {
  grace_of = 1, message_byte = 1,
}
return {
  wrkers = 2, ["grace"] = -1,
  limits = limits,
  tls = 5, reload = { specs = 1, protoc_seconds = 0 },
  keepalive = { time = -1, timeout = 0, min_time = "1", permit_without_stream = 1, max_connection_age = 1e7 },
  [1] = 2,
}
]] }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:6: wrkers: no such setting; did you mean workers", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:6: grace: expected seconds from 0 to 86400", stderr, 1, true)
    assert.matches("DIR/moonwire.lua: limits.message_byte: no such setting; did you mean message_bytes",
      stderr, 1, true) -- the group that it belongs to is set on another line
    assert.matches("DIR/moonwire.lua:8: tls: expected a table", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:8: reload.specs: expected true or false", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:8: reload.protoc_seconds: expected seconds from 1 to 86400", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.time: expected seconds from 0 (never) to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.timeout: expected seconds from 0.01 to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.min_time: expected seconds from 0 (no limit) to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.permit_without_stream: expected true or false", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.max_connection_age: expected seconds from 0 (no limit) to 1e6",
      stderr, 1, true)
    assert.matches("DIR/moonwire.lua: [...]: settings have names", stderr, 1, true)
    assert.matches("DIR/lua/broken.lua:1: unexpected symbol", stderr, 1, true)
  end)

  it("names the limit that a schema is too large for", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; message A { string text = 1; }',
      ["moonwire.lua"] = "return { limits = { memory_bytes = 65536 } }",
    }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches(
      "not enough memory for the schema, which has %d+ message types: expected larger limits.memory_bytes, "
      .. "or fewer types", stderr)
  end)

  it("refuses what is no list of folders of protos", function()
    for _, wrong in ipairs { "5", "{}", "''", "{ 'proto', 1 }", "{ '' }", "{" .. ("'a',"):rep(17) .. "}" } do
      local folder <close> = project.new { ["moonwire.lua"] = "return {\n proto = " .. wrong .. " }" }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches("DIR/moonwire.lua:2: proto: expected a folder, or a list of 1 to 16", stderr, 1, true)
    end
  end)

  it("looks up imports in the folders of the setting proto, and names the one that has a finding", function()
    local files = {
      ["contract/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }',
      ["third=party/b.proto"] = 'syntax = "proto3"; message B {}',
      ["third=party/unused.proto"] = "no proto",
      ["moonwire.lua"] = "return { proto = { 'contract', 'third=party' } }",
    }
    local folder <close> = project.new(files)
    assert.are.equal(0, (folder:run "check"))
    files["third=party/b.proto"] = 'syntax = "proto3"; message B { Nix x = 1; }'
    local broken <close> = project.new(files)
    local code, _, stderr = broken:run "check"
    assert.are.equal(1, code)
    assert.matches('DIR/third=party/b.proto:1:32: "Nix" is not defined.', stderr, 1, true)
    files["moonwire.lua"] = "return {\n proto = { 'contrct', 'moonwire.lua' } }"
    local missing <close> = project.new(files)
    code, _, stderr = missing:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/contrct: No such file or directory", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/moonwire.lua: Not a directory", stderr, 1, true)
  end)

  it("looks up imports in the folders of protos also when other settings are wrong", function()
    local files = {
      ["contract/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }',
      ["third/b.proto"] = 'syntax = "proto3"; message B {}',
      ["lua/a.lua"] = 'nope()',
    }
    local function assert_findings(settings, ...)
      files["moonwire.lua"] = "return {\n proto = { " .. settings .. " }"
      local folder <close> = project.new(files)
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      for _, finding in ipairs { ... } do assert.matches(finding, stderr, 1, true) end
      assert.is_nil(stderr:find("b.proto", 1, true), stderr)
      return select(2, stderr:gsub("moonwire%.lua:", ""))
    end
    local script <const> = "DIR/lua/a.lua:1: attempt to call a nil value (global 'nope')"
    assert.are.equal(1, assert_findings("'contract', 'third' },\n lisen = 1", "DIR/moonwire.lua:3: lisen: ", script))
    assert_findings("'contract', 'third' },\n tls = { cert = 'nope', key = 'nope' }", "DIR/moonwire.lua:3: tls.cert: ",
      script)
    for _, wrong in ipairs { "lisen = 1", "tls = { cert = 'nope', key = 'nope' }" } do
      local missing <const> = "DIR/moonwire.lua:2: proto: DIR/thrd: No such file or directory"
      assert_findings("'contract', 'thrd' },\n " .. wrong, "DIR/moonwire.lua:3: " .. wrong:match "%a+", missing)
    end
  end)

  it("loads a script once for all of its names, links to it and to its folder", function()
    local folder <close> = project.new {
      ["proto/greet.proto"] = proto,
      ["lua/n/x.lua"] = 'local mw = require "moonwire"\n' ..
        'mw.service "greet.Greeter".Hello = function() return {} end\nreturn { name = ... }',
      ["lua/z.lua"] = [[
        local mw = require "moonwire"
        for _, name in ipairs { "n.x", "a.x", "m.x", "up.n.x", "n.up.up.m.x", "b", "n.c" } do
          assert(require(name) == require "n.x", name)
          assert(mw.live(name).name == require "n.x".name, name)
        end
        local function fails(name, words)
          local ok, err = pcall(require, name)
          assert(not ok and err:find(words, 1, true), err)
        end
        fails("m.y", "lua/z.lua:7: module 'm.y' not found in the lua folder")
        fails("up.z", "module 'up.z' requires itself")
        fails("m." .. ("x"):rep(5000), "not found in the lua folder")
      ]],
    }
    assert(os.execute("cd " .. folder.dir
      .. "/lua && ln -s n a && ln -s n m && ln -s .. n/up && ln -s n/x.lua b.lua && ln -s x.lua n/c.lua"
      .. " && ln -s . up"))
    local code, stdout, stderr = folder:run "check"
    assert.are.equal("", (stderr:gsub("[^\n]*no handler[^\n]*\n", "")))
    assert.are.equal(0, code)
    assert.matches("2 scripts", stdout, 1, true)
  end)

  it("refuses a folder of imports within the one that is compiled", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; import "t.proto"; message A { T t = 1; }',
      ["proto/third/t.proto"] = 'syntax = "proto3"; message T {}',
      ["proto2/u.proto"] = 'syntax = "proto3"; message U {}',
      ["moonwire.lua"] = "return {\n proto = { 'proto', 'proto2', 'proto/third' } }",
    }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/proto/third lies in DIR/proto, whose files are compiled: " ..
      "expected a folder apart from it", stderr, 1, true)
  end)

  it("refuses TLS without a certificate or a key", function()
    local function missing(tls, name)
      local folder <close> = project.new { ["moonwire.lua"] = ("return { tls = { %s } }"):format(tls) }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches(("DIR/moonwire.lua: tls.%s: expected a PEM file, as tls has other settings"):format(name), stderr,
        1, true)
    end
    missing('cert = "a.pem"', "key")
    missing('key = "a.pem"', "cert")
    missing('client_ca = "a.pem"', "cert")
    missing('client_ca = "a.pem"', "key")
  end)

  describe("limits in the settings", function()
    -- name -> smallest value, largest value, their form in the error
    local limits <const> = {
      message_bytes = { 1, 2147483647, "bytes from 1 to 2147483647" },
      metadata_bytes = { 1024, 16777216, "bytes from 1024 to 16777216" },
      unpack_bytes = { 4096, 1e12, "bytes from 4096 to 1e12" },
      unsent_messages = { 1, 1000000, "an integer from 1 to 1000000" },
      slice_ms = { 0, 3600000, "milliseconds from 0 to 3600000" },
      memory_bytes = { 0, 1e12, "bytes from 0 to 1e12" },
      weak_keys = { 0, 1e9, "an integer from 0 to 1e9" },
      connections = { 1, 1000000, "an integer from 1 to 1000000" },
      streams = { 1, 1000000, "an integer from 1 to 1000000" },
      stream_resets = { 1, 1e9, "an integer from 1 to 1e9" },
      control_frames = { 100, 1e9, "an integer from 100 to 1e9" },
      handshake_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      message_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      send_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      buffer_bytes = { 65536, 1e12, "bytes from 65536 to 1e12" },
    }

    -- Checks a folder whose moonwire.lua sets each limit, on a line of its own, to the Lua text that `value` returns.
    local function check_limits(value)
      local lines, names = { "return { limits = {" }, {}
      for name, limit in pairs(limits) do
        names[#names + 1] = name
        local whole = limit[3]:find "^an integer" or limit[3]:find "^bytes"
        lines[#lines + 1] = ("%s = %s,"):format(name, value(limit, whole))
      end
      lines[#lines + 1] = "} }"
      local folder <close> = project.new { ["moonwire.lua"] = table.concat(lines, "\n") }
      local code, _, stderr = folder:run "check"
      return code, stderr, names
    end

    local function refuses_each(value)
      local code, stderr, names = check_limits(value)
      assert.are.equal(1, code, stderr)
      for i, name in ipairs(names) do
        local words = ("DIR/moonwire.lua:%d: limits.%s: expected %s\n"):format(i + 1, name, limits[name][3])
        assert.is_truthy((stderr .. "\n"):find(words, 1, true), ("expected %q in %q"):format(words, stderr))
      end
    end

    it("may have their smallest and their largest value", function()
      assert.are.equal(0, (check_limits(function(limit) return limit[1] end)))
      assert.are.equal(0, (check_limits(function(limit) return ("%.0f"):format(limit[2]) end)))
    end)

    it("are refused below and above, each by its name", function()
      refuses_each(function(limit) return limit[1] - (limit[1] < 1 and 0.001 or 1) end)
      refuses_each(function(limit) return ("%.0f"):format(limit[2] + 1) end)
      refuses_each(function() return -1 end)
      refuses_each(function() return "0/0" end)
    end)

    it("are refused when they are no number, or no whole one where it takes that", function()
      refuses_each(function(limit) return ("'%s'"):format(limit[1]) end)
      refuses_each(function() return "true" end)
      refuses_each(function(limit, whole) return whole and limit[1] + 0.5 or "{}" end)
    end)
  end)

  local function refuses_settings(expected, text)
    local folder <close> = project.new { ["moonwire.lua"] = text }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches(expected, stderr, 1, true)
  end

  it("refuses settings that do not compile or raise, with file and line", function()
    refuses_settings("DIR/moonwire.lua:2: unexpected symbol near '='", "return {\n grace = = 1 }")
    refuses_settings("DIR/moonwire.lua:2: no", "\nerror 'no'")
    refuses_settings("assignment to undefined global 'port'", "port = 50051")
    refuses_settings("DIR/moonwire.lua: attempt to load a binary chunk", "\27Lua")
    refuses_settings("DIR/moonwire.lua: C stack overflow", "return " .. ("{"):rep(300) .. ("}"):rep(300))
  end)

  describe("what serve would refuse in the settings", function()
    -- Asserts that `check` and `serve` refuse the folder with the same words.
    local function refuses(words, settings, files)
      files = files or {}
      files["moonwire.lua"] = settings
      local folder <close> = project.new(files)
      for _, command in ipairs { "check", "serve" } do
        local code, _, stderr = folder:run(command)
        assert.are.equal(1, code, stderr)
        assert.is_truthy(stderr:find(words, 1, true), ("%s: expected %q in %q"):format(command, words, stderr))
      end
    end

    it("is an address that is none", function()
      local form = ": expected HOST:PORT with a port from 0 to 65535, like 127.0.0.1:50051 or [::1]:50051, or unix:PATH"
      refuses("DIR/moonwire.lua:2: listen: localhost" .. form, "return {\n listen = 'localhost' }")
      refuses("DIR/moonwire.lua:2: listen: 127.0.0.1:70000" .. form,
        "return {\n listen = { '127.0.0.1:0', '127.0.0.1:70000' } }")
      refuses("DIR/moonwire.lua:1: listen: unix:: expected unix:PATH with a path of 1 to 107 bytes",
        "return { listen = 'unix:' }")
      refuses("DIR/moonwire.lua:1: listen: expected \"HOST:PORT\" or \"unix:PATH\", or a list of at most 16",
        "return { listen = 50051 }")
    end)

    it("is an address that cannot be had", function()
      refuses("DIR/moonwire.lua:2: listen: cannot listen on 192.0.2.1:50051: Cannot assign requested address",
        "return {\n listen = '192.0.2.1:50051' }")
      refuses("DIR/moonwire.lua:2: listen: cannot listen on unix:DIR/no/socket: No such file or directory",
        "return {\n listen = 'unix:no/socket' }")
      refuses(
        "DIR/moonwire.lua:1: listen: cannot listen on unix:DIR/a: there is a file of that name which is no socket",
        "return { listen = 'unix:a' }", { a = "" })
      refuses("DIR/moonwire.lua:1: listen: cannot listen on no.such.host.invalid:1: ",
        "return { listen = 'no.such.host.invalid:1' }")
    end)

    it("is no port in use", function()
      local server <close>, address = test.serve()
      local folder <close> = project.new { ["moonwire.lua"] = ("return { listen = %q }"):format(address) }
      local code, _, stderr = folder:run "check"
      assert.are.equal(0, code, stderr)
      server:kill()
      assert.are.equal(0, (server:wait()))
    end)

    it("is a certificate, a key or an authority that cannot be used", function()
      local path <const> = os.tmpname()
      local make =
        "cd $(mktemp -d) && for i in a b; do openssl req -x509 -newkey rsa:2048 -nodes -keyout $i.key -out $i.crt " ..
        "-days 2 -subj /CN=localhost 2>/dev/null || exit 1; done; cat a.key a.crt b.key b.crt > " .. path
      assert(os.execute(make))
      local pem <close> = assert(io.open(path))
      local key, cert, other_key =
        pem:read "a":match "^(.-END PRIVATE KEY%-+\n)(.-END CERTIFICATE%-+\n)(.-END PRIVATE KEY%-+\n)"
      os.remove(path)
      local settings = "return { tls = {\n cert = 'a.crt',\n key = 'a.key',\n client_ca = 'ca.crt' } }"
      local function refuses_file(words, files) refuses("DIR/moonwire.lua:" .. words, settings, files) end
      refuses_file("2: tls.cert: TLS certificate: DIR/a.crt: No such file or directory", {})
      refuses_file('2: tls.cert: TLS certificate: DIR/a.crt: not a PEM file (no "-----BEGIN" line)',
        { ["a.crt"] = "x" })
      refuses_file("2: tls.cert: TLS certificate: DIR/a.crt: ", { ["a.crt"] = key, ["a.key"] = key, ["ca.crt"] = cert })
      refuses_file("3: tls.key: TLS key: DIR/a.key: No such file or directory", { ["a.crt"] = cert })
      refuses_file("3: tls.key: TLS key: DIR/a.key: is not the key of the certificate DIR/a.crt",
        { ["a.crt"] = cert, ["a.key"] = other_key, ["ca.crt"] = cert })
      refuses_file("4: tls.client_ca: TLS CA certificates: DIR/ca.crt: No such file or directory",
        { ["a.crt"] = cert, ["a.key"] = key })
      refuses_file("4: tls.client_ca: TLS CA certificates: DIR/ca.crt: ",
        { ["a.crt"] = cert, ["a.key"] = key, ["ca.crt"] = cert:gsub("\n%w", "\n!") })
    end)

    it("is a path that cannot be", function()
      refuses("DIR/moonwire.lua:2: data: cannot make the data folder DIR/file/data: Not a directory",
        "return {\n data = 'file/data' }", { file = "" })
      refuses("DIR/moonwire.lua:1: data: expected a folder or \":memory:\"", "return { data = '' }")
      refuses("DIR/moonwire.lua:1: tls.cert: expected a PEM file", "return { tls = { cert = '', key = 'k' } }")
      refuses("DIR/moonwire.lua:1: files.folders: / holds the data folder DIR/data: expected a folder apart from it",
        "return { files = { folders = '/' } }")
    end)

    it("is no default data folder, as there is --data", function()
      local folder <close> = project.new { ["data"] = "a file" }
      assert.are.equal(0, (folder:run "check"))
      assert.are.equal(1, (folder:run "serve"))
    end)

    it("is reported all at once, and touches nothing", function()
      local folder <close> = project.new { ["moonwire.lua"] = [[return {
        listen = { "192.0.2.1:1", "unix:no/socket" },
        tls = { cert = "a.crt", key = "a.key" },
        data = "some/where",
        files = { folders = "/" },
      }]] }
      local code, _, stderr = folder:run "serve"
      assert.are.equal(1, code)
      local _, _, checked = folder:run "check"
      for _, words in ipairs {
        "moonwire.lua:2: listen: cannot listen on 192.0.2.1:1", "moonwire.lua:2: listen: cannot listen on unix",
        "moonwire.lua:3: tls.cert:", "moonwire.lua:5: files.folders:",
      } do
        assert.matches(words, stderr, 1, true)
        assert.matches(words, checked, 1, true)
      end
      assert(not os.rename(folder.dir .. "/some", folder.dir .. "/other"))
    end)
  end)

  it("reports every setting that is wrong at once, each with its line", function()
    local folder <close> = project.new { ["moonwire.lua"] = [[return {
      listen = { "localhost", "192.0.2.1:1", 5 },
      workers = 0, grcae = 1,
      tls = { cert = 5, client_ca = "ca.pem" },
      files = { folders = { "relative", "/x/../y" } },
      proto = { "nope", "absent" },
      data = "file/data",
    }]], file = "" }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    for _, words in ipairs {
      "moonwire.lua:2: listen: localhost: expected HOST:PORT", "moonwire.lua:2: listen: cannot listen on 192.0.2.1:1",
      'moonwire.lua:2: listen: expected "HOST:PORT"', "moonwire.lua:3: workers: expected",
      "moonwire.lua:3: grcae: no such setting", "moonwire.lua:4: tls.cert: expected a PEM file\n",
      "moonwire.lua: tls.key: expected a PEM file, as tls has other settings",
      "moonwire.lua:5: files.folders: expected an absolute path", "moonwire.lua:6: proto: DIR/nope: No such file",
      "moonwire.lua:6: proto: DIR/absent: No such file",
      "moonwire.lua:7: data: cannot make the data folder DIR/file/data: Not a directory",
    } do
      assert.is_truthy(stderr:find(words, 1, true), ("expected %q in %q"):format(words, stderr))
    end
    assert.are.equal(2, select(2, stderr:gsub("files%.folders", "")))
    assert.is_nil(stderr:find("tls.cert: expected a PEM file, as", 1, true))
  end)

  it("refuses files in UTF-16 or UTF-32 in one line each", function()
    local function wide(text, width, head)
      return head .. text:gsub(".", "%0" .. ("\0"):rep(width - 1))
    end
    for name, encode in pairs {
      ["UTF-16"] = function(text) return wide(text, 2, "\xff\xfe") end,
      ["UTF-32"] = function(text) return wide(text, 4, "") end,
    } do
      local text = encode('syntax = "proto3"; message B {}\n')
      local folder <close> = project.new {
        ["proto/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }', ["other/b.proto"] = text,
        ["moonwire.lua"] = "return { proto = { 'proto', 'other' } }",
      }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches("DIR/other/b.proto: expected UTF-8, got " .. name .. "\n", stderr, 1, true)
      folder:write("moonwire.lua", encode "return {}")
      folder:write("proto/a.proto", text)
      folder:write("lua/a.lua", encode "local a = 1")
      _, _, stderr = folder:run "check"
      assert.are.equal(
        ("DIR/moonwire.lua: expected UTF-8, got %s\nDIR/proto/a.proto: expected UTF-8, got %s\n"):format(name, name),
        stderr)
      folder:write("proto/a.proto", "")
      _, _, stderr = folder:run "check"
      assert.matches("DIR/lua/a.lua: expected UTF-8, got " .. name, stderr, 1, true)
    end
  end)

  it("bounds the errors of one proto file", function()
    local fields = {}
    for i = 1, 500 do fields[i] = ("Nope%d f%d = %d;"):format(i, i, i) end
    local files = { ["proto/a.proto"] = 'syntax = "proto3"; message A {\n' .. table.concat(fields, "\n") .. "\n}" }
    local folder <close> = project.new(files)
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.are.equal(21, select(2, stderr:gsub("\n", "")))
    assert.matches('DIR/proto/a.proto:21:1: "Nope20" is not defined.\nDIR/proto/a.proto: 480 more errors\n', stderr, 1,
      true)
  end)

  it("names a script that is empty", function()
    for _, text in ipairs { "", " \n\n" } do
      local code, stderr = check(text)
      assert.are.equal(0, code)
      assert.matches('msg="the script is empty: it registers nothing" at=[^\n]*lua/greet.lua\n', stderr)
    end
  end)

  it("refuses a time that is a text", function()
    for _, call in ipairs { 'every("5", print)', 'sleep("5")', 'topic "t":subscribe():receive("5")' } do
      assert_error("(number expected, got string)", ("require'moonwire'.%s"):format(call))
    end
  end)

  it("names the place of a mw.live whose module is missing or does not load", function()
    assert_error("DIR/lua/greet.lua:2: module 'missing.module' not found in the lua folder\n",
      "\nrequire'moonwire'.live 'missing.module'")
    assert_error("DIR/lua/greet.lua:2: module 'other' failed to load", "\nrequire'moonwire'.live 'other'",
      { ["lua/other.lua"] = "error 'x'" })
  end)

  it("waits for no settings in a FIFO", function()
    local folder <close> = project.new {}
    assert(os.execute("mkfifo " .. folder.dir .. "/moonwire.lua"))
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("moonwire.lua: not a regular file", stderr, 1, true)
  end)

  it("ends settings that run away", function()
    local words = "DIR/moonwire.lua:1: the script ran for more than 1000 ms while it was loaded"
    refuses_settings(words, "while true do end")
    refuses_settings(words, "while true do pcall(function() while true do end end) end")
    refuses_settings(words, "return coroutine.wrap(function() while true do end end)()")
    refuses_settings("the script ran for more than 1000 ms",
      "return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))")
    refuses_settings("DIR/moonwire.lua:1: the settings used up 67108864 bytes of memory",
      "local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end")
  end)

  it("lets settings read the environment, and nothing else", function()
    local folder <close> = project.new { ["moonwire.lua"] = "return { workers = tonumber(os.getenv 'SPEC_WORKERS') }" }
    for workers, code in pairs { ["2"] = 0, ["0"] = 1 } do
      local process <close> = test.start({ "check", folder.dir }, { env = { SPEC_WORKERS = workers } })
      assert.are.equal(code, (process:wait()))
    end
    refuses_settings("io.open is not available to scripts", "io.open 'x'")
    refuses_settings("os.exit is not available to scripts", "os.exit()")
  end)

  it("refuses a settings file that returns no table", function()
    local folder <close> = project.new { ["moonwire.lua"] = "return 5" }
    local _, _, stderr = folder:run "check"
    assert.matches("expected the file to return a table of settings, got number", stderr, 1, true)
  end)

  it("exits with 1 for a folder that is not there", function()
    local folder <close> = project.new {}
    folder.dir = folder.dir .. "/absent"
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR: No such file or directory", stderr, 1, true)
  end)
end)
