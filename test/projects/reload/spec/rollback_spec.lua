-- moonwire rollback: a kept generation returns at once and as a whole, independent of the files on disk.
local copy = require "support.copy"
local test = require "moonwire.test"

local words <const> = copy.words

local evaluates <const>, ask <const> = copy.evaluates, copy.ask

-- Milliseconds that a reload or rollback took, read from its log line.
local function taken(line) return tonumber(line:match "is live after ([%d.]+) ms") end

describe("moonwire rollback", function()
  it("brings protos, scripts and settings back together", function()
    local file <close> = assert(io.open "proto/reload.proto")
    local full <const> = file:read "a"
    local folder <close> = copy.serve(nil, {
      ["proto/reload.proto"] = full:gsub("[^\n]*// added\n", ""),
      ["lua/reload.lua"] = evaluates,
      ["moonwire.lua"] = "return { dev = true }",
    })
    folder:commit("proto/reload.proto", full)
    folder:commit("lua/added.lua", "require 'moonwire'.service 'reload.Reload'.Added = function(m) return m end")
    folder:commit("moonwire.lua", "return {}")
    assert.equal("it", folder.client:Added({ text = "it" }).text)
    assert.is_nil(ask(folder, "error 'x'").message:find(": x", 1, true))
    local code, shown = folder:admin("rollback", "1")
    assert.equal(0, code)
    assert.matches("^generation 5 is live after [%d.]+ ms: removed %S+/lua/added.lua; changed %S+/moonwire.lua; "
      .. "changed %S+/proto/reload.proto; methods removed reload.Reload/Added$", shown)
    assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
    assert.equal("UNIMPLEMENTED", select(2, folder.client:Added {}).code)
    -- Only a save or an explicit reload brings the files on disk back.
    local function unchanged() return tonumber(ask(folder, [[
      return mw.metrics.text():match 'moonwire_reloads_total{outcome="unchanged"} (%d+)'
    ]])) end
    local before <const> = unchanged()
    folder:replace("lua/words.lua", folder:read "lua/words.lua")
    test.eventually(function() return unchanged() > before end)
    assert.equal("UNIMPLEMENTED", select(2, folder.client:Added {}).code)
    assert.equal(0, (folder:admin "reload"))
    assert.equal("it", folder.client:Added({ text = "it" }).text)
    assert.equal(0, (folder:admin("rollback", "5")))
    assert.equal("UNIMPLEMENTED", select(2, folder.client:Added {}).code)
    folder:commit("lua/words.lua", "return { word = 'saved' }")
    assert.equal("it", folder.client:Added({ text = "it" }).text)
  end)

  it("needs no file and no protoc", function()
    local tools <const> = os.tmpname()
    os.remove(tools)
    assert(os.execute(("mkdir %s && ln -s $(command -v protoc) %s/protoc"):format(tools, tools)))
    local folder <close> = copy.serve(nil, nil, nil, { env = { PATH = tools } })
    local full <const> = folder:read "proto/reload.proto"
    folder:commit("proto/reload.proto", full .. "message More {}\n")
    folder:commit("lua/words.lua", words "two")
    os.execute("rm -r " .. tools)
    assert.matches("protoc, the protobuf compiler, is not in PATH",
      folder:refused("proto/reload.proto", full .. "message Other {}\n"))
    folder:expect("reload refused", function() folder:shell "rm -r proto lua moonwire.lua" end)
    for _, back in ipairs { { "1", "one" }, { "3", "two" }, { "2", "one" } } do
      assert.equal(0, (folder:admin("rollback", back[1])))
      assert.equal(back[2], assert(folder.client:Say {}).text)
    end
  end)

  it("takes less time than a reload", function()
    local folder <close> = copy.serve()
    local proto <const> = folder:read "proto/reload.proto"
    local reload, rollback = math.huge, math.huge -- the shortest of each, as a busy machine delays some
    for i = 1, 5 do
      reload = math.min(reload, taken(folder:commit("proto/reload.proto", proto .. ("message M%d {}\n"):format(i))))
      local code, line = folder:admin "rollback"
      assert.equal(0, code)
      rollback = math.min(rollback, taken(line))
    end
    assert.is_true(rollback < reload, ("%.1f ms, %.1f ms for a reload"):format(rollback, reload))
  end)

  it("does not wait for a file that is being written", function()
    local folder <close> = copy.serve()
    folder:commit("lua/words.lua", words "two")
    local file = assert(io.open(folder:path "lua/words.lua", "w"))
    folder.server:kill(1) -- SIGHUP starts a reload at once
    local code, shown = folder:admin "rollback"
    assert.equal(0, code)
    assert.matches("^generation 3 is live", shown)
    assert.equal("one", assert(folder.client:Say {}).text)
    file:write(words "three")
    folder:expect("generation 4 is live", function() file:close() end)
    assert.equal("three", assert(folder.client:Say {}).text)
  end)

  it("does not wait for specs", function()
    local folder <close> = copy.serve(nil, { ["moonwire.lua"] = "return { reload = { specs = true } }" })
    folder:commit("lua/words.lua", words "two")
    folder:shell "mkdir spec"
    local started <const> = folder:path "started"
    folder:write("spec/slow_spec.lua", ([[
it("takes its time", function()
  os.execute "touch %s; sleep 3600"
end)
]]):format(started))
    folder:write("lua/words.lua", words "three")
    test.eventually(function() return os.rename(started, started) end)
    local code, shown
    local log = folder:expect("reload refused", function() code, shown = folder:admin "rollback" end)
    assert.equal(0, code)
    assert.matches("^generation %d+ is live", shown)
    assert.matches("reload refused: a rollback was asked for meanwhile", log, 1, true)
    assert.equal("one", assert(folder.client:Say {}).text)
  end)
end)
