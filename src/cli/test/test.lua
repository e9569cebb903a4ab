-- Runs first in `moonwire test`: completes the module moonwire.test, then runs busted.
local mw = require "moonwire"
local test = require "moonwire.test"

local begin <const>, finish <const>, stop_clock <const>, begins <const> =
  test.begin, test.finish, test.stop_clock, test.begins
test.begin, test.finish, test.stop_clock, test.begins = nil, nil, nil, nil -- not for specs

-- ---- the folder's own handlers ----

-- Returns a stub of one of the folder's services on an in-process channel, like mw.client(...):service(name).
function test.service(name)
  return test.client():service(name)
end

local Clock = debug.getregistry()["moonwire.test.Clock"].__index

-- Stops the scripts' clock at `time`, or at the present time. Returns an object that moves it.
function test.clock(time)
  return stop_clock(time and mw.time.seconds(time))
end

-- Runs `f`, and moves the clock from timer to timer while `f` waits, by at most `seconds` (3600). Returns the results
-- of `f`.
function Clock:run(f, seconds)
  local limit <const> = mw.time.monotonic() + (seconds or 3600)
  local results
  mw.spawn(function() results = table.pack(pcall(f)) end)
  while not results do
    if not self:step(limit) and not results then
      error(("clock:run: the function still waits after %g s"):format(seconds or 3600), 2)
    end
  end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- ---- servers ----

-- Servers use the engine of MOONWIRE_TEST_ENGINE, if it is set, rather than the one in moonwire.lua.
local engine <const> = os.getenv "MOONWIRE_TEST_ENGINE"
local start <const> = test.start

function test.start(args, options)
  if engine and args[1] == "serve" then args = { "serve", "--engine", engine, table.unpack(args, 2) } end
  return start(args, options)
end

-- Starts `moonwire serve` on a free port and waits until it listens.
function test.serve(options)
  options = options or {}
  local args = { "serve", options.dir or ".", "--listen", "127.0.0.1:0", "--data", options.data or ":memory:" }
  table.move(options.args or {}, 1, #(options.args or {}), #args + 1, args)
  local process = test.start(args, options)
  local line = process:read_line()
  local address = line and line:match "listening on (%S+)"
  if not address then
    process:wait()
    error("the server did not start: " .. process.stderr, 2)
  end
  return process, address
end

-- Waits until `condition` returns a true value, and returns that value. Raises an error after `seconds` (30).
function test.eventually(condition, seconds)
  local limit <const> = test.now() + (seconds or 30)
  local pause = 0.001
  while true do
    local value = condition()
    if value then return value end
    if test.now() > limit then error(("the condition was not met within %g s"):format(seconds or 30), 2) end
    test.pause(pause)
    pause = math.min(2 * pause, 0.05)
  end
end

-- ---- busted ----

-- busted gives no place to errors outside of tests (a spec that does not compile, no spec found), and its TAP handler
-- cannot print them then. This adds the place that the message names.
local function place_errors(busted)
  local publish <const> = busted.publish
  function busted.publish(channel, element, parent, message, trace, ...)
    if channel[1] == "error" and type(trace) == "table" and not trace.currentline then
      local file, line = tostring(message):match "^([^\n]-):(%d+):"
      trace.short_src, trace.currentline = file or "busted", tonumber(line) or 0
      element.name = element.name or "specs"
    end
    return publish(channel, element, parent, message, trace, ...)
  end
end

-- Makes each test start with begin(), before the spec's before_each, and end with finish(), after its after_each: both
-- belong to the context that contains busted's files.
local function surround_tests()
  local metatable = getmetatable(require "busted")
  local initialise = metatable.__call
  metatable.__call = function(self, busted)
    local result = initialise(self, busted)
    place_errors(busted)
    busted.subscribe({ "test", "start" }, function(element)
      begins(element.name, ("%s:%d"):format(element.trace.short_src, element.trace.currentline))
      return nil, true
    end)
    busted.subscribe({ "test", "end" }, function()
      begins()
      return nil, true
    end)
    busted.executors.before_each(function() begin() end)
    busted.executors.after_each(function() finish() end)
    return result
  end
end

package.path = "./lua/?.lua;./spec/?.lua;" .. package.path
local ok, runner = pcall(require, "busted.runner")
if not ok then
  io.stderr:write "moonwire test: busted is not installed (Debian: lua-busted)\n"
  os.exit(1)
end
surround_tests()
runner { standalone = false }
