-- Functions of the runtime that fail, each with nil and a status, and ways in which handlers treat that status.
local mw = require "moonwire"

local M = {}

local scores = mw.store.collection { name = "scores", message = "echo.Message", key = "what" }
local gauge = mw.metrics.gauge { name = "echo_failures", labels = { "n" } }
local nobody <const> = "127.0.0.1:1"

-- Each function fails, by returning or by raising.
local failing = {}

function failing.read() return mw.fs.read "absent.txt" end

function failing.path() return mw.fs.open "../secret" end

function failing.remove() return mw.fs.remove "absent.txt" end

function failing.store_update()
  return scores:update("absent", function(m) return m end)
end

function failing.store_insert()
  scores:put { what = "there" }
  return scores:insert { what = "there" }
end

function failing.client() return mw.client(nobody):call("echo.Echo/Unary", {}) end

function failing.stream() return mw.client(nobody):stream("echo.Echo/Expand", {}):receive() end

function failing.messages()
  for _ in mw.client(nobody):stream("echo.Echo/Expand", {}):messages() do end
end

function failing.finish() return mw.client(nobody):stream("echo.Echo/Expand", {}):finish() end

function failing.stream_status()
  local stream = mw.client(nobody):stream("echo.Echo/Expand", {})
  stream:receive()
  return nil, stream:status()
end

function failing.json() return mw.json.decode "{" end

function failing.time() return mw.time.parse "yesterday" end

function failing.u64() return mw.u64.parse "-1" end

function failing.any() return mw.any.unpack { type_url = "type.googleapis.com/echo.Absent", value = "" } end

function failing.topic() return mw.topic("echo.failures"):subscribe():receive(0) end

function failing.publish() return mw.topic("echo.failures"):publish(("x"):rep(17 << 20)) end

function failing.metric()
  for i = 1, 100000 do
    local _, status = gauge:set({ n = i }, 1)
    if status then return nil, status end
  end
end

-- The store raises this failure.
function M.transaction()
  scores:put { what = "there" }
  return mw.store.transaction(function(tx) tx:insert(scores, { what = "there" }) end)
end

-- ---- ways to pass the failure to the caller ----

function M.assert_failure(req) return assert(failing[req.text]()) end

function M.raise_failure(req)
  local _, status = failing[req.text]()
  error(status)
end

function M.raise_failure_again(req)
  local _, status = pcall(function() return assert(failing[req.text]()) end)
  error(status)
end

function M.raise_failure_from_coroutine(req)
  return coroutine.wrap(function() return assert(failing[req.text]()) end)()
end

function M.return_failure(req)
  local ok, reply, status = pcall(failing[req.text])
  return nil, ok and status or reply
end

-- A <close> variable logs the error that ends the call and raises it again.
function M.close_by_failure(req)
  local _ <close> = setmetatable({}, { __close = function(_, err)
    mw.log.info("closed by " .. err.code)
    error(err)
  end })
  return assert(failing[req.text]())
end

function M.raise_copy(req)
  local _, status = failing[req.text]()
  error(mw.status(status.code, status.message))
end

function M.raise_with_details(req)
  local _, status = failing[req.text]()
  error(status:with_details("google.rpc.ErrorInfo", { reason = "CHOSEN" }))
end

return M
