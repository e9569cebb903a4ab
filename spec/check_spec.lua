-- `moonwire check`: reports mistakes in a folder before it is served, with the place and the correction.
local check = require "support.check"
local project = require "support.project"

describe("moonwire check", function()
  it("accepts a folder that is right, and names methods without a handler", function()
    local code, stderr = check.run [[
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
    local code, stderr = check.run([[
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
    local folder <close> = project.new { ["proto/greet.proto"] = check.proto, ["lua/greet.lua"] = [[
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

  it("warns of an empty script", function()
    local folder <close> = project.new {
      ["proto/greet.proto"] = check.proto, ["lua/empty.lua"] = "",
      ["lua/lines.lua"] = " \n\t\n", ["lua/words.lua"] = "return {}" }
    local code, _, stderr = folder:run "check"
    assert.are.equal(0, code, stderr)
    assert.matches('msg="the script is empty: it registers nothing" at=[^ ]*lua/empty.lua', stderr)
    assert.matches('msg="the script is empty: it registers nothing" at=[^ ]*lua/lines.lua', stderr)
    assert.is_nil(stderr:find("words.lua", 1, true))
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
      check.assert_error("DIR/lua/greet.lua:2: here", "#!/usr/bin/env moonwire\nerror 'here'")
      check.assert_error("DIR/lua/greet.lua:1: here", "\xEF\xBB\xBFerror 'here'")
      check.assert_error("DIR/moonwire.lua:2: grace: expected seconds", "", {
        ["moonwire.lua"] = "\xEF\xBB\xBF#!x\nreturn { grace = -1 }" })
    end)

    it("is still no binary chunk", function()
      check.assert_error("DIR/lua/greet.lua:2: unexpected symbol near", "#!x\n\27Lua")
      check.assert_error("DIR/lua/greet.lua: attempt to load a binary chunk", "\xEF\xBB\xBF\27Lua")
    end)
  end)

  it("loads a script once for all of its names, links to it and to its folder", function()
    local folder <close> = project.new {
      ["proto/greet.proto"] = check.proto,
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

  it("exits with 1 for a folder that is not there", function()
    local folder <close> = project.new {}
    folder.dir = folder.dir .. "/absent"
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR: No such file or directory", stderr, 1, true)
  end)
end)
