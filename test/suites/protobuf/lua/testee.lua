-- testee.Testee: parses and serializes messages for protobuf's conformance runner, by way of their Lua tables. The
-- comments of the runner's conformance.proto are its contract.
local mw = require "moonwire"

local Testee = mw.service "testee.Testee"

-- Returns the results of f(...), or nil and the text of its error.
local function try(f, ...)
  local ok, value, status = pcall(f, ...)
  if not ok then return nil, tostring(value) end
  if value == nil then return nil, tostring(status) end
  return value
end

local function parse(request)
  if request.payload == "protobuf_payload" then
    return try(mw.any.unpack, { type_url = request.message_type, value = request.protobuf_payload })
  end
  local ignore_unknown <const> = request.test_category == "JSON_IGNORE_UNKNOWN_PARSING_TEST"
  return try(mw.json.decode, request.json_payload, request.message_type, { ignore_unknown = ignore_unknown })
end

local function serialize(request, message)
  if request.requested_output_format == "JSON" then
    local text, words = try(mw.json.encode, message)
    return text and { json_payload = text } or { serialize_error = words }
  end
  local any, words = try(mw.any.pack, request.message_type, message)
  return any and { protobuf_payload = any.value } or { serialize_error = words }
end

local formats <const> = { protobuf_payload = true, json_payload = true, PROTOBUF = true, JSON = true }

function Testee.Run(request)
  if request.message_type == "conformance.FailureSet" then return { protobuf_payload = "" } end
  if not formats[request.payload] or not formats[request.requested_output_format] then
    return { skipped = "there is neither the text format nor JSPB" }
  end
  local message, words = parse(request)
  if message == nil then return { parse_error = words } end
  return serialize(request, message)
end
