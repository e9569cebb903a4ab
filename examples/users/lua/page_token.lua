-- Page tokens, opaque to clients. A token names the last item of a page. Its checksum detects tokens that were made up
-- or belong to another list. The checksum is not a signature and need not be one: a token gives access to nothing that
-- paging would not reach.
local M = {}

-- FNV-1a, 64 bits.
local function checksum(text)
  local hash = 0xcbf29ce484222325
  for i = 1, #text do
    hash = (hash ~ text:byte(i)) * 0x100000001b3
  end
  return ("%016x"):format(hash)
end

-- Returns the token that continues the list `scope` after the item with `key`, a string.
---@param scope string
---@param key string
---@return string
function M.new(scope, key)
  local hex = key:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return checksum(scope .. "\0" .. key) .. hex
end

-- Returns the key in a token of the list `scope`; nil for any other text.
---@param scope string
---@param token string
---@return string?
function M.key(scope, token)
  local hex = token:sub(17)
  if hex == "" or #hex % 2 ~= 0 or hex:find "%X" then return end
  local key = hex:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end)
  return M.new(scope, key) == token and key or nil
end

return M
