-- Runs first in `moonwire test`: completes the module moonwire.test, then hands over to busted.
local mw = require "moonwire"
local test = require "moonwire.test"

-- Servers are on the engine that the specs are to run on, whatever moonwire.lua says.
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

-- Waits until `condition` returns something true, and returns that; raises after `seconds` (30).
function test.eventually(condition, seconds)
  local limit <const> = test.now() + (seconds or 30)
  local pause = 0.001
  while true do
    local value = condition()
    if value then return value end
    if test.now() > limit then error(("the condition was not met within %g s"):format(seconds or 30), 2) end
    mw.sleep(pause)
    pause = math.min(2 * pause, 0.05)
  end
end

package.path = "./lua/?.lua;./spec/?.lua;" .. package.path
local ok, runner = pcall(require, "busted.runner")
if not ok then
  io.stderr:write "moonwire test: busted is not installed (Debian: lua-busted)\n"
  os.exit(1)
end
runner { standalone = false }
