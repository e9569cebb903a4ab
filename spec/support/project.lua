-- Temporary project folders for specs. Closing the variable removes the folder.
local test = require "moonwire.test"

local project = {}
project.__index = project

--- Makes a folder of `files` (path -> text). It always has a folder lua.
---@param files table<string, string>
function project.new(files)
  local dir = os.tmpname()
  os.remove(dir)
  assert(os.execute("mkdir -p " .. dir .. "/lua"))
  local self = setmetatable({ dir = dir }, project)
  for path, text in pairs(files) do self:write(path, text) end
  return self
end

function project:write(path, text)
  local full = self.dir .. "/" .. path
  assert(os.execute("mkdir -p " .. full:match "^(.*)/"))
  local file <close> = assert(io.open(full, "w"))
  file:write(text)
end

--- Runs `moonwire COMMAND DIR ARGS...` to its end.
---@return integer code
---@return string stdout
---@return string stderr with the folder's name replaced by DIR
function project:run(command, ...)
  local process <close> = test.start { command, self.dir, ... }
  local lines = {}
  for line in function() return process:read_line() end do lines[#lines + 1] = line end
  local code = process:wait()
  return code, table.concat(lines, "\n"), self:short(process.stderr)
end

--- `text` with the folder's name replaced by DIR.
function project:short(text)
  return (text:gsub(self.dir:gsub("%p", "%%%0"), "DIR"))
end

function project:__close()
  os.execute("rm -rf " .. self.dir)
end

return project
