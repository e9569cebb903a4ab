-- reload.specs: a candidate generation has to pass the specs of its folder.
local copy = require "support.copy"
local test = require "moonwire.test"

local words <const> = copy.words

local spec <const> = [[
describe("the words", function()
  it("are good ones", function()
    assert.not_equal("bad", require("words").word)
  end)
end)
]]

-- Folder for the temporary folders of this file's servers.
local tmp <const> = os.tmpname()

local function start(settings, text, lua_path)
  local options = { env = { TMPDIR = tmp, LUA_PATH = lua_path } }
  local folder = copy.serve(nil, { ["moonwire.lua"] = settings or "return { reload = { specs = true } }" }, nil,
    options)
  folder:shell "mkdir spec"
  folder:write("spec/words_spec.lua", text or spec)
  return folder
end

local function say(folder) return assert(folder.client:Say {}).text end

local function data_of(folder)
  return folder.server.stderr:match 'reach this server with %-%-data" data=(%S+)'
end

local function temporary_folders()
  local list <close> = assert(io.popen("ls -d " .. tmp .. "/moonwire-*/spec 2>/dev/null | wc -l"))
  return list:read "n"
end

describe("reload.specs", function()
  setup(function() os.execute(("rm %s && mkdir %s"):format(tmp, tmp)) end)
  teardown(function() os.execute("rm -r " .. tmp) end)

  it("lets a candidate that passes come into force", function()
    local folder <close> = start()
    folder:commit("lua/words.lua", words "two")
    assert.equal("two", say(folder))
  end)

  it("refuses one that fails, with each failure and its line", function()
    local folder <close> = start(nil, spec .. [[
describe("more", function()
  it("raises", function() error "oops" end)
end)
]])
    local log = folder:refused("lua/words.lua", words "bad")
    assert.matches(
      "reload refused: [^\n]*/spec/words_spec.lua:3: the words are good ones: Expected objects to not be equal. "
      .. "Passed in: %(string%) 'bad'", log)
    assert.matches("source=\"assert.not_equal(\\\"bad\\\", require(\\\"words\\\").word)\"", log, 1, true)
    local remedy = "reload refused: to accept it in spite of the specs: moonwire reload [^\n]+ %-%-force"
    test.eventually(function() return folder.server.stderr:find(remedy) end)
    test.eventually(function() return folder:count "/spec/words_spec.lua:7: more raises: oops" == 1 end)
    assert.equal("one", say(folder))
    folder:write("spec/words_spec.lua", spec)
    folder:commit("lua/words.lua", words "good")
    assert.equal("good", say(folder))
    assert.equal(0, temporary_folders())
  end)

  it("tests the bytes that were read, whatever is on the disk by then", function()
    local dir = os.tmpname()
    os.remove(dir)
    local folder <close> = start(nil, ([[
it("waits until the disk holds something else", function()
  os.execute "touch %s.started; while [ ! -e %s.changed ]; do sleep 0.01; done"
  assert.equal("first", require("words").word)
end)
]]):format(dir, dir))
    folder:write("lua/words.lua", words "first")
    test.eventually(function() return io.open(dir .. ".started") end)
    assert.equal("one", say(folder)) -- the old generation is served meanwhile
    folder:write("lua/words.lua", words "second")
    local log = folder:expect("generation 2 is live.*reload refused", function()
      os.execute("touch " .. dir .. ".changed")
    end)
    assert.matches("Passed in: (string) 'second'", folder.server.stderr, 1, true)
    assert.equal(1, folder:count "is live after", log)
    assert.equal("first", say(folder))
    os.execute(("rm -f %s.started %s.changed"):format(dir, dir))
  end)

  it("tests the candidate's own protos and settings, with the rest of the folder at hand", function()
    local folder <close> = start(nil, [[
it("sees them", function()
  local file = assert(io.open "fixture.txt")
  assert.equal("fixture", file:read "l")
  local protos = assert(io.open "proto/reload.proto")
  assert.matches("new_field", protos:read "a", 1, true)
  local settings = assert(io.open "moonwire.lua")
  assert.matches("specs = true, specs_seconds = 30", settings:read "a", 1, true)
  assert.equal(7, require("moonwire").message("reload.Text", { new_field = 7 }).new_field)
end)
]])
    folder:write("fixture.txt", "fixture\n")
    local proto = folder:read "proto/reload.proto"
    folder:expect("new_field", function()
      folder:write("moonwire.lua", "return { reload = { specs = true, specs_seconds = 30 } }")
    end)
    folder:commit("proto/reload.proto", (proto:gsub("string text = 1;", "%0 int32 new_field = 2;")))
  end)

  it("tests protos behind links under all their names", function()
    local folder <close> = start(nil, [[
it("sees them", function()
  assert.equal("link/x.proto", require("moonwire").message("link.M", {}).text)
end)
]])
    folder:shell "mkdir -p proto/a/b proto/empty && cd proto && ln -s a/b link && ln -s ../empty a/nothing && ln -s .. a/b/up"
    folder:shell "ln -s b/x.proto proto/a/file.proto"
    folder:write("proto/a/b/x.proto", 'syntax = "proto2"; package link;\n'
      .. 'message M { optional string text = 1 [default = "link/x.proto"]; }')
    folder:expect("generation %d+ is live", function()
      folder:write("proto/m.proto", 'syntax = "proto2"; import "link/x.proto"; message N { optional link.M m = 1; }')
      folder:write("lua/words.lua", words "linked")
    end)
    test.eventually(function() return say(folder) == "linked" end)
  end)

  it("tests scripts behind links under all their names, and a link is a save", function()
    local folder <close> = start(nil, [[
local test = require "moonwire.test"
it("sees them", function()
  if test.require("words").word ~= "linked" then return end
  assert.equal("deep", test.require("link.deep").word)
end)
]])
    folder:shell "mkdir lua/a"
    folder:expect("generation %d+ is live", function() folder:write("lua/a/deep.lua", words "deep") end)
    folder:expect("generation %d+ is live[^\n]*changed links in lua", function() folder:shell "ln -s a lua/link" end)
    folder:expect("generation %d+ is live", function()
      folder:write("lua/words.lua", 'assert(require "link.deep" == require "a.deep") ' .. words "linked")
    end)
    test.eventually(function() return say(folder) == "linked" end)
  end)

  it("has imports from folders outside, by paths that start at the project", function()
    local outside = os.tmpname()
    os.remove(outside)
    os.execute("mkdir " .. outside)
    local file = assert(io.open(outside .. "/word.proto", "w"))
    file:write 'syntax = "proto2"; package word; message Word { optional string text = 1 [default = "seen"]; }'
    file:close()
    local settings =
      ("return { reload = { specs = true }, proto = { 'contract', '../%s' } }"):format(outside:match "[^/]+$")
    local folder <close> = start("return { reload = { specs = true } }", [[
it("sees them", function() assert.equal("seen", require("moonwire").message("word.Word", {}).text) end)
]])
    folder:shell "cp -r proto contract"
    folder:write("contract/more.proto", 'syntax = "proto3"; import "word.proto"; message Uses { word.Word word = 1; }')
    folder:commit("moonwire.lua", settings)
    folder:commit("lua/words.lua", words "two")
    assert.equal("two", say(folder))
    os.execute("rm -r " .. outside)
  end)

  it("is bounded in time, with all that the specs have started", function()
    local name <const> = ("3600.%d"):format(math.random(1 << 30))
    local folder <close> = start("return { reload = { specs = true, specs_seconds = 1 } }",
      ('it("hangs", function() os.execute "sleep %s & sleep %s" end)'):format(name, name))
    local log = folder:refused("lua/words.lua", words "two")
    assert.matches("reload refused: the specs did not end within reload.specs_seconds", log, 1, true)
    assert.equal("one", say(folder))
    test.eventually(function() return not os.execute("pgrep -f 'slee[p] " .. name .. "' >/dev/null") end)
  end)

  it("ends with a server that is killed, with all that the specs have started", function()
    local name <const> = ("3600.%d"):format(math.random(1 << 30))
    local runs <const> = ("pgrep -f 'slee[p] %s' >/dev/null"):format(name)
    local folder <close> = start(nil,
      ('it("hangs", function() os.execute "sleep %s & sleep %s" end)'):format(name, name))
    folder:write("lua/words.lua", words "two")
    test.eventually(function() return os.execute(runs) end)
    folder.server:kill(9)
    test.eventually(function() return not os.execute(runs) end)
    os.execute(("rm -r %s/*"):format(tmp))
  end)

  it("does not keep a server from stopping", function()
    local folder <close> = start(nil, 'it("hangs", function() os.execute "touch started; sleep 3600" end)')
    folder:write("lua/words.lua", words "two")
    test.eventually(function()
      return os.execute("ls " .. tmp .. "/moonwire-*/started >/dev/null 2>&1")
    end)
    folder.server:kill()
    assert.equal(0, (folder.server:wait()))
    assert.matches("reload refused: the server is shutting down", folder.server.stderr, 1, true)
    assert.equal(0, temporary_folders())
  end)

  it("says what keeps the specs from running", function()
    local folder <close> = start()
    assert.matches("/lua/words.lua:1: unexpected symbol near ')'", folder:refused("lua/words.lua", "return )"), 1, true)
    folder:write("spec/words_spec.lua", "return )")
    folder:refused("lua/words.lua", words "two", "/spec/words_spec.lua:1: unexpected symbol near '%)'")
    local without <close> = start(nil, nil, "./?.lua")
    assert.matches("reload refused: the specs cannot run: busted is not installed (Debian: lua-busted)",
      without:refused("lua/words.lua", words "two"), 1, true)
  end)

  it("is passed by with force, by a folder without specs, and by a rollback", function()
    local folder <close> = start()
    folder:shell "rm spec/words_spec.lua"
    folder:commit("lua/words.lua", words "bad")
    folder:write("spec/words_spec.lua", spec)
    folder:commit("lua/words.lua", words "good")
    local data <const> = data_of(folder)
    local back <close> = test.start { "rollback", folder.dir, "--data", data }
    assert.equal(0, (back:wait()), back.stderr)
    assert.equal("bad", say(folder))
    folder:refused("lua/words.lua", words "bad" .. "-- again")
    local forced <close> = test.start { "reload", "--force", folder.dir, "--data", data }
    assert.equal(0, (forced:wait()), forced.stderr)
  end)
end)
