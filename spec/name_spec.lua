-- Names that scripts give to the runtime's functions.
local mw = require "moonwire"

describe("a name with a zero byte", function()
  local uses <const> = {
    ["mw.enum"] = function() mw.enum "tasks.Priority\0x" end,
    ["mw.service"] = function() mw.service "tasks.TaskService\0x" end,
    ["mw.message"] = function() mw.message("tasks.Task\0x", {}) end,
    ["mw.status"] = function() mw.status("NOT_FOUND\0x", "none") end,
    ["mw.intercept"] = function() mw.intercept("tasks.*\0x", print) end,
    ["mw.state"] = function() mw.state("name\0x", 1, print) end,
    ["mw.metrics.total"] = function() mw.metrics.total "moonwire_calls_total\0x" end,
    ["mw.env"] = function() return mw.env["PATH\0x"] end,
    ["mw.client"] = function() mw.client "localhost:1\0x" end,
    ["mw.client's options"] = function() mw.client("localhost:1", { authority = "name\0x" }) end,
    ["client:service"] = function() mw.client("localhost:1"):service "tasks.TaskService\0x" end,
    ["client:stream"] = function() mw.client("localhost:1"):stream "tasks.TaskService/ListTasks\0x" end,
  }
  for what, use in pairs(uses) do
    it(("is refused by %s"):format(what), function()
      local ok, err = pcall(use)
      assert.is_false(ok)
      assert.matches("expected a string without a zero byte", tostring(err), 1, true)
    end)
  end
end)
