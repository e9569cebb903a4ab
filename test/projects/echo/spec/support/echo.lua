-- A server of this folder for a describe block: echo.start in setup, server:stop in teardown.
local mw = require "moonwire"
local test = require "moonwire.test"

package.path = package.path .. ";../../../spec/?.lua" -- helpers of the repository's specs
local servers = require "support.server"

local Server = setmetatable({}, { __index = servers.Server })
Server.__index = Server

local M = { assert_status = servers.assert_status }

---@param options? table of test.serve
function M.start(options)
  local self = servers.start(options)
  self.client = mw.client(self.address)
  self.echo = self.client:service "echo.Echo"
  return setmetatable(self, Server)
end

-- Returns the service over a new connection.
function Server:connect()
  return servers.Server.connect(self, "echo.Echo")
end

-- Calls echo.Echo/Unary. Returns the reply, or nil, status and info.
function Server:unary(what, fields, options)
  fields = fields or {}
  fields.what = what
  return self.echo:Unary(fields, options)
end

-- Waits for a handler's note under the name. Returns its text.
function Server:note(name)
  return test.eventually(function()
    local text = assert(self:unary("note", { text = name })).text
    return text ~= "" and text
  end)
end

-- Live calls, coroutines and descriptors of the server, without the call that asks.
function Server:counts()
  local pairs_of = assert(self:unary "counts").pairs
  return { calls = tonumber(pairs_of.calls) - 1, coroutines = tonumber(pairs_of.coroutines) - 1, fds = self:fds() }
end

-- Number of file descriptors that the server has open.
function Server:fds()
  local n = 0
  local list <close> = assert(io.popen(("ls /proc/%d/fd"):format(self.process.pid)))
  for _ in list:lines() do n = n + 1 end
  return n
end

-- Waits until the server's log has the text.
function Server:wait_logged(text)
  test.eventually(function() return self.process.stderr:find(text, 1, true) end)
end

return M
