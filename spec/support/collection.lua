-- Collections of tasks for the specs of mw.store.
local assert = require "luassert"
local mw = require "moonwire"

local M = {}

local counts = {}

--- Returns a collection that no other test uses, and its options. `spec` names the spec file: each has modules of its
--- own, but they share a store.
function M.fresh(spec, options)
  counts[spec] = (counts[spec] or 0) + 1
  local o = { name = ("spec.%s.%d"):format(spec, counts[spec]), message = "tasks.Task" }
  for k, v in pairs(options or {}) do o[k] = v end
  return mw.store.collection(o), o
end

--- Puts a task of each id.
function M.fill(collection, ...)
  for _, id in ipairs { ... } do assert(collection:put { id = id }) end
end

--- Returns `field` (id) of all messages that `each` with these options returns.
function M.keys(collection, options, field)
  local list = {}
  for message in collection:each(options) do list[#list + 1] = message[field or "id"] end
  return list
end

--- Asserts that `f(...)` raises an error that matches the pattern.
function M.raises(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
end

return M
