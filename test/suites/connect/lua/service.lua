-- connectrpc.conformance.v1.ConformanceService: the server under test. The comments of the suite's service.proto are
-- its contract.
local mw = require "moonwire"
local convert = require "convert"

local Service = mw.service "connectrpc.conformance.v1.ConformanceService"

local INFO <const> = "connectrpc.conformance.v1.ConformancePayload.RequestInfo"

-- Packs requests into Any, the form in which the suite expects them back.
local function packed(requests)
  local list = {}
  for i, request in ipairs(requests) do list[i] = mw.any.pack(mw.type(request), request) end
  return list
end

local function request_info(call, requests)
  local remaining = call:time_remaining()
  return {
    request_headers = convert.headers(call.metadata, function(key) return call:metadata_values(key) end),
    timeout_ms = remaining and math.ceil(remaining * 1000),
    requests = packed(requests),
  }
end

local function set_metadata(call, definition)
  convert.each_value(definition.response_headers, function(key, value) call:set_header(key, value) end)
  convert.each_value(definition.response_trailers, function(key, value) call:set_trailer(key, value) end)
end

-- Returns the error of a definition. If no payload has carried the request's info, the info is a detail.
local function failed(definition, info)
  local details = { table.unpack(definition.error.details) }
  if info then details[#details + 1] = mw.any.pack(INFO, info) end
  return nil, convert.status { code = definition.error.code, message = definition.error.message, details = details }
end

local function unary(call, definition, requests)
  local info = request_info(call, requests)
  if not definition then return { payload = { request_info = info } } end
  set_metadata(call, definition)
  mw.sleep(definition.response_delay_ms / 1000)
  if definition.error then return failed(definition, info) end
  return { payload = { data = definition.response_data or "", request_info = info } }
end

function Service.Unary(request, call) return unary(call, request.response_definition, { request }) end

function Service.IdempotentUnary(request, call) return unary(call, request.response_definition, { request }) end

function Service.ClientStream(call)
  local requests = {}
  for request in call:messages() do requests[#requests + 1] = request end
  return unary(call, requests[1] and requests[1].response_definition, requests)
end

local function send(call, definition, n, info)
  mw.sleep(definition.response_delay_ms / 1000)
  return call:send { payload = { data = definition.response_data[n], request_info = info } }
end

function Service.ServerStream(request, call)
  local definition = request.response_definition
  if not definition then return end
  set_metadata(call, definition)
  local info = request_info(call, { request })
  if #definition.response_data > 0 then call:send_headers() end
  for n = 1, #definition.response_data do
    if not send(call, definition, n, n == 1 and info or nil) then return end
  end
  if definition.error then return failed(definition, #definition.response_data == 0 and info) end
end

-- Sends a response for each request while responses are left. Returns their number, and the requests since the last.
local function answer_each(call, first, definition)
  local sent, request = 0, first
  while request and sent < #definition.response_data do
    sent = sent + 1
    local info = sent == 1 and request_info(call, { request }) or { requests = packed { request } }
    if not send(call, definition, sent, info) then break end
    request = call:receive()
  end
  return sent, { request }
end

function Service.BidiStream(call)
  local first = call:receive()
  local definition = first and first.response_definition
  if definition then set_metadata(call, definition) end
  local sent, requests = 0, { first }
  if first and first.full_duplex then
    if not definition then return end
    if #definition.response_data > 0 then call:send_headers() end
    sent, requests = answer_each(call, first, definition)
  else
    for request in call:messages() do requests[#requests + 1] = request end
    if definition and #definition.response_data > 0 then call:send_headers() end
  end
  if not definition then return end
  local info = sent == 0 and request_info(call, requests)
  for n = sent + 1, #definition.response_data do
    if not send(call, definition, n, n == 1 and info or nil) then return end
  end
  if definition.error then return failed(definition, #definition.response_data == 0 and info) end
end
