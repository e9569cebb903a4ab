-- Attempts of a script to leave its environment, and the errors that it receives.
local project = require "support.project"

-- code -> the error it raises while it is loaded
local refused = {
  ["os.exit(0)"] = "os.exit is not available to scripts: a script cannot stop the server",
  ["os.execute 'ls'"] = "os.execute is not available to scripts",
  ["os.getenv 'HOME'"] = "os.getenv is not available to scripts: use mw.env",
  ["io.open 'x'"] = "io.open is not available to scripts",
  ["debug.sethook()"] = "debug.sethook is not available to scripts: it could break out of the script's environment",
  ["debug.getregistry()"] = "debug.getregistry is not available to scripts",
  ["package.loadlib('x', 'y')"] = "package.loadlib is not available to scripts",
  ["package.loaded.debug = 1"] = "package.loaded is not available to scripts",
  ["package.path = 'lua/?.lua'"] =
    "package.path is not available to scripts: modules are the files of the lua folder: use require",
  ["package.cpath = package"] = "package.cpath is not available to scripts",
  ["io.write = print"] = "io.write is not available to scripts",
  ["os.exit = nil"] = "os.exit is not available to scripts",
  ["function debug.traceback() end"] = "debug.traceback is not available to scripts",
  ["dofile 'x'"] = "dofile is not available to scripts",
  ["loadfile 'x'"] = "loadfile is not available to scripts",
  ["require 'debug'"] = "module 'debug' not found",
  ["string.dump(print)"] = "string.dump is not available to scripts: only text chunks can be loaded",
  ["assert(load('\\27Lua', 'chunk', 'b'))"] = "attempt to load a binary chunk (mode is 't')",
  ["assert(load(function() return '\\27Lua' end))"] = "attempt to load a binary chunk (mode is 't')",
  ["assert(load('\\27Lua', '@x.luac'))"] = "x.luac: attempt to load a binary chunk (mode is 't')",
  ["getmetatable('').__index.find = nil"] = "attempt to index a nil value (field '__index')",
  ["getmetatable('').__index = {}"] = "attempt to index a string value",
  ["getmetatable(require 'moonwire'.status.not_found 'x').__index = 1"] = "attempt to index a string value",
  ["getmetatable(_G).__newindex = nil"] = "attempt to index a string value",
  ["setmetatable(_G, nil)"] = "cannot change a protected metatable",
  ["setmetatable(string, nil)"] = "cannot change a protected metatable",
  ["setmetatable({}, {__gc = function() end})"] = "scripts cannot have finalizers (__gc)",
  ["coroutine.wrap(setmetatable)({}, {__gc = 1})"] = "scripts cannot have finalizers (__gc)",
  ["assert(pcall(setmetatable, {}, {__gc = 1}))"] = "scripts cannot have finalizers (__gc)",
  ["local mt = {} setmetatable({}, mt).x = 1 mt.__gc = print setmetatable({}, mt)"] =
    "scripts cannot have finalizers (__gc)",
  ["getmetatable(require 'moonwire'.service 'grpc.health.v1.Health').__index = print"] =
    "attempt to index a string value",
  ["setmetatable(require 'moonwire'.service 'grpc.health.v1.Health', {__index = print})"] =
    "cannot change a protected metatable",
  ["collectgarbage 'stop'"] = "the collector belongs to the server: only \"count\" is available to scripts",
  ["x = 1"] = "assignment to undefined global 'x': declare it with 'local x' first",
  ["_G.x = 1"] = "assignment to undefined global 'x': declare it with 'local x' first",
  ["_ENV.x = 1"] = "assignment to undefined global 'x': declare it with 'local x' first",
  ["rawset(_G, 'x', 1)"] = "scripts cannot write to the globals",
  ["rawset(_ENV, 'x', 1)"] = "scripts cannot write to the globals",
  ["table.insert(_G, 1)"] = "scripts cannot write to the globals",
  ["load 'x = 1' ()"] = "assignment to undefined global 'x': declare it with 'local x' first",
}

-- Harmless code that is allowed.
local allowed = {
  "local _ENV = {} x = 1",
  "assert(load('x = 1 return x', 'chunk', 't', {})() == 1)",
  "local t = setmetatable({}, {__index = {x = 1}}) assert(getmetatable(t).__index.x == 1)",
  "assert(rawset({}, 'x', 1).x == 1)",
  "assert(getmetatable('') == 'protected' and getmetatable({}) == nil)",
  "string.trim = function() end",
  "assert(collectgarbage 'count' > 0)",
  "do local t <close> = setmetatable({}, {__close = function() end}) end",
}

local function check(script)
  local folder <close> = project.new { ["lua/a.lua"] = script }
  local code, _, stderr = folder:run "check"
  return code, stderr
end

describe("a script", function()
  for code, expected in pairs(refused) do
    it(("that tries %s is told why not"):format(code), function()
      local exit, stderr = check(code)
      assert.equal(1, exit)
      assert.matches(expected, stderr, 1, true)
    end)
  end

  it("may do what stays its own", function()
    local exit, stderr = check(table.concat(allowed, "\ndo end\n"):gsub("local _ENV = {} x = 1", "do %0 end"))
    assert.equal(0, exit, stderr)
  end)

  it("does not find what another program left in its libraries", function()
    local script = "assert(not string.mine and not ('').mine) string.mine = 1 assert(not ('').mine)"
    assert.equal(0, (check(script)))
  end)
end)
