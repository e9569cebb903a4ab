-- mw.store in a server: its limits, all workers, and snapshots of calls.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local GREETER <const> = [[
  syntax = "proto3";
  package helloworld;
  message HelloRequest { string name = 1; }
  message HelloReply { string message = 1; }
  service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
]]

describe("a store that is full", function()
  it("does not show callers where it is", function()
    local folder <close> = project.new {
      ["moonwire.lua"] = "return { store = { map_bytes = 1048576 } }",
      ["proto/greeter.proto"] = GREETER,
      ["lua/greeter.lua"] = [[
        local mw = require "moonwire"
        local replies = mw.store.collection { name = "replies", message = "helloworld.HelloReply", key = "message" }
        local requests = mw.store.collection { name = "requests", message = "helloworld.HelloRequest", key = "name" }
        local Greeter = mw.service "helloworld.Greeter"
        function Greeter.SayHello(req)
          for i = 1, 10000 do
            local stored, status = requests:put { name = ("x"):rep(400) .. i }
            if not stored then return nil, status end
          end
        end
      ]],
    }
    for _, data in ipairs { folder.dir .. "/data", ":memory:" } do
      local server = servers.start { dir = folder.dir, data = data }
      local reply, status = server:connect "helloworld.Greeter":SayHello {}
      servers.assert_status("RESOURCE_EXHAUSTED", "the store is full (1 MiB)", reply, status)
      assert.matches("^requests: [%w/.: ]*the store is full", status.message)
      assert.is_nil(status.message:find("/tmp", 1, true) or status.message:find("/dev", 1, true))
      local log = server:stop()
      assert.matches('store: %d+ transactions? failed: [^"]*the store is full', log)
      assert.is_nil(log:find("the store failed", 1, true)) -- would be a second line about the same failure
    end
  end)
end)

describe("changes of the same keys by all workers", function()
  it("are each made once, on one state, and show nothing that is not stored", function()
    local folder <close> = project.new {
      ["proto/counts.proto"] = GREETER .. "message Count { string id = 1; int64 value = 2; }",
      ["lua/counts.lua"] = [[
        local mw = require "moonwire"
        local counts = mw.store.collection { name = "counts", message = "helloworld.Count" }
        local Greeter = mw.service "helloworld.Greeter"
        local changes = {}
        local function more(count, id) return { id = id, value = (count and count.value or 0) + 1 } end
        function changes.both(tx)
          local a, b = tx:get(counts, "a"), tx:get(counts, "b")
          assert((a and a.value) == (b and b.value), "not one state")
          tx:put(counts, more(a, "a"))
          return tx:put(counts, more(b, "b"))
        end
        function changes.first(tx)
          return tx:insert(counts, { id = "first" })
        end
        function changes.refuse(tx)
          local a = tx:get(counts, "a")
          if a then return nil, mw.status.failed_precondition("%d", a.value) end
          return {}
        end
        local function change(name)
          if name == "one" then
            return counts:update("one", function(count) return more(count, "one") end)
          elseif name == "put" then
            return counts:put { id = "one" }
          end
          return mw.store.transaction(changes[name])
        end
        function Greeter.SayHello(req)
          local count, status = change(req.name)
          if not count then return nil, status end
          return { message = tostring(count.value) }
        end
      ]],
    }
    local server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "3" } }
    local ends = {}
    for i = 1, 12 do ends[i] = server:connect "helloworld.Greeter" end
    assert(ends[1]:SayHello { name = "put" })
    local made, functions = 0, {}
    for i = 1, 480 do
      functions[i] = function()
        local stub, kind = ends[i % 12 + 1], i % 4
        if kind == 0 then
          assert(stub:SayHello { name = "both" })
        elseif kind == 1 then
          assert(stub:SayHello { name = "one" })
        elseif kind == 2 then
          local first, status = stub:SayHello { name = "first" }
          made = made + (first and 1 or 0)
          assert(first or status.code == "ALREADY_EXISTS", tostring(status))
        else
          local _, status = stub:SayHello { name = "refuse" }
          assert(not status or status.code == "FAILED_PRECONDITION", tostring(status))
        end
      end
    end
    servers.all(functions)
    assert.equal(1, made)
    assert.equal("121", assert(ends[1]:SayHello { name = "both" }).message)
    assert.equal("121", assert(ends[1]:SayHello { name = "one" }).message)
    assert.is_nil(server:stop():find("not one state", 1, true))
  end)
end)

describe("a snapshot that a call holds for long", function()
  it("is listed, closed and logged, and its call ends with ABORTED unless it goes on from another", function()
    local folder <close> = project.new {
      ["proto/greeter.proto"] = GREETER,
      ["lua/greeter.lua"] = [[
        local mw = require "moonwire"
        local replies = mw.store.collection { name = "replies", message = "helloworld.HelloReply", key = "message" }
        local Greeter = mw.service "helloworld.Greeter"
        local function closed() return mw.metrics.total "moonwire_store_snapshots_ended_total" or 0 end
        function Greeter.SayHello(req)
          for _, key in ipairs { "a", "b", "c" } do assert(replies:put { message = key }) end
          local seen, before = "", closed()
          for reply in replies:each { snapshot = req.name ~= "any" } do
            seen = seen .. reply.message
            if reply.message == "b" then
              assert(replies:put { message = "bb" })
              repeat mw.sleep(0.01) until closed() > before
            end
          end
          return { message = seen }
        end
      ]],
    }
    local server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "1" } }
    local greeter = server:connect "helloworld.Greeter"
    local reply, status
    mw.spawn(function() reply, status = greeter:SayHello {} end)
    local call
    test.eventually(function()
      local _, shown = folder:run "status"
      call = shown:match "\nSNAPSHOT OF  AGE +WORKER  CALL\nreplies +[%d.]+s +0 +(%d+)$"
      return call
    end)
    folder:write("moonwire.lua", "return { store = { snapshot_seconds = 0.01 } }")
    assert(folder:run "reload" == 0)
    test.eventually(function() return status end)
    servers.assert_status("ABORTED", "replies: the snapshot was closed: it was open for longer than " ..
      "store.snapshot_seconds: begin again", reply, status)
    reply = assert(greeter:SayHello { name = "any" })
    assert.equal("abbbc", reply.message)
    local log = server:stop()
    assert.matches("a snapshot of the store was closed: it was open for longer than store.snapshot_seconds\" " ..
      "of=replies reason=age age=[%d.]+ count=1 call=" .. call, log)
  end)
end)
