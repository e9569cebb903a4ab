-- A call that the handler of another call sends on and receives from, as in a chat. It outlives that handler.
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local script <const> = [[
local mw = require "moonwire"
local Telemetry, Greeter = mw.service "telemetry.TelemetryService", mw.service "helloworld.Greeter"
local feed, over = nil, mw.topic "over"

function Telemetry.LiveFeed(call)
  feed = call
  local ending <close> = over:subscribe()
  ending:receive()
  local payload = call:receive()
  return nil, mw.status.aborted("left: %s", payload and payload.service_name)
end

local actions = {}
function actions.fill() while feed:send { message = ("x"):rep(20000) } do end end
function actions.fill_in_close() local _ <close> = setmetatable({}, { __close = actions.fill }) mw.sleep(60) end
function actions.receive() return feed:receive().service_name end
function actions.collect() for payload in feed:messages() do return payload.service_name end end
function actions.is_open() return assert(feed) end
function actions.ping() return "pong" end
actions["end"] = function() return over:publish "now" end

function Greeter.SayHello(req) return { message = tostring(actions[req.name]()) } end
]]

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("A call that other handlers use", function()
  local folder, server, greeter, feed

  before_each(function()
    folder = project.new {
      ["lua/shared.lua"] = script,
      ["proto/telemetry.proto"] = read "proto/telemetry.proto",
      ["proto/helloworld.proto"] = read "proto/helloworld.proto",
    }
    server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "1" } }
    greeter, feed = server:connect "helloworld.Greeter", server:connect("telemetry.TelemetryService"):LiveFeed()
    feed:send { service_name = "first" }
    test.eventually(function() return greeter:SayHello { name = "is_open" } end)
  end)

  after_each(function()
    feed:cancel()
    server:stop()
    folder:__close()
  end)

  local function act(name, deadline) return greeter:SayHello({ name = name }, { deadline = deadline }) end

  local function answers() assert.are.equal("pong", assert(act "ping").message) end

  for _, how in ipairs { "fill", "fill_in_close" } do
    it(("goes on when one of them is killed that waits to send (%s)"):format(how), function()
      servers.assert_status("DEADLINE_EXCEEDED", "", act(how, 0.2))
      answers()
      assert.are.equal("x", assert(feed:receive()).message:sub(1, 1))
    end)
  end

  for _, how in ipairs { "receive", "collect" } do
    it(("loses no message when one of them is killed that waits for it (%s)"):format(how), function()
      assert.are.equal("first", assert(act(how)).message)
      servers.assert_status("DEADLINE_EXCEEDED", "", act(how, 0.2))
      feed:send { service_name = "second" }
      answers()
      assert.are.equal("second", assert(act "receive").message)
      servers.assert_status("DEADLINE_EXCEEDED", "", act(how, 0.2))
      feed:send { service_name = "third" }
      feed:close_send()
      answers()
      assert(act "end")
      assert.is_nil(feed:receive())
      servers.assert_status("ABORTED", "left: third", feed:finish())
    end)
  end
end)
