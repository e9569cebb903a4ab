-- Reload: a save becomes live as a whole or changes nothing. Calls and jobs that began before keep their generation.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local words <const> = copy.words

local function say(client)
  local reply, status = client:Say {}
  return reply and reply.text or tostring(status)
end

-- Waits until a new call returns `word`.
local function comes_to_say(word, client)
  test.eventually(function() return say(client) == word end)
end

local function talk(stream)
  assert.is_true(stream:send {})
  local reply, status = stream:receive()
  return reply and reply.text or tostring(status)
end

describe("a save", function()
  local function is_live(how, expected, save)
    it(how .. " is live", function()
      local folder <close> = copy.serve()
      assert.equal("one", say(folder.client))
      save(folder)
      comes_to_say(expected, folder.client)
    end)
  end

  it("names each proto file that was changed, added or removed", function()
    local folder <close> = copy.serve()
    local log = folder:commit("proto/more.proto", 'syntax = "proto3"; message More {}')
    assert.matches(": added [^ ]*/proto/more.proto$", (log:match "is live after[^\n\"]*"))
    log = folder:commit("proto/more.proto", 'syntax = "proto3"; message More { int32 n = 1; }')
    assert.matches(": changed [^ ]*/proto/more.proto$", (log:match "is live after[^\n\"]*"))
    log = folder:expect("generation %d+ is live", function() folder:delete "proto/more.proto" end)
    assert.matches(": removed [^ ]*/proto/more.proto$", (log:match "is live after[^\n\"]*"))
    log = folder:expect("generation %d+ is live", function() folder:shell "ln -s reload.proto proto/zlink.proto" end)
    assert.matches(": added [^ ]*/proto/zlink.proto", (log:match "is live after[^\n\"]*"))
  end)

  local function ends_a_service(how, save)
    it(how .. " that ends a service logs the service and its script", function()
      local folder <close> = copy.serve()
      assert.equal("one", say(folder.client))
      assert.equal(0, folder:count "no script handles the service any more")
      local log = folder:expect("is live after", function() save(folder) end)
      local line <const> = 'warn [^\n]*msg="no script handles the service any more: new calls are answered with '
        .. 'UNIMPLEMENTED" ' .. "service=reload.Reload script=[^ ]*/lua/reload.lua:%d+\n"
      test.eventually(function() return folder.server.stderr:find(line) end)
      assert.equal("UNIMPLEMENTED", select(2, folder.client:Say {}).code)
      folder:commit("lua/words.lua", words "two")
      assert.equal(1, folder:count "no script handles the service any more", log)
    end)
  end

  ends_a_service("a deletion of a script", function(folder) folder:delete "lua/reload.lua" end)
  ends_a_service("an edit of a script", function(folder) folder:write("lua/reload.lua", "return {}") end)

  is_live("in place", "two", function(folder) folder:write("lua/words.lua", words "two") end)
  is_live("by renaming over the file", "two", function(folder) folder:replace("lua/words.lua", words "two") end)
  is_live("in a new folder", "new", function(folder)
    folder:shell "mkdir -p lua/more/words"
    folder:write("lua/more/words/new.lua", words "new")
    folder:write("lua/words.lua", 'return require "more.words.new"\n')
  end)
  is_live("of several files, in any order,", "deep", function(folder)
    folder:write("lua/words.lua", 'return require "deep.words"\n') -- refused until that module exists
    folder:shell "mkdir lua/deep"
    folder:write("lua/deep/words.lua", words "deep")
  end)

  it("in another folder of the setting `proto` is live", function()
    local shared = os.tmpname() -- a folder outside the project's
    os.remove(shared)
    os.execute("mkdir " .. shared)
    local function share(text)
      local file <close> = assert(io.open(shared .. "/word.proto", "w"))
      file:write('syntax = "proto3"; package word; message Word { ' .. text .. ' }')
    end
    share "string text = 1;"
    local folder <close> = copy.serve()
    folder:write("lua/words.lua", [[
      return { word = pcall(require("moonwire").message, "word.Word", { more = 1 }) and "two fields" or "one field" }
    ]])
    folder:refused("proto/uses.proto", 'syntax = "proto3"; import "word.proto"; message Uses { word.Word word = 1; }',
      "proto/word.proto: File not found")
    share "string text;" -- the folder is watched although the settings that name it are refused
    local settings = ("return { proto = { 'proto', '../%s' } }"):format(shared:match "[^/]+$")
    folder:refused("moonwire.lua", settings, "/word.proto:1:%d+: ")
    folder:expect("generation %d+ is live", function() share "string text = 1;" end)
    comes_to_say("one field", folder.client)
    folder:expect("generation %d+ is live", function() share "string text = 1; int32 more = 2;" end)
    comes_to_say("two fields", folder.client)
    os.execute("rm -r " .. shared)
  end)

  it("that deletes a file is live", function()
    local folder <close> = copy.serve(nil, { ["lua/extra.lua"] = "return 1\n" })
    local log = folder:expect("generation %d+ is live", function() folder:delete "lua/extra.lua" end)
    assert.matches("extra.lua", log, 1, true)
  end)

  it("that swaps a symlinked folder is live", function()
    local folder <close> = copy.serve()
    folder:expect("generation %d+ is live", function()
      folder:shell "mkdir v1 v2 && cp lua/*.lua v1 && cp lua/*.lua v2 && echo 'return 1' >v1/x.lua"
      folder:shell "mv lua old && ln -s v1 lua"
      folder.server:kill(1) -- SIGHUP starts a reload in any case
    end)
    folder:write("v2/words.lua", words "swapped")
    folder:shell "ln -s v2 lua.new && mv -T lua.new lua"
    comes_to_say("swapped", folder.client)
  end)

  it("that is broken changes nothing, and shows the line", function()
    local folder <close> = copy.serve()
    local log = folder:refused("lua/words.lua", "return {\n  word = = 'two' }\n")
    assert.matches("lua/words.lua:2: unexpected symbol near '='", log, 1, true)
    assert.matches("source=\"word = = 'two' }\"", log, 1, true)
    assert.equal("one", say(folder.client))
    folder:commit("lua/words.lua", words "two")
    assert.equal("two", say(folder.client))
  end)

  it("with errors in several files shows all of them", function()
    local folder <close> = copy.serve()
    folder:write("lua/b.lua", "x = 1\n")
    local log = folder:expect("lua/b.lua:1: .*lua/c.lua:1: ", function() folder:write("lua/c.lua", "error 'no'\n") end)
    assert.matches("lua/b.lua:1: ", log, 1, true)
    assert.equal("one", say(folder.client))
  end)

  it("is not read before it is written whole", function()
    local folder <close> = copy.serve()
    local file = assert(io.open(folder:path "lua/words.lua", "w")) -- empty now, which is a valid script
    for _, part in ipairs { "return", " { word =", " 'two'", " }\n" } do
      folder.server:kill(1) -- SIGHUP starts a reload at once
      for _ = 1, 20 do assert.equal("one", say(folder.client)) end
      file:write(part)
      file:flush()
    end
    file:close()
    comes_to_say("two", folder.client)
    test.eventually(function() return folder:count "is live after" > 0 end)
    assert.equal(1, folder:count "is live after")
    assert.equal(0, folder:count "reload refused")
  end)

  it("that never ends is reported, and live when it ends", function()
    local folder <close> = copy.serve()
    local file = assert(io.open(folder:path "lua/words.lua", "w"))
    file:write "return {\n" -- on a slow machine the incomplete file is read and refused
    test.eventually(function()
      file:write("-- more\n")
      file:flush()
      mw.sleep(0.01)
      return folder:count "reload refused" > 0
    end)
    assert.matches("reload refused: [^\n]*lua/words.lua: does not come to rest: written to, or open and still empty; "
      .. "it is read after its next change", folder.server.stderr)
    assert.equal("one", say(folder.client))
    file:write "word = 'two' }\n"
    file:close()
    comes_to_say("two", folder.client)
    test.eventually(function() return folder:count "is live after" > 0 end)
    assert.equal(1, folder:count "is live after")
  end)

  it("is told in one line", function()
    local folder <close> = copy.serve()
    local log = folder:commit("lua/words.lua", words "two")
    assert.matches('generation 2 is live after %d+%.%d ms: [^\n]*lua/words%.lua', log)
    assert.equal(1, folder:count "is live after")
  end)
end)

describe("a candidate that fails on one worker alone", function()
  -- Sets the state of the worker that runs the call. The candidate fails to migrate that state.
  local marks <const> = [[
local mw = require "moonwire"
local state = mw.state("mark", 1, function() return { text = "unmarked" } end)
local Reload = mw.service "reload.Reload"
function Reload.Say(req)
  if req.text ~= "" then state.text = req.text end
  return { text = "one " .. state.text }
end
]]
  local candidate <const> = marks:gsub('1, function%(%) return', [[2, function(old)
  mw.log.info "migrates"
  if old.text == "marked" then error "a mark" end
  old.text = "spoilt"
  return]]):gsub('"one "', '"two "')

  -- Calls over many connections until both workers have answered. Returns the set of answers.
  local function seen(folder)
    local found = {}
    test.eventually(function()
      for i = 1, 16 do
        local client = mw.client(folder.address, { max_receive_bytes = (4 << 20) + i }):service "reload.Reload"
        found[say(client)] = true
      end
      return found["one marked"] and found["one unmarked"]
    end)
    return found
  end

  it("is discarded on all, and what runs goes on untouched", function()
    local folder <close> = copy.serve(nil, { ["lua/reload.lua"] = marks }, { "--workers", "2" })
    assert.equal("one marked", folder.client:Say({ text = "marked" }).text)
    local log = folder:refused("lua/reload.lua", candidate)
    assert.matches("reload refused: [^\n]*lua/reload.lua:4: a mark", log)
    local found = seen(folder)
    found["one marked"], found["one unmarked"] = nil, nil
    assert.is_nil(next(found))
    for worker = 0, 1 do assert.matches("worker=" .. worker .. " msg=\"migrates\"", log, 1, true) end
    assert.equal(1, folder:count "lua:4: a mark")
    local _, shown = folder:admin "status"
    assert.matches("\ngeneration 1\n", shown)
    for worker = 0, 1 do assert.matches("\n" .. worker .. " +1 ", shown) end
    folder.client:Say { text = "unmarked" }
    folder:write("lua/reload.lua", candidate .. "-- again\n")
    comes_to_say("two unmarked", folder.client)
  end)
end)

describe("what began before a reload", function()
  it("keeps its generation, on every connection", function()
    local folder <close> = copy.serve()
    local streams = {}
    for i = 1, 4 do
      local client = mw.client(folder.address, { max_receive_bytes = (4 << 20) + i }):service "reload.Reload"
      streams[i] = client:Talk()
      assert.equal("one one", talk(streams[i]))
    end
    folder:commit("lua/words.lua", words "two")
    for _, stream in ipairs(streams) do assert.equal("one two", talk(stream)) end
    folder:commit("lua/words.lua", words "three")
    for _, stream in ipairs(streams) do
      assert.equal("one three", talk(stream))
      assert.is_true((stream:finish()))
    end
    assert.equal("three", say(folder.client))
  end)

  it("goes on with what it has spawned", function()
    local folder <close> = copy.serve()
    local stream <close> = folder.client:Tick {}
    local function ticks() return tonumber(assert(stream:receive()).text) end
    test.eventually(function() return ticks() > 2 end)
    folder:commit("lua/words.lua", words "two")
    local now <const> = ticks()
    test.eventually(function() return ticks() > now + 5 end)
  end)

  it("ends with UNAVAILABLE at the age that generation_age allows", function()
    local folder <close> = copy.serve(nil, { ["moonwire.lua"] = "return { workers = 2, generation_age = 0.05 }" })
    local stream <close> = folder.client:Talk()
    assert.equal("one one", talk(stream))
    folder:commit("lua/words.lua", words "two")
    local reply, status = stream:receive()
    assert.is_nil(reply)
    assert.equal("UNAVAILABLE", status.code)
    assert.matches("the call began before a reload", status.message, 1, true)
    assert.equal("two", say(folder.client))
  end)
end)

describe("jobs", function()
  local function job(name)
    return ([[
local mw = require "moonwire"
mw.every(0.02, function() mw.log.info "run of %s" end)
mw.spawn(function() while true do mw.sleep(0.02) mw.log.info "turn of %s" end end)
]]):format(name, name)
  end

  it("end with their generation, and do not multiply", function()
    local folder <close> = copy.serve(nil, { ["lua/jobs.lua"] = job "g1" }, { "--workers", "1" })
    test.eventually(function() return folder:count "run of g1" > 1 and folder:count "turn of g1" > 1 end)
    for generation = 2, 5 do folder:commit("lua/jobs.lua", job("g" .. generation)) end
    local at <const> = #folder.server.stderr
    local started <const> = test.now()
    local log = test.eventually(function()
      local since = folder.server.stderr:sub(at + 1)
      return select(2, since:gsub("run of g5", "")) >= 10 and since
    end)
    local most <const> = (test.now() - started) / 0.02 + 2
    assert.is_true(select(2, log:gsub("run of g5", "")) <= most)
    assert.is_true(select(2, log:gsub("turn of g5", "")) <= most)
    for generation = 1, 4 do assert.is_nil(log:find("of g" .. generation, 1, true)) end
  end)
end)

describe("subscriptions of jobs", function()
  local function listener(name)
    return ([[
local mw = require "moonwire"
mw.spawn(function()
  for value in mw.topic("news"):subscribe():messages() do mw.log.info(value .. " reached %s") end
end)
]]):format(name)
  end

  local publishes <const> = [[
local mw = require "moonwire"
local Reload = mw.service "reload.Reload"
function Reload.Say(req) return { text = tostring(mw.topic("news"):publish(req.text)) } end
]]

  it("end with their generation, and do not multiply", function()
    local folder <close> = copy.serve(nil, {
      ["lua/reload.lua"] = publishes, ["lua/jobs.lua"] = listener "g1",
    }, { "--workers", "2" })
    local function reaches_two()
      test.eventually(function() return folder.client:Say({ text = "a probe" }).text == "2" end)
    end
    reaches_two()
    for generation = 2, 5 do folder:commit("lua/jobs.lua", listener("g" .. generation)) end
    reaches_two()
    assert.equal("2", folder.client:Say({ text = "the last" }).text)
    test.eventually(function() return folder:count "the last reached g5" == 2 end)
    folder:expect("generation %d+ is live", function() folder:delete "lua/jobs.lua" end)
    test.eventually(function() return folder.client:Say({ text = "nobody" }).text == "0" end)
    assert.equal(2, folder:count "the last reached")
    assert.equal(0, folder:count "nobody reached")
  end)
end)

describe("a proto edit", function()
  local full, small
  setup(function()
    local file <close> = assert(io.open "proto/reload.proto")
    full = file:read "a"
    small = full:gsub("[^\n]*// added\n", "")
  end)

  local added <const> = [[
local Reload = require "moonwire".service "reload.Reload"
function Reload.Added(req) return { text = "added " .. req.text } end
]]

  local function answers(folder)
    test.eventually(function()
      local reply = folder.client:Added { text = "it" }
      return reply and reply.text == "added it"
    end)
  end

  it("is callable at once on an open connection", function()
    local folder <close> = copy.serve(nil, { ["proto/reload.proto"] = small })
    local stream <close> = folder.client:Talk()
    assert.equal("one one", talk(stream))
    assert.equal("UNIMPLEMENTED", select(2, folder.client:Added {}).code)
    assert.matches("methods added reload.Reload/Added", folder:commit("proto/reload.proto", full), 1, true)
    folder:commit("lua/added.lua", added)
    answers(folder)
    assert.equal("one one", talk(stream))
  end)

  it("and its script come to rest right, the script first", function()
    local folder <close> = copy.serve(nil, { ["proto/reload.proto"] = small })
    assert.matches("reload.Reload: no method Added in the schema", folder:refused("lua/added.lua", added), 1, true)
    folder:write("proto/reload.proto", full)
    answers(folder)
    assert.equal("one", say(folder.client))
  end)

  local function rests(how, first, second)
    it("and its script come to rest right, " .. how, function()
      local folder <close> = copy.serve(nil, { ["proto/reload.proto"] = small })
      first(folder)
      second(folder)
      answers(folder)
      assert.equal("one", say(folder.client))
      -- No error is left: the files on disk are in force.
      local code, shown = folder:admin "reload"
      assert.equal("nothing has changed", shown)
      assert.equal(0, code)
    end)
  end

  rests("the schema first", function(folder)
    folder:commit("proto/reload.proto", full)
  end, function(folder)
    folder:write("lua/added.lua", added)
  end)

  rests("both at once", function(folder)
    folder:write("lua/added.lua", added)
  end, function(folder)
    folder:write("proto/reload.proto", full)
  end)

  it("that takes a method from under its script is refused until the script is saved too", function()
    local folder <close> = copy.serve(nil, { ["lua/added.lua"] = added }, { "--dev" })
    local log = folder:refused("proto/reload.proto", small)
    assert.matches("reload.Reload: no method Added in the schema", log, 1, true)
    answers(folder)
    folder:expect("generation %d+ is live", function() folder:delete "lua/added.lua" end)
    assert.equal("UNIMPLEMENTED", select(2, folder.client:Added {}).code)
  end)

  it("that takes a method is live after its script let it go", function()
    local folder <close> = copy.serve(nil, { ["lua/added.lua"] = added }, { "--dev" })
    folder:expect("generation %d+ is live", function() folder:delete "lua/added.lua" end)
    local log = folder:commit("proto/reload.proto", small)
    assert.matches("methods removed reload.Reload/Added", log, 1, true)
  end)

  it("that does not compile changes nothing", function()
    local folder <close> = copy.serve()
    local log = folder:refused("proto/reload.proto", full:gsub("string text = 1;", "strin text = 1;"))
    assert.matches("proto/reload.proto:6:", log, 1, true)
    assert.matches('source="strin text = 1;"', log, 1, true)
    assert.equal("one", say(folder.client))
  end)

  it("that breaks the wire is refused with the rule's name", function()
    local folder <close> = copy.serve()
    local log = folder:refused("proto/reload.proto", full:gsub("string text = 1;", "int32 text = 1;"))
    assert.matches("proto/reload.proto:6: FIELD_[A-Z_]+: reload.Text.text", log)
    local remedy = "reload refused: to accept an edit that breaks clients, or if none uses yet what it takes away: moonwire reload [^\n]+ %-%-force, or serve with %-%-dev"
    test.eventually(function() return folder.server.stderr:find(remedy) end)
    assert.equal("one", say(folder.client))
  end)

  it("that breaks the wire is accepted with --dev", function()
    local folder <close> = copy.serve(nil, nil, { "--dev" })
    folder:commit("proto/reload.proto", (full:gsub("string text = 1;", "string text = 2;")))
    local reply = assert(folder.client:Say {})
    assert.equal("", reply.text) -- the caller's schema has the text in field 1, which the server no longer sends
  end)
end)

describe("old generations", function()
  it("are freed when nothing runs in them", function()
    local folder <close> = copy.serve(nil, {
      ["lua/ballast.lua"] = "return ('x'):rep(8 << 20)\n",
      ["lua/reload.lua"] = [[
local mw = require "moonwire"
require "ballast"
local Reload = mw.service "reload.Reload"
function Reload.Say() return { text = require "words".word } end
]],
    }, { "--workers", "1" })
    for i = 1, 40 do -- 320 MB of ballast, more than the memory limit of a worker's scripts
      folder:commit("lua/words.lua", words("w" .. i))
      comes_to_say("w" .. i, folder.client)
    end
    assert.equal(0, folder:count "Z error ")
  end)
end)
