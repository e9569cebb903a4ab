local mw = require "moonwire"
local test = require "moonwire.test"

-- The keys of a module that are identifiers, sorted.
local function names_of(module)
  local names = {}
  for name in pairs(module) do
    if type(name) == "string" and name:find "^[%a_][%w_]*$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function read_library()
  local list <close> = assert(io.popen "cat library/*.lua")
  return list:read "a"
end

describe("the LuaLS library", function()
  local library = read_library()

  local function knows(table_name, name)
    return library:find(("function %s.%s("):format(table_name, name), 1, true)
      or library:find(("---@field %s "):format(name), 1, true)
  end

  it("knows every name of the module and of its parts", function()
    local unknown = {}
    for _, name in ipairs(names_of(mw)) do
      if not knows("mw", name) then unknown[#unknown + 1] = "mw." .. name end
      if type(mw[name]) == "table" then
        for _, inner in ipairs(names_of(mw[name])) do
          if not knows(name, inner) then unknown[#unknown + 1] = ("mw.%s.%s"):format(name, inner) end
        end
      end
    end
    assert.same({}, unknown)
  end)

  it("knows every name of moonwire.test", function()
    for _, name in ipairs(names_of(test)) do assert.is_truthy(knows("test", name), name) end
  end)
end)
