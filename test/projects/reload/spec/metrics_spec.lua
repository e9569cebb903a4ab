-- Metrics and log lines of generations.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local script <const> = [[
local mw = require "moonwire"
local Reload = mw.service "reload.Reload"
function Reload.Say() return { text = mw.metrics.text() } end
function Reload.Talk(call) for m in call:messages() do call:send(m) end end
]]

describe("the metrics", function()
  local folder
  before_each(function() folder = copy.serve(nil, { ["lua/reload.lua"] = script }, { "--workers", "1" }) end)
  after_each(function() folder:__close() end)

  local function value(name)
    return tonumber(folder.client:Say({}).text:match("\n" .. name:gsub("%p", "%%%0") .. " (%S+)"))
  end

  local function reloads(outcome) return value(('moonwire_reloads_total{outcome="%s"}'):format(outcome)) end

  -- Waits for a metric, which changes after the log line.
  local function comes_to(expected, f, ...)
    local arg = ...
    test.eventually(function() return f(arg) == expected end)
  end

  it("show the running generation and when it came", function()
    assert.equal(1, value "moonwire_generation")
    assert.equal(0, value "moonwire_last_reload_timestamp_seconds")
    local before <const> = mw.time.now()
    folder:commit("lua/words.lua", "return 2")
    comes_to(2, value, "moonwire_generation")
    local at <const> = value "moonwire_last_reload_timestamp_seconds"
    assert.is_true(at >= before - 1 and at <= mw.time.now() + 1)
  end)

  it("count reloads by what became of them", function()
    test.eventually(function() return reloads "unchanged" == 1 end) -- the first check of the folder
    for _, outcome in ipairs { "committed", "refused", "rolled_back" } do assert.equal(0, reloads(outcome)) end
    folder:commit("lua/words.lua", "return 2")
    comes_to(1, reloads, "committed")
    folder:refused("lua/words.lua", "return )")
    comes_to(1, reloads, "refused")
    local data <const> = folder.server.stderr:match 'reach this server with %-%-data" data=(%S+)'
    local process <close> = test.start { "rollback", folder.dir, "--data", data }
    assert.equal(0, (process:wait()))
    assert.equal(1, reloads "rolled_back")
    assert.equal(4, value "moonwire_generation") -- includes the refused one
    assert.equal(1, reloads "committed")
  end)

  it("show how many generations calls hold", function()
    local function live() return value 'moonwire_generations_live{worker="0"}' end
    assert.equal(1, live())
    local streams = {}
    for i = 1, 3 do
      streams[i] = folder.client:Talk()
      assert.is_true(streams[i]:send {})
      assert(streams[i]:receive())
      folder:commit("lua/words.lua", "return " .. i)
    end
    comes_to(4, live)
    for i = 1, 3 do
      streams[i]:finish()
      comes_to(4 - i, live)
    end
  end)
end)

describe("every line of the log", function()
  it("has the generation", function()
    local folder <close> = copy.serve(nil, {
      ["lua/reload.lua"] = [[
local mw = require "moonwire"
mw.log.info "loading"
local Reload = mw.service "reload.Reload"
function Reload.Say(req)
  mw.spawn(function() error "spawned" end)
  if req.text == "slow" then while true do end end
  error "no"
end
]],
      ["lua/jobs.lua"] = "require 'moonwire'.every(0.01, function() print 'job' end)",
      ["moonwire.lua"] = "return { log_level = 'debug', workers = 2 }",
    })
    folder.client:Say {}
    folder.client:Say { text = "slow" }
    folder:commit("lua/words.lua", "return 2")
    folder:refused("lua/words.lua", "return )")
    folder.client:Say {}
    folder:expect("generation 4 is live", function() folder:shell "rm lua/*.lua" end)
    folder.server:kill()
    assert.equal(0, (folder.server:wait()))
    local n = 0
    for line in folder.server.stderr:gmatch "[^\n]+" do
      assert.matches("^%S+Z %a+ +generation=[1-4] ", line)
      n = n + 1
    end
    assert.is_true(n > 10)
    assert.matches('generation=4 msg="draining', folder.server.stderr, 1, true)
    assert.matches('generation=2 msg="reload refused', folder.server.stderr, 1, true)
  end)

  it("has it from the first on", function()
    local folder <close> = copy.serve(nil, { ["lua/reload.lua"] = false, ["lua/words.lua"] = false })
    assert.matches("^%S+Z warn  generation=1 [^\n]*no scripts in",
      (folder.server.stderr:gsub("^.-\n(%S+Z warn[^\n]*no scripts)", "%1")))
  end)
end)
