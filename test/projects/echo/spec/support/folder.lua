-- Temporary folders: a copy of this one with other settings, or with a contract that differs from the clients'.
local M = {}
M.__index = M

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

---@param settings string the text of moonwire.lua
function M.with_settings(settings)
  local dir = os.tmpname()
  os.remove(dir)
  assert(os.execute(('mkdir "%s" && ln -s "$PWD/proto" "$PWD/lua" "%s"'):format(dir, dir)))
  write(dir .. "/moonwire.lua", settings)
  return setmetatable({ dir = dir }, M)
end

-- A folder with another proto and script under the same names.
function M.with_other(proto, script)
  local dir = os.tmpname()
  os.remove(dir)
  assert(os.execute(('mkdir "%s" "%s/proto" "%s/lua"'):format(dir, dir, dir)))
  write(dir .. "/proto/echo.proto", proto)
  write(dir .. "/lua/echo.lua", script)
  return setmetatable({ dir = dir }, M)
end

function M:close()
  os.execute(('rm -rf "%s"'):format(self.dir))
end

M.__close = M.close

return M
