-- Handlers that run away: each is ended, and delays other calls only briefly.
local mw = require "moonwire"
local beside = require "support.beside"
local test = require "moonwire.test"

local least_kinds <const> = 12

describe("a runaway", function()
  local server, client, calls
  local ran, kinds = {}, 0 -- names of the ways that ran, and their number

  setup(function()
    local address
    server, address = test.serve()
    client = mw.client(address):service "runaway.Runaway"
    client:Run { what = "a loop" }
    calls = beside.new(server, client)
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  -- Runs a runaway while other calls are made. Returns the status of its call. `options` are those of the call.
  local function run(what, options)
    local pinger = calls:start()
    local reply, status = client:Run({ what = what }, options)
    calls:finish(pinger)
    assert.is_nil(reply)
    if not ran[what] then ran[what], kinds = true, kinds + 1 end
    return status
  end

  local stopped = {} -- names of the ways that are ended

  local function ends(what, by, place)
    stopped[#stopped + 1] = what
    it(("by %s is ended"):format(what), function()
      local logged = #server.stderr
      local status = run(what)
      local log
      test.eventually(function()
        log = server.stderr:sub(logged + 1)
        return log:find("\n", 1, true) and log:find(by, 1, true)
      end)
      assert.equal("RESOURCE_EXHAUSTED", status.code)
      assert.matches(by, status.message, 1, true)
      assert.matches(place or "at=lua/runaway.lua:%d+", log)
      assert.matches("runaway.Runaway/Run", log, 1, true)
    end)
  end

  local slow <const> = "the handler ran for more than 100 ms without waiting"
  local large <const> = "the handler used up the memory of the worker's scripts, 67108864 bytes"

  ends("a loop", slow, "at=lua/runaway.lua:7")
  for _, what in ipairs {
    "a loop in pcall", "a loop in xpcall, and in its message handler", "a message handler", "a tail call",
    "a coroutine", "a wrapped coroutine", "coroutines in coroutines", "coroutine.close", "a goto", "__index",
    "__index that recurses", "__close", "__close that closes another", "__close that replaces the error",
    "__close that recovers", "an iterator", "__tostring", "a loader", "table.sort with a slow order",
    "string.gsub with a slow replacement", "long strings",
    "string.find", "string.match in pcall", "string.gsub", "string.gmatch", "string.rep of nothing", "table.insert",
    "table.remove", "table.move", "table.concat", "table.sort", "table.sort of much", "mw.json", "spawned work",
    "spawned work that waits", "spawned work in coroutines", "spawned functions", "coroutine.wrap that closes",
    "string.find with a long set", "string.find of what was captured", "string.gsub with a long replacement by nothing",
    "topic:publish of shared branches", "mw.json of Any in Any", "tostring of long strings",
    "mw.json of an emptied table many times", "topic:publish of an emptied table many times",
    "a message of an emptied table many times", "table.unpack of inherited fields",
    "C functions as __close",
  } do
    ends(what, slow)
  end
  local keys <const> = "the handler filled a table with numbers as keys that collide"
  ends("a table of integers that collide", keys)
  ends("a table of floats that collide", keys)
  ends("a table of numbers that collide, in pcall", keys)
  ends("a table of numbers that collide, by rawset", keys)
  ends("a table of numbers that collide, by __newindex", keys)
  for _, way in ipairs {
    "", " in many tables", " in small tables", " by rawset", " by __newindex", " with a late __mode",
    " in coroutines, in pcall",
  } do
    ends("a chain of weak keys" .. way, "the handler filled tables with weak keys (__mode = 'k') beyond "
      .. "limits.weak_keys, 4096 places: use __mode = 'kv', or keep the values in a field of their keys")
  end
  ends("recursion", "the handler ") -- its time or its memory, depending on which is used up first
  ends("string.rep", large)
  for _, what in ipairs {
    "a string that grows", "a string that grows in pcall", "memory in a coroutine", "table.concat of much",
    "mw.json of much", "a long program", "programs in pcall", "a table that grows",
    "a table that grows in pcall", "functions that sleep",
    "string.gsub of nothing", "string.format of a long string", "topic:publish of a long string many times",
    "mw.json of a long string many times", "mw.json of a message with a long string", "mw.json of many keys",
    "a message of shared branches", "a message of many messages", "a long list in a message",
  } do
    ends(what, "the handler") -- either limit may be reached first
  end

  -- The names of a module's functions of a kind, "ways" or "waits", in order.
  local function names(module, kind)
    local list = {}
    for name in pairs(require(module)[kind]) do list[#list + 1] = name end
    table.sort(list)
    return list
  end

  for _, file in ipairs { "language", "bindings" } do
    local place <const> = ("at=lua/ways/%s.lua:%%d+"):format(file)
    for _, what in ipairs(names("ways." .. file, "ways")) do ends(what, "the handler", place) end
  end

  for _, file in ipairs { "language", "bindings" } do
    for _, what in ipairs(names("ways." .. file, "waits")) do
      it(("by %s ends with its deadline"):format(what), function()
        assert.equal("DEADLINE_EXCEEDED", run(what, { deadline = 0.2 }).code)
      end)
    end
  end

  it("by weak keys is none in forgotten tables, nor with weak values", function()
    assert.equal("forgotten", assert(client:Run { what = "forgotten tables with weak keys" }).text)
  end)

  it("by a filled table whose keys become weak is refused", function()
    local _, status <const> = client:Run { what = "a filled table whose keys become weak" }
    assert.equal("INTERNAL", status.code)
    test.eventually(function()
      return server.stderr:find("tables with weak keys (__mode = 'k') would have 8192 places, expected 4096 at most "
        .. "(limits.weak_keys): use __mode = 'kv', or keep the values in a field of their keys", 1, true)
    end)
  end)

  it("by a status with a long message is none", function()
    local since <const> = test.now()
    local _, status <const> = client:Run { what = "a status with a long message" }
    assert.equal("NOT_FOUND", status.code)
    assert.is_true(test.now() - since < 5)
  end)

  it("by a large reply is refused before the reply is packed", function()
    test.eventually(function() -- garbage of earlier tests is collected
      local reply <const>, status <const> = client:Run { what = "a large reply" }
      assert.is_nil(reply)
      return status.code == "INTERNAL"
    end)
    test.eventually(function()
      return server.stderr:find("bad reply: runaway.Reply.parts[4]: the message takes too much memory, more than the "
        .. "67108864 bytes of limits.unpack_bytes", 1, true)
    end)
  end)

  it("leaves the calls beside it their time", function()
    for _, what in ipairs(stopped) do
      if kinds < least_kinds then run(what) end
    end
    assert.is_true(kinds >= least_kinds)
    calls:check(kinds .. " runaways")
  end)

  it("in a job is ended", function()
    assert.is_table((client:Run { what = "a job" }))
    test.eventually(function() return server.stderr:match "the job ran for more than 100 ms without waiting" end)
    assert.equal("pong", client:Ping({}).text)
  end)

  it("is warned of at half of its time", function()
    assert.matches("the handler has run for %d+ ms without waiting; it will be ended at 100 ms", server.stderr)
  end)
end)

-- With a slice that is long enough under a sanitizer.
describe("keys that collide", function()
  local server, address

  setup(function() server, address = test.serve { env = { RUNAWAY_SLICE_MS = "2000" } } end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  -- Calls with a request in JSON, so that no table of this process has its keys. Returns code, reply or error, seconds.
  local function send(method, field, form, step, n)
    local items = {}
    for i = 1, n do items[i] = form:format(i * step) end
    local json <const> = table.concat(items, ",")
    local path <const> = os.tmpname()
    do
      local file <close> = assert(io.open(path, "w"))
      file:write('{"', field, '":', field == "list" and "[" .. json .. "]" or "{" .. json .. "}", "}")
    end
    local since <const> = test.now()
    local call <close> = test.start { "call", "--proto", "proto", address, "runaway.Runaway/" .. method, "@" .. path }
    local reply <const>, code <const> = call:read_line(), call:wait()
    os.remove(path)
    return code, reply or call.stderr, test.now() - since
  end

  local resource_exhausted <const> = 8

  it("are none in the table of a map", function()
    for _, step in ipairs { 1, 60, 1000, 86400, 1 << 22, -4096, 131071, 262143, 1000000007 } do
      local code <const>, text <const>, seconds <const> = send("Count", "by_id", '"%d":true', step, 131072)
      assert.equal('{"text":"131072"}', text)
      assert.equal(0, code)
      assert.is_true(seconds < 5, ("keys in steps of %d: %.1f s"):format(step, seconds))
    end
    assert.equal(0, (send("Count", "by_code", '"%d":true', 65535, 65000)))
  end)

  it("are refused in a map that no table fits", function()
    local step <const> = 2858420565 -- divisible by 1023, 2047 and 4095
    local code <const>, text <const> = send("Count", "by_id", '"%d":true', step, 1024)
    assert.equal(resource_exhausted, code, text)
    assert.matches("runaway.Numbers.by_id: the keys collide in a Lua table: more than 256 leave the same remainder "
      .. "modulo 1023, others modulo 2047 and 4095", text, 1, true)
    assert.equal(0, (send("Count", "by_id", '"%d":true', step, 256)))
  end)

  it("do not keep other tables from growing", function()
    local runaway <const> = mw.client(address):service "runaway.Runaway"
    for _ = 1, 2 do assert.equal("grown", assert(runaway:GrowBeside {}).text) end
  end)

  it("end a script that fills a table with them", function()
    for _, case in ipairs { { "Copy", "by_id", '"%d":true' }, { "List", "list", '"%d"' } } do
      local method <const>, field <const>, form <const> = table.unpack(case)
      for _, step in ipairs { 131071, 262143 } do
        local code <const>, text <const>, seconds <const> = send(method, field, form, step, 140000)
        assert.equal(resource_exhausted, code, text)
        assert.matches("the handler filled a table with numbers as keys that collide", text, 1, true)
        assert.is_true(seconds < 5, ("%s, keys in steps of %d: %.1f s"):format(method, step, seconds))
      end
      assert.equal(0, (send(method, field, form, 86400, 20000)))
    end
  end)
end)
