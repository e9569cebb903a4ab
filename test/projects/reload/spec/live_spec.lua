-- mw.live: the newest version of a module, for calls and jobs of older generations too.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local words <const> = copy.words

-- A handler Say that runs `body`, where `live` is the proxy of lua/words.lua.
local function say(body)
  return ([[
local mw = require "moonwire"
local live = mw.live "words"
local Reload = mw.service "reload.Reload"
function Reload.Say() %s end
]]):format(body)
end

describe("mw.live", function()
  local function talk(stream)
    assert.is_true(stream:send {})
    local reply, status = stream:receive()
    return reply and reply.text or tostring(status)
  end

  it("shows an open stream what was saved", function()
    local folder <close> = copy.serve()
    local stream <close> = folder.client:Talk()
    assert.equal("one one", talk(stream))
    folder:commit("lua/words.lua", words "two")
    assert.equal("one two", talk(stream))
    folder:commit("lua/words.lua", words "three")
    assert.equal("one three", talk(stream))
  end)

  it("keeps the last good version of a broken module", function()
    local folder <close> = copy.serve()
    local stream <close> = folder.client:Talk()
    assert.equal("one one", talk(stream))
    assert.matches("lua/words.lua:1: ", folder:refused("lua/words.lua", "return { word = "), 1, true)
    assert.equal("one one", talk(stream))
  end)

  it("keeps the last version of a module that is no more, and says so", function()
    local folder <close> = copy.serve()
    local stream <close> = folder.client:Talk()
    assert.equal("one one", talk(stream))
    local log = folder:expect("generation %d+ is live", function()
      folder:write("lua/reload.lua", "return {}")
      folder:delete "lua/words.lua"
    end)
    if not log:find "its last version stays" then -- read as two saves: the second one removes the module
      test.eventually(function() return folder:count "its last version stays in force" > 0 end)
    end
    assert.matches("mw.live: module 'words' is no longer in the lua folder", folder.server.stderr, 1, true)
    assert.equal("one one", talk(stream))
    folder:expect("generation %d+ is live", function() folder:write("lua/words.lua", words "back") end)
    assert.equal("one back", talk(stream))
  end)

  it("fails the load of a script that names a module there is not", function()
    local folder <close> = copy.serve()
    local log = folder:refused("lua/reload.lua", 'require "moonwire".live "wrods"')
    assert.matches("module 'wrods' not found in the lua folder (did you mean 'words'?)", log, 1, true)
  end)

  local function evaluates(expected, module, body)
    it("does " .. body, function()
      local folder <close> = copy.serve(nil, { ["lua/words.lua"] = module, ["lua/reload.lua"] = say(body) })
      local reply, status = folder.client:Say {}
      assert.equal(expected, reply and reply.text, tostring(status))
    end)
  end

  local list <const> = "return setmetatable({ 'a', 'b', 'c' }, { __tostring = function() return 'list' end })"
  evaluates("3", list, "return { text = tostring(#live) }")
  evaluates("list", list, "return { text = tostring(live) }")
  evaluates("abc", list, "local s = '' for _, v in ipairs(live) do s = s .. v end return { text = s }")
  evaluates("abc", list, "local s = '' for _, v in pairs(live) do s = s .. v end return { text = s }")
  evaluates("bc", list, "return { text = table.concat(live, '', 2) }")
  evaluates("true", list, "return { text = tostring(live == require 'moonwire'.live 'words') }")
  evaluates("2 b", "return function(...) return select('#', ...), (select(2, ...)) end",
    "local n, b = live('a', 'b') return { text = n .. ' ' .. b }")
  evaluates("woken", "local mw = require 'moonwire' return function(x) mw.sleep(0.001) return x end",
    "return { text = live 'woken' }")
  evaluates("text", "return 'text'", "return { text = tostring(live) }")
  evaluates("4", "return 'text'", "return { text = tostring(#live) }")

  it("cannot be written to", function()
    local folder <close> = copy.serve(nil, { ["lua/reload.lua"] = say "live.word = 'x'" }, { "--dev" })
    local reply, status = folder.client:Say {}
    assert.is_nil(reply)
    assert.matches("module 'words' is read only through mw.live: its values change with its file; values that " ..
      "scripts change belong in mw.state or the store", status.message .. folder.server.stderr, 1, true)
  end)

  it("may wait and spawn in code of a generation that is gone", function()
    local module <const> = [[
local mw = require "moonwire"
return function(call)
  call:send { text = "%s" }
  call:receive()
  local topic <const> = mw.topic "reload.spawned"
  local spawned = topic:subscribe()
  mw.spawn(function() topic:publish "spawned" end)
  call:send { text = spawned:receive() }
  spawned:close()
end
]]
    local folder <close> = copy.serve(nil, {
      ["lua/words.lua"] = module:format "1",
      ["lua/reload.lua"] = [[
local mw = require "moonwire"
local live = mw.live "words"
local Reload = mw.service "reload.Reload"
function Reload.Talk(call) while true do live(call) end end
]],
    }, { "--workers", "1" })
    local stream <close> = folder.client:Talk()
    for generation = 2, 6 do
      assert.equal(tostring(generation - 1), stream:receive().text)
      folder:commit("lua/words.lua", module:format(generation))
      assert.is_true(stream:send {})
      assert.equal("spawned", stream:receive().text)
    end
  end)

  it("is the generation's own while scripts load", function()
    local check <const> = "assert(live.word == 'one' or live.word == 'two', 'checked: ' .. live.word)"
    local script <const> = say "return {}" .. check
    local folder <close> = copy.serve(nil, { ["lua/reload.lua"] = script })
    assert.matches("checked: nine", folder:refused("lua/words.lua", words "nine"), 1, true)
    folder:commit("lua/words.lua", words "two")
  end)

  it("acts on an open LiveFeed stream of the default service within a second", function()
    local folder <close> = copy.serve "../../.."
    local process <close> = test.start {
      "call", folder.address, "telemetry.TelemetryService/LiveFeed", "-", "--proto", "../../../proto",
    }
    local report <const> = '{"service_name":"web","cpu_usage":50}\n'
    local rules <const> = folder:read "lua/thresholds.lua"
    process:write(report)
    process:write '{"service_name":"web","cpu_usage":99}\n'
    assert.matches("the limit is 90.0", process:read_line(), 1, true)
    local saved = test.now()
    folder:write("lua/thresholds.lua", (rules:gsub("90%.0", "40.0")))
    local raised
    mw.spawn(function() raised = process:read_line() end)
    test.eventually(function()
      process:write(report)
      mw.sleep(0.02)
      return raised
    end)
    assert.matches("the limit is 40.0", raised, 1, true)
    local sanitized = os.execute(("grep -q -e __asan_init -e __tsan_init /proc/%d/exe"):format(folder.server.pid))
    assert.is_true(test.now() - saved < (sanitized and 10 or 1))
  end)
end)
