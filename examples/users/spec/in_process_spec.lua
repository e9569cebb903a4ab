-- Tests the user service in process: slow readers and lost connections take one line each.
local mw = require "moonwire"
local test = require "moonwire.test"

local function email(name) return name .. "@example.com" end

describe("userservice.UserService in process", function()
  local users = test.service "userservice.UserService"

  local function create(name)
    return assert(users:CreateUser { username = name, email = email(name) }).user
  end

  -- Each test has its own store: alice, bob, and the users that it creates.
  for _ = 1, 2 do
    it("numbers the first new user 3", function()
      assert.are.equal(3, create("carol").id)
    end)
  end

  it("holds WatchUsers back while its client does not read, and misses nobody", function()
    local stream <close> = users:WatchUsers { role_filter = "user" }
    for i = 1, 100 do create("user" .. i) end
    test.settle()
    local call = test.calls()[1]
    assert.are.equal("userservice.UserService/WatchUsers", call.method)
    assert.are.equal(32, call.unsent)
    assert.are.equal("bob", stream:receive().username)
    for i = 1, 100 do assert.are.equal("user" .. i, stream:receive().username) end
  end)

  it("ends WatchUsers with its client", function()
    local stream <close> = users:WatchUsers {}
    assert.are.equal("alice", stream:receive().username)
    stream:cancel()
    test.settle()
    assert.are.same({}, test.calls())
  end)

  it("ends WatchUsers at its deadline", function()
    local clock <close> = test.clock()
    local stream <close> = users:WatchUsers({ role_filter = "nobody" }, { deadline = 3600 })
    clock:advance(3599)
    assert.is_nil(stream:status())
    clock:advance(1)
    assert.are.equal("DEADLINE_EXCEEDED", stream:status().code)
  end)

  it("creates nobody when the client of BulkCreateUsers vanishes", function()
    local stream <close> = users:BulkCreateUsers()
    for i = 1, 10 do stream:send { username = "bulk" .. i, email = email("bulk" .. i) } end
    test.disconnect()
    test.settle()
    assert.are.equal(2, #users:ListUsers({}).users)
  end)

  it("keeps only the newest messages of the room for one who does not read", function()
    local slow <close> = users:UserChat()
    test.settle()
    local room = mw.topic "userservice.chat"
    for i = 1, 2000 do room:publish { sender = "bob", text = tostring(i) } end
    test.settle()
    assert.are.equal("977", slow:receive().text) -- the queue holds 1024, see UserChat
  end)

  it("finds the page of users that the directory has", function()
    create "carol"
    local page = test.require("directory").page(1, 10)
    assert.are.equal("bob", page[1].username)
    assert.are.equal("carol", page[2].username)
  end)
end)
