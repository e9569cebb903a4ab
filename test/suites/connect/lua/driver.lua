-- driver.Driver: the client under test. Its method makes the outbound call that the suite requests, as described in the
-- comments of the suite's client_compat.proto.
local mw = require "moonwire"
local convert = require "convert"

local Driver = mw.service "driver.Driver"

local credentials = { files = 0 }

-- Returns the path of a file with these bytes. Equal bytes give the same file, and so the same connection.
local function file(bytes)
  if not credentials[bytes] then
    credentials.files = credentials.files + 1
    local name <const> = ("credentials-%d-%d.pem"):format(mw.time.now_ns(), credentials.files)
    assert(mw.fs.write(name, bytes))
    credentials[bytes] = mw.env.CONNECT_DATA .. "/files/" .. name
  end
  return credentials[bytes]
end

local function connect(request)
  local options = { tls = #request.server_tls_cert > 0 }
  if options.tls then options.ca = file(request.server_tls_cert) end
  if request.client_tls_creds then
    options.cert, options.key = file(request.client_tls_creds.cert), file(request.client_tls_creds.key)
  end
  if request.message_receive_limit > 0 then options.max_receive_bytes = request.message_receive_limit end
  return mw.client(("%s:%d"):format(request.host, request.port), options)
end

local function call_options(request)
  local metadata = {}
  convert.each_value(request.request_headers, function(key, value)
    metadata[key] = metadata[key] or {}
    table.insert(metadata[key], value)
  end)
  local compression <const> = { COMPRESSION_GZIP = "gzip", COMPRESSION_DEFLATE = "deflate" }
  return {
    metadata = metadata, compression = compression[request.compression],
    deadline = request.timeout_ms and request.timeout_ms / 1000,
  }
end

-- When to cancel: before the half-close, seconds after it, after a number of responses.
local function timing(request)
  local cancel = request.cancel
  if not cancel then return {} end
  if cancel.before_close_send then return { before_end = true } end
  if cancel.after_num_responses then return { responses = cancel.after_num_responses } end
  return { after_end = (cancel.after_close_send_ms or 0) / 1000 }
end

local function outcome(replies, status, info)
  local payloads = {}
  for i, reply in ipairs(replies) do payloads[i] = reply.payload or {} end
  return {
    payloads = payloads, error = status and status.code ~= "OK" and convert.error(status) or nil,
    response_headers = convert.headers(info.headers, function(key) return info:header_values(key) end),
    response_trailers = convert.headers(info.trailers, function(key) return info:trailer_values(key) end),
  }
end

local function run_unary(stub, request, options, cancel)
  options.async = true
  local call <close> = stub[request.method](stub, mw.any.unpack(request.request_messages[1]), options)
  if cancel.after_end then
    mw.sleep(cancel.after_end)
    call:cancel()
  end
  local reply, status, info = call:wait()
  return outcome({ reply }, status, info)
end

-- Receives until the end of the stream or the time to cancel.
local function receive_all(stream, replies, cancel)
  repeat
    if #replies == cancel.responses then stream:cancel() end
    local reply, status = stream:receive()
    replies[#replies + 1] = reply
    if not reply then return status end
  until false
end

-- Half-closes, or cancels before or after that.
local function end_request(stream, cancel)
  if cancel.before_end then return stream:cancel() end
  stream:close_send()
  if not cancel.after_end then return end
  mw.sleep(cancel.after_end)
  stream:cancel()
end

local function run_server_stream(stub, request, options, cancel)
  local stream <close> = stub[request.method](stub, mw.any.unpack(request.request_messages[1]), options)
  if cancel.after_end then end_request(stream, cancel) end
  local replies = {}
  local status = receive_all(stream, replies, cancel)
  return outcome(replies, status, select(3, stream:finish()))
end

-- Sends the messages of the request. Returns the number of messages not sent.
local function send_all(stream, request, after_each)
  for i, message in ipairs(request.request_messages) do
    mw.sleep(request.request_delay_ms / 1000)
    if not stream:send(mw.any.unpack(message)) then return #request.request_messages - i + 1 end
    if after_each and not after_each() then return #request.request_messages - i end
  end
  return 0
end

local function run_client_stream(stub, request, options, cancel)
  local stream <close> = stub[request.method](stub, options)
  local unsent = send_all(stream, request)
  end_request(stream, cancel)
  local reply, status, info = stream:finish()
  local result = outcome({ reply }, status, info)
  result.num_unsent_requests = unsent
  return result
end

local function run_bidi_stream(stub, request, options, cancel)
  local stream <close> = stub[request.method](stub, options)
  local replies = {}
  local full_duplex <const> = request.stream_type == "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM"
  local unsent = send_all(stream, request, full_duplex and function()
    local reply = stream:receive()
    replies[#replies + 1] = reply
    if #replies == cancel.responses then stream:cancel() end
    return reply
  end or nil)
  end_request(stream, cancel)
  local status = receive_all(stream, replies, cancel)
  local _, final, info = stream:finish()
  local result = outcome(replies, status or final, info)
  result.num_unsent_requests = unsent
  return result
end

local runs <const> = {
  STREAM_TYPE_UNARY = run_unary, STREAM_TYPE_SERVER_STREAM = run_server_stream,
  STREAM_TYPE_CLIENT_STREAM = run_client_stream, STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM = run_bidi_stream,
  STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM = run_bidi_stream,
}

function Driver.Run(request)
  local stub = connect(request):service(request.service)
  local result = runs[request.stream_type](stub, request, call_options(request), timing(request))
  return { test_name = request.test_name, response = result }
end
