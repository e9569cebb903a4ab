-- Serves a copy of a project folder, in which a spec may save. Closing the variable stops the server and removes it.
local mw = require "moonwire"
local test = require "moonwire.test"

local Copy = {}
Copy.__index = Copy

local M = {}

-- The text of a module with a word.
function M.words(word) return ("return { word = %q }\n"):format(word) end

-- A handler Say that runs the text of its request as Lua.
M.evaluates = [[
local mw = require "moonwire"
local Reload = mw.service "reload.Reload"
function Reload.Say(req)
  return { text = tostring(assert(load("local mw = ... " .. req.text))(mw)) }
end
function Reload.Talk(call)
  for m in call:messages() do call:send(m) end
end
]]

-- Runs the Lua code `text` in the server of M.evaluates. Returns the result as a string, or the status.
function M.ask(folder, text)
  local reply, status = folder.client:Say { text = text }
  return reply and reply.text or status
end

local function quoted(path) return "'" .. path:gsub("'", "'\\''") .. "'" end

local function shell(...)
  assert(os.execute(table.concat({ ... }, " ")))
end

---@param from? string the folder; "." when left out
---@param changes? table<string, string|false> files to write before it is served; false deletes one
---@param args? string[] of `moonwire serve`
---@param options? table of test.serve
function M.serve(from, changes, args, options)
  local dir = os.tmpname()
  os.remove(dir)
  shell("mkdir", quoted(dir))
  for _, part in ipairs { "proto", "lua", "moonwire.lua" } do
    if io.open((from or ".") .. "/" .. part) then shell("cp -r", quoted((from or ".") .. "/" .. part), quoted(dir)) end
  end
  local self = setmetatable({ dir = dir }, Copy)
  for path, text in pairs(changes or {}) do
    if text then self:write(path, text) else self:delete(path) end
  end
  options = options or {}
  options.dir, options.args = dir, args
  self.server, self.address = test.serve(options)
  self.client = mw.client(self.address):service "reload.Reload"
  return self
end

function Copy:path(path) return self.dir .. "/" .. path end

function Copy:shell(words)
  shell("cd", quoted(self.dir), "&&", words)
end

function Copy:read(path)
  local file <close> = assert(io.open(self:path(path)))
  return file:read "a"
end

-- Writes in place.
function Copy:write(path, text)
  local file <close> = assert(io.open(self:path(path), "w"))
  file:write(text)
end

-- Writes a temporary file and renames it over the other, as many editors do.
function Copy:replace(path, text)
  self:write(path .. ".tmp~", text)
  assert(os.rename(self:path(path .. ".tmp~"), self:path(path)))
end

function Copy:delete(path) assert(os.remove(self:path(path))) end

-- Returns the number of matches of `pattern` in the log.
function Copy:count(pattern)
  return select(2, self.server.stderr:gsub(pattern, ""))
end

-- Runs `save` and waits for a new log line with `pattern`. Returns the log since `save`.
function Copy:expect(pattern, save)
  local before = #self.server.stderr
  save()
  return test.eventually(function()
    local log = self.server.stderr:sub(before + 1)
    return log:find(pattern) and log
  end)
end

-- Saves a file, and waits until the generation with it is live.
function Copy:commit(path, text)
  return self:expect("generation %d+ is live", function() self:write(path, text) end)
end

-- Saves a file, and waits until it is refused, with `words` (a pattern) if given: the server may also read the save
-- before a second time and refuse it again.
function Copy:refused(path, text, words)
  return self:expect("reload refused: [^\n]*" .. (words or ""), function() self:write(path, text) end)
end

-- Runs `moonwire COMMAND ...` on the running server. Returns its exit code, stdout and stderr.
function Copy:admin(command, ...)
  local data = self.server.stderr:match "with %-%-data\" data=(%S+)"
  local words = { command, ... }
  table.move({ self.dir, "--data", data }, 1, 3, #words + 1, words)
  local process <close> = test.start(words)
  local lines = {}
  for line in function() return process:read_line() end do lines[#lines + 1] = line end
  return process:wait(), table.concat(lines, "\n"), process.stderr
end

function Copy:__close()
  self.server:kill()
  local code = self.server:wait()
  local log = self.server.stderr
  self.server:close()
  os.execute("rm -rf " .. quoted(self.dir))
  if code ~= 0 then error("the server ended with " .. tostring(code) .. ":\n" .. log, 0) end
end

return M
