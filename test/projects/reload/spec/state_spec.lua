-- mw.state: tables that outlive reloads.
local copy = require "support.copy"

-- A handler Say that appends its text to the state "log", which `f` makes and migrates.
local function script(version, f)
  return ([[
local mw = require "moonwire"
local state = mw.state("log", %s, %s)
local Reload = mw.service "reload.Reload"
function Reload.Say(req)
  state.text = state.text .. req.text
  return { text = state.text }
end
]]):format(version, f)
end

local INIT <const> = "function(old, version) assert(old == nil and version == nil) return { text = '' } end"

describe("mw.state", function()
  local function start(text)
    return copy.serve(nil, { ["lua/reload.lua"] = text or script(1, INIT) }, { "--workers", "1" })
  end

  local function say(folder, text)
    local reply, status = folder.client:Say { text = text }
    return reply and reply.text or tostring(status)
  end

  it("is the same table as long as the version is", function()
    local folder <close> = start()
    assert.equal("a", say(folder, "a"))
    folder:commit("lua/reload.lua", script(1, "error") .. "-- another\n")
    assert.equal("ab", say(folder, "b"))
    folder:commit("lua/words.lua", "return 2")
    assert.equal("abc", say(folder, "c"))
  end)

  it("is migrated to another version", function()
    local folder <close> = start()
    assert.equal("a", say(folder, "a"))
    folder:commit("lua/reload.lua", script(2, "function(old, v) return { text = old.text .. v .. '>2 ' } end"))
    assert.equal("a1>2 b", say(folder, "b"))
    folder:commit("lua/reload.lua", script(2, "error") .. "-- again\n")
    assert.equal("a1>2 bc", say(folder, "c"))
  end)

  it("is untouched by a migration that fails", function()
    local folder <close> = start()
    assert.equal("a", say(folder, "a"))
    local spoil <const> = "function(old) old.text = 'spoilt' error('cannot migrate') end"
    assert.matches("lua/reload.lua:2: cannot migrate", folder:refused("lua/reload.lua", script(2, spoil)), 1, true)
    assert.equal("ab", say(folder, "b"))
  end)

  it("is untouched by a migration of a generation that fails elsewhere", function()
    local folder <close> = start()
    assert.equal("a", say(folder, "a"))
    local migrate <const> = "function(old) old.text = 'migrated' return old end"
    folder:refused("lua/reload.lua", script(2, migrate) .. "error('elsewhere')")
    assert.equal("ab", say(folder, "b"))
    folder:commit("lua/reload.lua", script(1, "error") .. "-- back\n")
    assert.equal("abc", say(folder, "c"))
    folder:commit("lua/reload.lua", script(2, migrate))
    assert.equal("migratedd", say(folder, "d"))
  end)

  it("migrates on a copy of all that the table leads to", function()
    local folder <close> = start(script(1, [[function()
      local s = setmetatable({ text = "", list = {} }, { __index = { kind = "state" } })
      s.self, s[s.list] = s, "key"
      for _ = 1, 10000 do s.list = { next = s.list } end
      return s
    end]]))
    assert.equal("a", say(folder, "a"))
    folder:commit("lua/reload.lua", script(2, [[function(old)
      assert(old.self == old and old.kind == "state")
      local last = old.list
      while last.next do last = last.next end
      assert(old[last] == "key")
      return old
    end]]))
    assert.equal("ab", say(folder, "b"))
  end)

  local function raises(expected, call)
    it("raises " .. expected, function()
      local folder <close> = start()
      local log = folder:refused("lua/reload.lua", 'local mw = require "moonwire"\n' .. call)
      assert.matches("lua/reload.lua:2: ", log, 1, true)
      assert.matches(expected, log, 1, true)
      assert.equal("a", say(folder, "a"))
    end)
  end

  raises("bad argument #1 to 'state' (string expected, got nil)", "mw.state(nil, 1, function() return {} end)")
  raises("bad argument #2 to 'state' (number has no integer representation)", "mw.state('a', 1.5, print)")
  raises("bad argument #3 to 'state' (function expected, got table)", "mw.state('a', 1, {})")
  raises("the function for 'a' must return a table, got nil", "mw.state('a', 1, function() end)")
  raises("another script asks for 'a' in version 1, this one for 2",
    "local f = function() return {} end mw.state('a', 1, f) mw.state('a', 2, f)")

  it("is asked for only while scripts load", function()
    local folder <close> = copy.serve(nil, { ["lua/reload.lua"] = [[
local mw = require "moonwire"
local Reload = mw.service "reload.Reload"
function Reload.Say() mw.state("a", 1, function() return {} end) return {} end
]] }, { "--dev" })
    local reply, status = folder.client:Say {}
    assert.is_nil(reply)
    assert.matches("ask for a state while the script loads", status.message .. folder.server.stderr, 1, true)
  end)
end)
