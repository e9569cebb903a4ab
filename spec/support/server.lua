-- A server of this folder for a describe block: server.start in setup, server:stop in teardown.
local assert = require "luassert"
local mw = require "moonwire"
local test = require "moonwire.test"

local Server = {}
Server.__index = Server

local M = { Server = Server }

---@param options? table of test.serve
function M.start(options)
  local process, address = test.serve(options)
  return setmetatable({ process = process, address = address, connections = 0 }, Server)
end

-- Returns a client of the service with a connection of its own, which another worker may accept.
function Server:connect(service)
  self.connections = self.connections + 1
  return mw.client(self.address, { max_receive_bytes = (8 << 20) + self.connections }):service(service)
end

-- Returns the server's resident memory in bytes.
function Server:memory()
  local file <close> = assert(io.open(("/proc/%d/statm"):format(self.process.pid)))
  local _, pages = file:read("n", "n")
  return pages * 4096
end

-- Stops the server, which must exit with 0: a sanitizer's finding changes the status. Returns its log.
function Server:stop()
  self.process:kill()
  assert.are.equal(0, (self.process:wait()), self.process.stderr)
  local log = self.process.stderr
  self.process:close()
  return log
end

-- Asserts that a call failed with `code` and a status message that contains `message`, a plain string.
function M.assert_status(code, message, reply, status)
  assert.is_nil(reply)
  assert.is_table(status)
  assert.are.equal(code, status.code, tostring(status))
  assert.is_truthy(status.message:find(message, 1, true), ("expected %q in %q"):format(message, status.message))
end

-- Reads a stream to its end, whose status must be OK, or the first `n` messages. Returns the messages.
function M.collect(stream, n)
  local list = {}
  while not n or #list < n do
    local message, status = stream:receive()
    assert.is_nil(status, tostring(status))
    if not message then break end
    list[#list + 1] = message
  end
  return list
end

-- Starts a fiber for each of f(1) to f(n). The starts count for the caller's slice, which a pause begins anew.
function M.spawn_all(n, f)
  for i = 1, n do
    mw.spawn(function() f(i) end)
    if i % 50 == 0 then mw.sleep(0) end
  end
end

-- Runs each function in a fiber and waits for all of them.
function M.all(functions)
  local left, failure = #functions, nil
  M.spawn_all(#functions, function(i)
    local ok, err = pcall(functions[i])
    left, failure = left - 1, failure or (not ok and err) or nil
  end)
  test.eventually(function() return left == 0 end, 60)
  if failure then error(failure, 0) end
end

return M
