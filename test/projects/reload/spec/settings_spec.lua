-- moonwire.lua is part of a generation: saved, checked, refused and rolled back like protos and scripts.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local evaluates <const>, ask <const> = copy.evaluates, copy.ask

local busy <const> = "local t = mw.time.monotonic() while mw.time.monotonic() - t < 0.3 do end return 'done'"

local certificate <const> = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 2 -subj /CN=localhost "
  .. "2>/dev/null"

local spin <const> = "while true do end"

local function start(settings, args)
  return copy.serve(nil, { ["lua/reload.lua"] = evaluates, ["moonwire.lua"] = settings or false }, args)
end

describe("a save of moonwire.lua", function()
  local function is_live(how, save)
    it(how .. " is live", function()
      local folder <close> = start "return { workers = 2 }"
      assert.equal("INTERNAL: internal error", tostring(ask(folder, "error 'x'")):match "^(.-) %x+$")
      local log = folder:expect("generation %d+ is live",
        function() save(folder, "return { workers = 2, dev = true }") end)
      assert.matches("is live after [%d.]+ ms: changed [^ ]*/moonwire.lua", log)
      assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
    end)
  end

  is_live("in place", function(folder, text) folder:write("moonwire.lua", text) end)
  is_live("by renaming over it", function(folder, text) folder:replace("moonwire.lua", text) end)
  is_live("by putting a link in its place", function(folder, text)
    folder:write("elsewhere", text)
    folder:shell "ln -s elsewhere new && mv -T new moonwire.lua"
  end)

  it("by swapping the folder that it is linked through is live", function()
    local folder <close> = start "return { workers = 2 }"
    folder:shell "mkdir ..v1 ..v2 && cp moonwire.lua ..v1 && ln -s ..v1 ..data && ln -s ..data/moonwire.lua new"
    folder:write("..v2/moonwire.lua", "return { workers = 2, dev = true }")
    folder:shell "mv -T new moonwire.lua" -- the same bytes: no generation
    folder:expect("generation 2 is live", function() folder:shell "ln -s ..v2 new && mv -T new ..data" end)
    assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
  end)

  it("that makes it appear or disappear is live", function()
    local folder <close> = start()
    local log = folder:commit("moonwire.lua", "return { dev = true }")
    assert.matches(": added [^ ]*/moonwire.lua", log)
    assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
    log = folder:expect("generation %d+ is live", function() folder:delete "moonwire.lua" end)
    assert.matches(": removed [^ ]*/moonwire.lua", log)
    assert.is_nil(ask(folder, "error 'x'").message:find(": x", 1, true))
  end)

  it("that is broken changes nothing, and shows the line", function()
    local folder <close> = start "return { workers = 2, dev = true }"
    local log = folder:refused("moonwire.lua", "return {\n  dev = false,\n  grace = -1,\n}\n")
    assert.matches("/moonwire.lua:3: grace: expected seconds from 0 to 86400", log, 1, true)
    assert.matches('source="grace = -1,"', log, 1, true)
    folder:refused("moonwire.lua", "return }", "/moonwire.lua:1: unexpected symbol")
    assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
    folder:commit("moonwire.lua", "return { workers = 2 }")
    assert.is_nil(ask(folder, "error 'x'").message:find(": x", 1, true))
  end)

  -- Tests a setting on a server whose command line has neither addresses nor a data folder.
  local function is_refused(what, setting, expected)
    it("with " .. what .. ", with which no server could start, is refused at its line", function()
      local folder <close> = start "return { workers = 1 }"
      folder:write("moonwire.lua", 'return { workers = 1, listen = "127.0.0.1:0", data = "d" }')
      local server <close> = test.start { "serve", folder.dir }
      assert.matches("listening on", server:read_line())
      folder:write("moonwire.lua", 'return {\n  workers = 1,\n  ' .. setting .. ',\n}\n')
      test.eventually(function() return server.stderr:find("/moonwire.lua:3: " .. expected, 1, true) end)
      folder:write("moonwire.lua", 'return { workers = 1, listen = "127.0.0.1:0", data = "d", grace = 1 }')
      test.eventually(function() return server.stderr:find "generation %d+ is live" end)
      assert.is_nil(server.stderr:find "restart to change")
      server:kill()
      assert.equal(0, (server:wait()), server.stderr)
    end)
  end

  is_refused("a missing certificate", 'tls = { cert = "none.crt", key = "none.key" }', "tls.cert: TLS certificate: ")
  is_refused("a data folder that is a file", 'data = "moonwire.lua"', "data: cannot make the data folder ")
  is_refused("an address twice", 'listen = { "127.0.0.1:1999", "127.0.0.1:1999" }',
    "listen: 127.0.0.1:1999: given twice: expected different addresses")
  is_refused("an address of another machine", 'listen = "192.0.2.1:0"', "listen: cannot listen on 192.0.2.1:0: ")
  is_refused("a folder of mw.fs that holds the data folder", 'data = "d", files = { folders = "/" }',
    "files.folders: / holds the data folder ")

  it("is live when another file is saved after its certificate has gone", function()
    local folder <close> = start "return { workers = 2 }"
    folder:shell(certificate)
    folder:commit("moonwire.lua", 'return { workers = 2, tls = { cert = "c", key = "k" } }')
    folder:delete "c"
    folder:commit("lua/words.lua", "return 2")
  end)

  it("that runs away is refused, and calls are answered meanwhile", function()
    local folder <close> = start()
    folder:write("moonwire.lua", "while true do end")
    local answers = 0
    test.eventually(function()
      answers = answers + (ask(folder, "return 1") == "1" and 1 or 0)
      return folder:count "/moonwire.lua:1: the script ran for more than 1000 ms while it was loaded" > 0
    end)
    assert.is_true(answers > 10)
  end)

  it("with what only a start can change says so, as long as that is so", function()
    local folder <close> = start("return { workers = 1 }", { "--engine", os.getenv "MOONWIRE_TEST_ENGINE" or "core" })
    folder:shell(certificate)
    local fixed <const> = [[return { workers = 3, listen = "127.0.0.1:1", engine = "http", data = "elsewhere", tls = {
      cert = "c", key = "k" }, store = { map_bytes = 2^30 }, limits = { message_bytes = 1000, metadata_bytes = 2000,
        connections = 10, streams = 10, stream_resets = 10, control_frames = 100, handshake_seconds = 1,
        message_seconds = 1, send_seconds = 1, buffer_bytes = 2^20 },
      keepalive = { time = 0.5, timeout = 20, permit_without_stream = true } }]]
    local log = folder:commit("moonwire.lua", fixed)
    -- listen, data and engine are missing: the command line overrides them.
    local names <const> =
      "; restart to change: workers, tls.cert, tls.key, limits.message_bytes, limits.metadata_bytes, "
      .. "limits.connections, limits.streams, limits.stream_resets, limits.control_frames, limits.handshake_seconds, "
      .. "limits.message_seconds, limits.send_seconds, limits.buffer_bytes, "
      .. "keepalive.time, keepalive.permit_without_stream, store.map_bytes"
    assert.matches(names, log, 1, true)
    assert.matches(names, folder:commit("lua/words.lua", "return 2"), 1, true)
    local _, shown = folder:admin "status"
    assert.matches("\n0 +2? ?", shown)
    assert.is_nil(shown:find("\n1 +%d+ +%d+ +%d+ +[%d.]+ MiB"))
    assert.is_nil(folder:commit("moonwire.lua", "return { workers = 1 }"):find("restart to change", 1, true))
  end)
end)

describe("settings in force", function()
  it("bound what calls may do from the next one on", function()
    local folder <close> = start()
    assert.equal("RESOURCE_EXHAUSTED", ask(folder, spin).code)
    folder:commit("moonwire.lua", "return { limits = { slice_ms = 5000 } }")
    assert.equal("done", ask(folder, busy))
    local fill <const> = "local t = {} for i = 1, 64 do t[i] = ('x'):rep(1 << 20) .. i end return #t"
    assert.equal("64", ask(folder, fill))
    folder:commit("moonwire.lua", "return { limits = { memory_bytes = 32 << 20, slice_ms = 5000 } }")
    assert.equal("RESOURCE_EXHAUSTED", ask(folder, fill).code)
    folder:commit("moonwire.lua", "return { limits = { unpack_bytes = 4096 } }")
    assert.equal("RESOURCE_EXHAUSTED", ask(folder, "--" .. ("x"):rep(10000)).code)
  end)

  it("leave a stream that runs the slice that it began with", function()
    local folder <close> = start "return { limits = { slice_ms = 5000 } }"
    folder:commit("lua/reload.lua",
      evaluates:gsub("call:send%(m%)", "load('local mw = ... ' .. m.text)(mw) call:send(m)"))
    local stream <close> = folder.client:Talk()
    assert.is_true(stream:send {})
    assert.equal("", stream:receive().text)
    folder:commit("moonwire.lua", "return { limits = { slice_ms = 20 } }")
    assert.is_true(stream:send { text = busy })
    assert.equal(busy, assert(stream:receive()).text)
    assert.equal("the handler ran for more than 20 ms without waiting", ask(folder, spin).message)
  end)

  it("bound the candidate's scripts while they load", function()
    local folder <close> = start "return { limits = { memory_bytes = 32 << 20 } }"
    local large <const> = "return (('x'):rep(1 << 20):rep(48))\n"
    assert.matches("memory", folder:refused("lua/large.lua", large), 1, true)
    folder:commit("moonwire.lua", "return { limits = { memory_bytes = 256 << 20 } }")
    assert.equal("50331648", ask(folder, "return mw and 48 << 20"))
    assert.equal(1, folder:count "added [^ ]*/large.lua")
  end)

  it("decide what is logged", function()
    local folder <close> = start "return { log_level = 'error' }"
    ask(folder, "mw.log.info 'first'")
    folder:commit("moonwire.lua", "return { log_level = 'debug' }")
    ask(folder, "mw.log.debug 'second'")
    test.eventually(function() return folder:count "second" == 1 end)
    assert.equal(0, folder:count "first")
    folder:commit("moonwire.lua", "return { log_level = 'warn' }")
    ask(folder, "mw.log.info 'third'")
    ask(folder, "mw.log.warn 'fourth'")
    test.eventually(function() return folder:count "fourth" == 1 end)
    assert.equal(0, folder:count "third")
  end)

  it("bound the age of calls that are there already", function()
    local folder <close> = start()
    local stream <close> = folder.client:Talk()
    assert.is_true(stream:send {})
    assert.equal("", stream:receive().text)
    folder:commit("moonwire.lua", "return { generation_age = 0.01 }")
    local reply, status = stream:receive()
    assert.is_nil(reply)
    assert.equal("UNAVAILABLE", status.code)
  end)

  it("say how long calls go on when the server stops", function()
    local folder <close> = start "return { grace = 3600 }"
    local stream <close> = folder.client:Talk()
    assert.is_true(stream:send {})
    assert.equal("", stream:receive().text)
    folder:commit("moonwire.lua", "return { grace = 0 }")
    folder.server:kill()
    local _, status = stream:receive()
    assert.equal("UNAVAILABLE", status.code)
  end)

  it("give no time when the server is told to stop twice while it reloads", function()
    local folder <close> = start "return { grace = 3600, workers = 2 }"
    -- The first worker takes a while to load the script; the other one takes calls meanwhile. If both count before
    -- either reads the count, neither is the first, and the next save tries again.
    local saves = 0
    repeat
      saves = saves + 1
      folder:write("lua/slow.lua", ([[
        local mw = require "moonwire"
        local loads = mw.metrics.counter { name = "loads_%d" }
        loads:inc()
        if loads:value() > 1 then return {} end
        mw.log.info "it loads"
        local t = mw.time.monotonic()
        while mw.time.monotonic() - t < 0.7 do end
        return {}
      ]]):format(saves))
      local live <const> = ("generation %d is live"):format(saves + 1)
      test.eventually(function() return folder:count "it loads" > 0 or folder:count(live) > 0 end)
    until folder:count "it loads" > 0
    folder.server:kill()
    folder.server:kill(2)
    local ended, streams = 0, 8
    -- The C core itself ends a call that it reads after it has sent GOAWAY.
    local late <const> = os.getenv "MOONWIRE_TEST_ENGINE" == "core" and "CANCELLED"
    for i = 1, streams do
      mw.spawn(function()
        local client = mw.client(folder.address, { max_receive_bytes = (4 << 20) + i }) -- a connection of its own
        local stream <close> = client:service "reload.Reload":Talk()
        local _, status = stream:receive()
        if status and (status.code == "UNAVAILABLE" or status.code == late) then ended = ended + 1 end
      end)
    end
    assert.equal(0, (folder.server:wait()), folder.server.stderr)
    test.eventually(function() return ended == streams end)
  end)

  it("give way to the command line", function()
    local folder <close> = start("return { dev = true }", { "--dev", "--log-level", "warn" })
    folder:write("moonwire.lua", "return { dev = false, log_level = 'debug', limits = { slice_ms = 5000 } }")
    test.eventually(function() return ask(folder, busy) == "done" end)
    ask(folder, "mw.log.info 'quiet' mw.log.warn 'loud'")
    test.eventually(function() return folder:count "loud" > 0 end)
    assert.matches(": x", ask(folder, "error 'x'").message, 1, true)
    assert.equal(0, folder:count "quiet")
  end)
end)
