-- Behaviours that show which trace context a handler gets, and which its outbound calls carry.
local mw = require "moonwire"

local M = {}

-- Every value of each key, joined by a bar; "-" for none. Logs a line, whose trace_id is the call's.
function M.trace(req, call)
  local seen = { trace_id = call.trace_id }
  for _, key in ipairs { "traceparent", "tracestate", "baggage" } do
    local values = call:metadata_values(key)
    seen[key] = #values > 0 and table.concat(values, "|") or "-"
  end
  mw.log.info(req.text)
  return { pairs = seen }
end

function M.log(req)
  mw.log.info(req.text)
  return req
end

-- Calls the server at `text`; `pairs` are metadata of the handler's own.
function M.forward_trace(req, call)
  local own = {}
  for key, value in pairs(req.pairs) do own[key] = value end
  own.id, own.trace_context = nil, nil
  local options = { metadata = own }
  if req.pairs.trace_context then options.trace_context = req.pairs.trace_context == "true" end
  local id = req.pairs.id and call.trace_id
  local reply, status = mw.client(req.text):call("echo.Echo/Unary", { what = "trace", text = id }, options)
  if not reply then return nil, status end
  return reply
end

return M
