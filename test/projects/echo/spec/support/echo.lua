-- The server of this folder, for a describe block: echo.start in setup, server:stop in teardown.
local assert = require "luassert"
local mw = require "moonwire"
local test = require "moonwire.test"

local Server = {}
Server.__index = Server

local M = {}

---@param options? table of test.serve
function M.start(options)
  local process, address = test.serve(options)
  local client = mw.client(address)
  return setmetatable({ process = process, address = address, client = client, echo = client:service "echo.Echo" },
    Server)
end

-- Another connection: channels of different options share none.
function Server:connect()
  self.connections = (self.connections or 0) + 1
  return mw.client(self.address, { max_receive_bytes = (8 << 20) + self.connections }):service "echo.Echo"
end

-- Calls echo.Echo/Unary. Returns the reply, or nil, status and info.
function Server:unary(what, fields, options)
  fields = fields or {}
  fields.what = what
  return self.echo:Unary(fields, options)
end

-- Waits until a handler has noted something under the name, and returns that.
function Server:note(name)
  return test.eventually(function()
    local text = assert(self:unary("note", { text = name })).text
    return text ~= "" and text
  end)
end

-- What the server is busy with beside the call that asks.
function Server:counts()
  local pairs_of = assert(self:unary "counts").pairs
  return { calls = tonumber(pairs_of.calls) - 1, coroutines = tonumber(pairs_of.coroutines) - 1, fds = self:fds() }
end

-- How many files and sockets the server has open.
function Server:fds()
  local n = 0
  local list <close> = assert(io.popen(("ls /proc/%d/fd"):format(self.process.pid)))
  for _ in list:lines() do n = n + 1 end
  return n
end

-- The server's resident memory in bytes.
function Server:memory()
  local file <close> = assert(io.open(("/proc/%d/statm"):format(self.process.pid)))
  local _, pages = file:read("n", "n")
  return pages * 4096
end

-- Asserts that a call failed so. `message` is a plain part of the status' message.
function M.assert_status(code, message, reply, status)
  assert.is_nil(reply)
  assert.is_table(status)
  assert.are.equal(code, status.code, tostring(status))
  assert.is_truthy(status.message:find(message, 1, true), ("expected %q in %q"):format(message, status.message))
end

-- Waits until the server's log has the text.
function Server:wait_logged(text)
  test.eventually(function() return self.process.stderr:find(text, 1, true) end)
end

-- Stops the server, which must end well: a sanitizer's finding would show here. Returns its log.
function Server:stop()
  self.process:kill()
  assert.are.equal(0, (self.process:wait()), self.process.stderr)
  local log = self.process.stderr
  self.process:close()
  return log
end

return M
