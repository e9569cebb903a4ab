-- This folder's protos and scripts with other settings, in a temporary folder.
local M = {}
M.__index = M

---@param settings string the text of moonwire.lua
function M.with_settings(settings)
  local dir = os.tmpname()
  os.remove(dir)
  assert(os.execute(('mkdir "%s" && ln -s "$PWD/proto" "$PWD/lua" "%s"'):format(dir, dir)))
  local file <close> = assert(io.open(dir .. "/moonwire.lua", "w"))
  file:write(settings)
  return setmetatable({ dir = dir }, M)
end

function M:close()
  os.execute(('rm -rf "%s"'):format(self.dir))
end

M.__close = M.close

return M
