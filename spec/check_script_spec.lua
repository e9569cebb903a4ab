-- `moonwire check`: mistakes in scripts.
local check = require "support.check"
local project = require "support.project"

local assert_error = check.assert_error

describe("moonwire check of scripts", function()
  describe("names that have no value", function()
    -- The warnings about the script, as "LINE: message", sorted.
    local function warnings(script)
      local code, stderr = check.run(script)
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

  it("shows a syntax error with its line", function()
    assert_error("DIR/lua/greet.lua:2:", "local a = 1\nlocal = 2\n")
  end)

  it("shows an error that a script raises, and those of the other files too", function()
    local code, stderr = check.run("error 'first'", { ["lua/other.lua"] = "\nerror 'second'" })
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
    local files = { ["proto/greet.proto"] = check.proto:gsub("Goodbye%(Request%)", "Goodbye(stream Request)") }
    assert_error(
      "DIR/lua/greet.lua:2: greet.Greeter.Goodbye takes a stream: expected function Service.Goodbye(call), " ..
      "with the messages in call:messages(), got (request, call)",
      Greeter .. "function Greeter.Goodbye(request, call) end", files)
    local streams <const> = "Goodbye(Request) returns (stream "
    files = { ["proto/greet.proto"] = check.proto:gsub("Goodbye%(Request%) returns %(", streams) }
    for _, parameters in ipairs { "(call)", "(call, request)", "(call, req)" } do
      assert_error("DIR/lua/greet.lua:2: greet.Greeter.Goodbye: the handler's first parameter is the request: expected function Service.Goodbye(request, call), got " ..
        parameters, Greeter .. "function Greeter.Goodbye" .. parameters .. " end", files)
    end
    assert_error("greet.Greeter.Hello: the handler's first parameter is the request: expected function Service.Hello(request, call), got (call, request)",
      Greeter .. "function Greeter.Hello(call, request) end")
    assert.are.equal(0, (check.run(Greeter .. "function Greeter.Hello(call) return { text = call.name } end")))
    files = { ["proto/greet.proto"] = check.proto:gsub("Goodbye%(Request%)", "Goodbye(stream Request)") }
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
    for _, call in ipairs { 'sleep("5")', 'topic "t":subscribe():receive("5")' } do
      assert_error("(number expected, got string)", ("require'moonwire'.%s"):format(call))
    end
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

  describe("require", function()
    it("gives the modules of the folder, each loaded once", function()
      local code, stderr = check.run([[
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
      local files <const> = { ["lua/other.lua"] = "require 'greet'" }
      assert_error("requires itself through other modules", "require 'other'", files)
    end)

    it("reports the error of the required module once", function()
      local _, stderr = check.run("require 'other'", { ["lua/other.lua"] = "error 'broken'" })
      assert.matches("DIR/lua/other.lua:1: broken", stderr, 1, true)
      local _, times = stderr:gsub("broken", "")
      assert.are.equal(1, times)
    end)
  end)

  it("names the place of a mw.live whose module is missing or does not load", function()
    assert_error("DIR/lua/greet.lua:2: module 'missing.module' not found in the lua folder\n",
      "\nrequire'moonwire'.live 'missing.module'")
    assert_error("DIR/lua/greet.lua:2: module 'other' failed to load", "\nrequire'moonwire'.live 'other'",
      { ["lua/other.lua"] = "error 'x'" })
  end)
end)
