-- Converts headers and errors between the suite's form and Moonwire's. The suite encodes binary headers in base64, and
-- names the codes of gRPC CODE_...
local mw = require "moonwire"

local M = {}

-- Calls f(key, value) for each value of the suite's headers.
function M.each_value(headers, f)
  for _, header in ipairs(headers) do
    local key <const> = header.name:lower()
    for _, value in ipairs(header.value) do f(key, key:find "%-bin$" and mw.base64.decode(value) or value) end
  end
end

-- Returns the suite's headers for a table of keys, where values_of(key) returns every value of a key.
function M.headers(keys, values_of)
  local headers = {}
  for key in pairs(keys) do
    local values = values_of(key)
    if key:find "%-bin$" then
      for i, value in ipairs(values) do values[i] = (mw.base64.encode(value):gsub("=+$", "")) end
    end
    headers[#headers + 1] = { name = key, value = values }
  end
  return headers
end

function M.status(error)
  local name = error.code:gsub("^CODE_", "")
  local status = mw.status(name == "CANCELED" and "CANCELLED" or name, "%s", error.message or "")
  status.details = error.details
  return status
end

function M.error(status)
  local name = status.code == "CANCELLED" and "CANCELED" or status.code
  return { code = "CODE_" .. name, message = status.message, details = status.details }
end

return M
