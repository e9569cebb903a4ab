-- Handlers that report a call's state to the client tests.
local mw = require "moonwire"

local Probe = mw.service "probe.Probe"
local ended = 0

function Probe.Look(_, call)
  for key in pairs(call.metadata) do
    if key:find "^x%-" then
      for _, value in ipairs(call:metadata_values(key)) do
        call:set_header(key, value)
        call:set_trailer("trailer-" .. key, value)
      end
    end
  end
  return {
    method = call.method, service = call.service, peer = call.peer, time_remaining = call:time_remaining() or -1,
    deadline = call.deadline or -1,
  }
end

function Probe.Fail(req)
  local status = mw.status(req.code, req.message)
  if req.with_detail then
    status:with_details("google.rpc.ErrorInfo", { reason = "TEST", domain = "example.com" })
  end
  return nil, status
end

function Probe.Crash()
  error("boom")
end

function Probe.Flood(req, call)
  local blob = { data = ("x"):rep(req.size) }
  for _ = 1, req.count do
    if not call:send(blob) then return end
  end
end

function Probe.Sink(call)
  local total = { messages = 0, bytes = 0 }
  for blob in call:messages() do
    total.messages, total.bytes = total.messages + 1, total.bytes + #blob.data
  end
  return total
end

function Probe.Echo(call)
  for blob in call:messages() do
    call:send(blob)
  end
end

function Probe.Wait()
  local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
  mw.sleep(3600)
  return {}
end

function Probe.Ended()
  return { messages = ended }
end

function Probe.Metrics()
  return { data = mw.metrics.text() }
end
