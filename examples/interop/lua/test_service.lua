-- grpc.testing.TestService, the server for the interoperability tests of gRPC clients.
local mw = require "moonwire"

local TestService = mw.service "grpc.testing.TestService"

-- The id of this server, a record in the store that all workers share.
local servers = mw.store.collection { name = "servers", message = "grpc.testing.SimpleResponse", key = "hostname" }
local HOSTNAME <const> = mw.env("HOSTNAME", "localhost")

-- Echoes the metadata of two keys: one as a header, the other as a trailer.
mw.intercept("grpc.testing.TestService", function(call, next)
  local initial <const> = call.metadata["x-grpc-test-echo-initial"]
  local trailing <const> = call.metadata["x-grpc-test-echo-trailing-bin"]
  if initial then call:set_header("x-grpc-test-echo-initial", initial) end
  if trailing then call:set_trailer("x-grpc-test-echo-trailing-bin", trailing) end
  return next()
end)

local function this_server()
  local server = servers:get(HOSTNAME)
  if server then return server end
  local id = ("%016x"):format(math.random(0))
  return servers:insert { hostname = HOSTNAME, server_id = id } or servers:get(HOSTNAME)
end

local function payload(size)
  if size < 0 then error(mw.status.invalid_argument("size: expected 0 or more, got %d", size)) end
  return { type = "COMPRESSABLE", body = ("\0"):rep(size) }
end

-- Raises the requested status.
local function end_as_asked(status)
  if not status or status.code == 0 then return end
  if status.code < 0 or status.code > 16 then
    error(mw.status.invalid_argument("response_status.code: expected 0 to 16, got %d", status.code))
  end
  error(mw.status(status.code, status.message))
end

-- Raises unless the last request was compressed as it declares.
local function check_compression(expected, call)
  if not expected or expected.value == (call.request_encoding ~= "identity") then return end
  error(mw.status.invalid_argument("expect_compressed: %s, but the request came with encoding %s", expected.value,
    call.request_encoding))
end

-- Sends one response of a stream. Returns true unless the client is gone.
local function respond(call, parameters)
  if parameters.interval_us > 0 then mw.sleep(parameters.interval_us / 1e6) end
  local plain = parameters.compressed and not parameters.compressed.value
  return call:send({ payload = payload(parameters.size) }, plain and { compress = false } or nil)
end

-- Compression is set for the whole call; a single response can only be exempted.
local function compress_if_asked(call, all_parameters)
  for _, parameters in ipairs(all_parameters) do
    if parameters.compressed then return call:set_compression "gzip" end
  end
end

function TestService.EmptyCall()
  return {}
end

---@param req grpc.testing.SimpleRequest
---@param call moonwire.Call
---@return grpc.testing.SimpleResponse
function TestService.UnaryCall(req, call)
  check_compression(req.expect_compressed, call)
  local compressed <const> = req.response_compressed and req.response_compressed.value
  call:set_compression(compressed and "gzip" or "identity")
  end_as_asked(req.response_status)
  return {
    payload = req.response_size ~= 0 and payload(req.response_size) or nil,
    hostname = HOSTNAME,
    server_id = req.fill_server_id and this_server().server_id or "",
  }
end

---@param call moonwire.Call
---@return grpc.testing.SimpleResponse
function TestService.CacheableUnaryCall(_, call)
  call:set_header("cache-control", "max-age=60, public")
  return { payload = { body = tostring(mw.time.now_ns()) } }
end

---@param req grpc.testing.StreamingOutputCallRequest
---@param call moonwire.Call
function TestService.StreamingOutputCall(req, call)
  compress_if_asked(call, req.response_parameters)
  for _, parameters in ipairs(req.response_parameters) do
    if not respond(call, parameters) then return end
  end
  end_as_asked(req.response_status)
end

---@param call moonwire.Call
---@return grpc.testing.StreamingInputCallResponse
function TestService.StreamingInputCall(call)
  local size = 0
  for message in call:messages() do
    check_compression(message.expect_compressed, call)
    if message.payload then size = size + #message.payload.body end
  end
  return { aggregated_payload_size = size }
end

---@param call moonwire.Call
function TestService.FullDuplexCall(call)
  for message in call:messages() do
    end_as_asked(message.response_status)
    for _, parameters in ipairs(message.response_parameters) do
      if not respond(call, parameters) then return end
    end
  end
end

---@param call moonwire.Call
function TestService.HalfDuplexCall(call)
  local asked = {}
  for message in call:messages() do
    for _, parameters in ipairs(message.response_parameters) do asked[#asked + 1] = parameters end
  end
  for _, parameters in ipairs(asked) do
    if not respond(call, parameters) then return end
  end
end
