-- Behaviours that return the trace context of a handler and of its outbound calls.
local mw = require "moonwire"

local M = {}

-- Returns every value of each key, joined by a bar; "-" for none. Logs a line, which has the call's trace_id.
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

-- Calls the server at `text`; `pairs` is metadata that the handler adds.
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
