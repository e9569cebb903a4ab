-- moonwire serve --dev: callers receive the error, its position and the generation.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local script <const> = [[
local mw = require "moonwire"
local Reload = mw.service "reload.Reload"

local function deep(text) error(text) end

function Reload.Say(req)
  if req.text == "status" then return nil, mw.status.not_found "no such thing" end
  if req.text == "nothing" then return end
  if req.text == "fine" then return req end
  if req.text == "spin" then while true do end end
  if req.text == "work" then
    local started = mw.time.monotonic()
    while mw.time.monotonic() - started < 0.065 do end -- of 100 ms
    return req
  end
  deep(req.text)
end

function Reload.Talk(call)
  for m in call:messages() do call:send(m) end
end
]]

local function start(...)
  return copy.serve(nil, { ["lua/reload.lua"] = script, ["moonwire.lua"] = false }, { ... })
end

local function debug_info(status)
  assert.is_table(status.details, tostring(status))
  assert.equal("type.googleapis.com/google.rpc.DebugInfo", status.details[1].type_url)
  return mw.any.unpack(status.details[1])
end

describe("with --dev", function()
  local folder
  setup(function() folder = start "--dev" end)
  teardown(function() folder:__close() end)

  local function say(text) return folder.client:Say { text = text } end

  it("a handler's error comes with its words, its stack and its generation", function()
    local _, status = say "went wrong"
    assert.equal("INTERNAL", status.code)
    assert.matches("^internal error %x+: [^\n]*lua/reload.lua:4: went wrong$", status.message)
    local info = debug_info(status)
    assert.matches("^generation 1, worker %d+, call %d+$", info.detail)
    local stack = table.concat(info.stack_entries, "\n")
    assert.matches("lua/reload.lua:4: in [^\n]*'deep'\n[^\n]*lua/reload.lua:%d+: in function <[^\n]*lua/reload.lua:6>",
      stack)
  end)

  it("so does one that has no stack", function()
    local _, status = say "nothing"
    assert.matches("the handler returned no reply", status.message, 1, true)
    local info = debug_info(status)
    assert.matches("^generation 1, worker %d+, call %d+$", info.detail)
    assert.equal(0, #info.stack_entries)
  end)

  it("words of any size and form are fit for a status", function()
    local _, status = say(("x"):rep(100000))
    assert.matches("^internal error %x+: [^\n]*lua/reload.lua:4: xxx", status.message)
    assert.equal(1023, #status.message)
    debug_info(status)
    folder:commit("lua/words.lua", "return { word = ('\\xff'):rep(10) }")
    folder:commit("lua/reload.lua", script:gsub("error%(text%)", "error(require('words').word)"))
    _, status = say "anything"
    assert.matches("lua/reload.lua:4: " .. ("?"):rep(10), status.message, 1, true)
    debug_info(status)
    folder:commit("lua/reload.lua", script)
  end)

  it("a call that ran for too long is told where", function()
    local _, status = say "spin"
    assert.equal("RESOURCE_EXHAUSTED", status.code)
    assert.matches("^the handler ran for more than 100 ms without waiting, at [^\n]*lua/reload.lua:10$", status.message)
    assert.matches("lua/reload.lua:10: in", table.concat(debug_info(status).stack_entries, "\n"), 1, true)
  end)

  it("a status of the handler's own is left alone", function()
    local _, status = say "status"
    assert.equal("NOT_FOUND: no such thing", tostring(status))
    assert.is_nil(status.details)
  end)

  it("moonwire call shows it readably", function()
    local process <close> = test.start {
      "call", folder.address, "reload.Reload/Say", '{"text":"shown"}', "--proto", folder.dir .. "/proto",
    }
    assert.equal(13, (process:wait()))
    assert.matches("^INTERNAL: internal error %x+: [^\n]*lua/reload.lua:4: shown\n  [^\n]+\n", process.stderr)
    assert.matches("\n  [^ ][^\n]*lua/reload.lua:4: in [^\n]*'deep'\n", process.stderr)
    assert.matches("\n  generation %d+, worker %d+, call %d+\n$", process.stderr)
    assert.is_nil(process.stderr:find("DebugInfo", 1, true))
  end)

  it("every call says its generation in its trailers", function()
    local before = folder:commit("lua/words.lua", "return 1"):match "generation (%d+) is live"
    local stream <close> = folder.client:Talk()
    assert.is_true(stream:send { text = "first" })
    assert.equal("first", stream:receive().text)
    local after = folder:commit("lua/words.lua", "return 2"):match "generation (%d+) is live"
    assert.equal(tonumber(before) + 1, tonumber(after))
    local function trailer(info) return info.trailers["moonwire-generation"] end
    assert.equal(after, trailer(select(3, say "fine")))
    assert.equal(after, trailer(select(3, say "status")))
    assert.equal(after, trailer(select(3, say "fails")))
    assert.equal(after, trailer(select(3, folder.client:Added {}))) -- no handler
    stream:finish()
    assert.equal(before, stream:trailers()["moonwire-generation"])
  end)

  it("every slow slice is shown", function()
    -- A busy machine may distort one measurement: two lines within a second prove that each slow slice is logged.
    test.eventually(function()
      local before <const>, started <const> = folder:count "has run for", test.now()
      say "work"
      say "work"
      return test.now() - started < 0.9 and folder:count "has run for" == before + 2
    end)
    assert.matches(
      'msg="the handler has run for %d+ ms without waiting; it will be ended at 100 ms" at=%S*lua/reload.lua:13',
      folder.server.stderr)
  end)
end)

describe("without --dev", function()
  it("nothing of it is told", function()
    local folder <close> = start()
    local _, status, info = folder.client:Say { text = "secret" }
    assert.matches("^internal error %x+$", status.message)
    assert.is_nil(status.details)
    assert.is_nil(info.trailers["moonwire-generation"])
    _, status = folder.client:Say { text = "spin" }
    assert.equal("the handler ran for more than 100 ms without waiting", status.message)
    assert.is_nil(status.details)
  end)
end)
