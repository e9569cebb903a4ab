-- mw.store: conditions on wrappers and members of oneofs.
local mw = require "moonwire"

local people = mw.store.collection { name = "people", message = "inproc.Person" }

local function found(where)
  local ids = {}
  for person in people:each { where = where } do ids[#ids + 1] = person.id end
  return table.concat(ids, " ")
end

describe("where", function()
  before_each(function()
    assert(people:put { id = "a", nick = "al" })
    assert(people:put { id = "b", nick = "", email = "b@x" })
    assert(people:put { id = "c", email = "" })
    assert(people:put { id = "d", through = { id = "a", nick = "al" } })
  end)

  it("compares wrappers with their values", function()
    assert.equal("a", found { nick = "al" })
    assert.equal("b", found { nick = "" })
    assert.equal("a b", found { nick = { "al", "" } })
    assert.equal("c d", found { nick = mw.null })
    assert.equal("a", found { ["nick.value"] = "al" })
    assert.equal("d", found { ["through.nick"] = "al" })
    local _, mixed = pcall(found, { nick = { "al", mw.null } })
    assert.matches("inproc.Person.nick: mw.null cannot be one of several values of a wrapper", tostring(mixed))
    local _, twice = pcall(found, { nick = "al", ["nick.value"] = "al" })
    assert.matches("two conditions are on the same field", tostring(twice))
  end)

  it("compares members of oneofs", function()
    assert.equal("b", found { email = "b@x" })
    assert.equal("c", found { email = "" })
    assert.equal("a d", found { email = mw.null })
    assert.equal("a b c", found { through = mw.null })
    assert.equal("d", found { ["through.id"] = "a", email = mw.null })
    assert.has_error(function() found { contact = "email" } end)
  end)
end)
