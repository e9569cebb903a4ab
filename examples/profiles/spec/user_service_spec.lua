local mw = require "moonwire"
local test = require "moonwire.test"

describe("user.UserService", function()
  local server, users
  setup(function()
    local address
    server, address = test.serve()
    users = mw.client(address):service "user.UserService"
  end)
  teardown(function()
    server:kill()
    assert.are.equal(0, (server:wait()), server.stderr)
  end)

  local function ids(request)
    local list = {}
    for user in users:ListUsers(request):messages() do list[#list + 1] = user.id end
    return list
  end

  it("answers with a user", function()
    local ada = assert(users:GetUser { user_id = "1" })
    assert.are.equal("1", ada.id)
    assert.are.equal("Ada", ada.name)
    assert.are.equal("ada@example.com", ada.email)
  end)

  it("sets the profile only when it is asked for", function()
    assert.is_nil(assert(users:GetUser { user_id = "2" }).profile)
    local profile = assert(users:GetUser { user_id = "2", include_profile = true }).profile
    assert.are.equal("Finds the moth.", profile.bio)
    assert.are.equal("https://example.com/grace.png", profile.avatar_url)
    assert.are.equal(1700003600, profile.created_at)
  end)

  it("does not know others", function()
    for _, id in ipairs { "99", "" } do
      local reply, status = users:GetUser { user_id = id }
      assert.is_nil(reply)
      assert.are.equal("NOT_FOUND: User ID not found: " .. id, tostring(status))
    end
  end)

  it("lists users in the order of their ids, by pages", function()
    assert.are.same({ "1", "2", "3" }, ids {})
    assert.are.same({ "1", "2" }, ids { page_size = 2 })
    assert.are.same({ "3" }, ids { page_size = 2, after_id = "2" })
    assert.are.same({}, ids { after_id = "3" })
    assert.are.same({ "1", "2", "3" }, ids { page_size = 100000 })
  end)

  it("lists profiles only when they are asked for", function()
    for user in users:ListUsers({}):messages() do assert.is_nil(user.profile) end
    for user in users:ListUsers({ include_profile = true }):messages() do assert.is_truthy(user.profile) end
  end)

  it("refuses pages of a negative size", function()
    local message, status = users:ListUsers({ page_size = -1 }):receive()
    assert.is_nil(message)
    assert.are.equal("INVALID_ARGUMENT: page_size: expected 0 to 1000, got -1", tostring(status))
  end)
end)
