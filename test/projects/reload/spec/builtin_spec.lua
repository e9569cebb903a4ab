-- Health and reflection follow the folder: an open Watch or reflection stream answers by the newest generation, and
-- keeps no generation alive.
local mw = require "moonwire"
local copy = require "support.copy"
local test = require "moonwire.test"

local more <const> = {
  ["proto/more.proto"] = 'syntax = "proto3"; package more; message M { } service More { rpc Get(M) returns (M); }\n',
  ["lua/more.lua"] = 'require "moonwire".service "more.More".Get = function(m) return m end\n',
}

describe("the built-in services", function()
  local folder
  after_each(function()
    folder:__close()
    folder = nil
  end)

  local function client(service) return mw.client(folder.address):service(service) end

  local function watch(service)
    return client "grpc.health.v1.Health":Watch({ service = service }, { deadline = 60 })
  end

  -- Returns the next status of a Watch stream.
  local function status(stream) return assert(stream:receive()).status end

  local function reflect(version)
    return client(("grpc.reflection.%s.ServerReflection"):format(version)):ServerReflectionInfo()
  end

  -- True if reflection over the stream lists the service.
  local function lists(stream, service)
    assert(stream:send { list_services = "" })
    for _, entry in ipairs(assert(stream:receive()).list_services_response.service) do
      if entry.name == service then return true end
    end
    return false
  end

  local function finds(stream, symbol)
    assert(stream:send { file_containing_symbol = symbol })
    return assert(stream:receive()).file_descriptor_response ~= nil
  end

  local function add_more()
    folder:expect("generation %d+ is live[^\n]*more%.lua", function()
      for _, path in ipairs { "proto/more.proto", "lua/more.lua" } do folder:write(path, more[path]) end
    end)
  end

  local function remove_more()
    folder:expect("generation %d+ is live", function() folder:delete "lua/more.lua" end)
  end

  -- Number of programs that worker 0 holds. Its script returns the metrics.
  local function live()
    return tonumber(folder.client:Say {
      text = "return mw.metrics.text()" }.text:match 'generations_live{worker="0"} (%S+)')
  end

  for _, intercepted in ipairs { false, true } do
    local how = intercepted and ", under an interceptor too" or ""
    local changes = {
      ["lua/around.lua"] = intercepted and 'require "moonwire".intercept(function(call, next) return next() end)\n'
        or "return 1\n",
    }

    it("send watchers a new status when a save adds or removes a service" .. how, function()
      folder = copy.serve(nil, changes)
      local whole <close> = watch ""
      local there <close> = watch "reload.Reload"
      local coming <close> = watch "more.More"
      assert.equal("SERVING", status(whole))
      assert.equal("SERVING", status(there))
      assert.equal("SERVICE_UNKNOWN", status(coming))
      add_more()
      assert.equal("SERVING", status(coming))
      assert.equal("SERVING", assert(client "grpc.health.v1.Health":List {}).statuses["more.More"].status)
      remove_more()
      assert.equal("SERVICE_UNKNOWN", status(coming))
      add_more()
      assert.equal("SERVING", status(coming))
      folder:admin "rollback"
      assert.equal("SERVICE_UNKNOWN", status(coming))
      folder:expect("generation %d+ is live", function() folder:delete "lua/reload.lua" end)
      assert.equal("SERVICE_UNKNOWN", status(there))
      folder.server:kill()
      assert.equal("NOT_SERVING", status(whole)) -- one status each: saves that do not affect a service send none
      assert.equal("UNAVAILABLE", select(2, there:receive()).code)
    end)

    it("answer by the newest schema on streams that are open" .. how, function()
      folder = copy.serve(nil, changes)
      local v1 <close> = reflect "v1"
      local v1alpha <close> = reflect "v1alpha"
      for _, stream in ipairs { v1, v1alpha } do
        assert.is_false(lists(stream, "more.More"))
        assert.is_false(finds(stream, "more.M"))
      end
      add_more()
      for _, stream in ipairs { v1, v1alpha } do
        test.eventually(function() return lists(stream, "more.More") end)
        assert.is_true(finds(stream, "more.M"))
      end
      remove_more()
      for _, stream in ipairs { v1, v1alpha } do
        test.eventually(function() return not lists(stream, "more.More") end)
        assert.is_true(finds(stream, "more.M"))
      end
    end)
  end

  it("keep no generation alive by their streams, nor end them by its age", function()
    folder = copy.serve(nil, {
      ["lua/reload.lua"] = copy.evaluates,
      ["moonwire.lua"] = "return { workers = 1, generation_age = 0.05 }",
    })
    local streams = {}
    for i = 1, 10 do
      local stream = watch(i % 2 == 0 and "reload.Reload" or "no.Such")
      status(stream)
      local v1 = reflect "v1"
      assert.is_true(lists(v1, "reload.Reload"))
      streams[i] = { stream, v1 }
      folder:commit("lua/words.lua", copy.words("w" .. i))
    end
    test.eventually(function() return live() == 1 end)
    local _, shown = folder:admin "status"
    assert.is_nil(shown:find("OLD GENERATION", 1, true), shown)
    assert.matches("grpc.health.v1.Health/Watch +%S+ +11 ", shown)
    for _, pair in ipairs(streams) do
      assert.is_nil(pair[1]:status())
      assert.is_true(lists(pair[2], "reload.Reload"))
      assert.is_true((pair[2]:finish()))
      pair[1]:cancel()
    end
  end)

  it("tell of the newest generation in their trailers with --dev", function()
    folder = copy.serve(nil, {}, { "--dev" })
    local stream = reflect "v1"
    assert.is_true(lists(stream, "reload.Reload"))
    folder:commit("lua/words.lua", copy.words "two")
    test.eventually(function() -- until this connection's worker has it too
      local _, _, info = folder.client:Say {}
      return info.trailers["moonwire-generation"] == "2"
    end)
    assert.is_true((stream:finish()))
    assert.equal("2", stream:trailers()["moonwire-generation"])
  end)

  it("may be turned off and on by a save", function()
    folder = copy.serve(nil, { ["moonwire.lua"] = "return { workers = 1 }" })
    local stream <close> = watch "grpc.reflection.v1.ServerReflection"
    assert.equal("SERVING", status(stream))
    folder:commit("moonwire.lua", "return { workers = 1, reflection = false, health = false }")
    assert.equal("SERVICE_UNKNOWN", status(stream))
    assert.equal("UNIMPLEMENTED", select(2, client "grpc.health.v1.Health":Check {}).code)
    folder:commit("moonwire.lua", "return { workers = 1 }")
    assert.equal("SERVING", status(stream))
  end)
end)
