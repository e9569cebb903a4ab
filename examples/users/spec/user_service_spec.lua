local mw = require "moonwire"
local test = require "moonwire.test"

-- Asserts that a call failed with `code` and with a message that contains `message`.
local function assert_status(code, message, reply, status)
  assert.is_nil(reply)
  assert.is_table(status)
  assert.are.equal(code, status.code, tostring(status))
  assert.is_truthy(status.message:find(message, 1, true), ("expected %q in %q"):format(message, status.message))
end

local function email(name) return name .. "@example.com" end

describe("userservice.UserService", function()
  local server, address, users
  local connections = 0

  -- Returns a client over a connection of its own, which either worker may accept.
  local function connect()
    connections = connections + 1
    return mw.client(address, { max_receive_bytes = (8 << 20) + connections }):service "userservice.UserService"
  end

  before_each(function()
    server, address = test.serve { args = { "--workers", "2" } }
    users = connect()
  end)
  after_each(function()
    server:kill()
    assert.are.equal(0, (server:wait()), server.stderr)
    server:close()
  end)

  local function create(name)
    return assert(users:CreateUser { username = name, email = email(name) }).user
  end

  describe("GetUser", function()
    it("knows alice and bob from the start", function()
      local alice = assert(users:GetUser { id = 1 }).user
      assert.are.equal("alice", alice.username)
      assert.are.same({ "admin" }, { table.unpack(alice.roles) })
      assert.are.equal("ACTIVE", alice.status)
      local bob = assert(users:GetUser { id = 2 }).user
      assert.are.equal("bob", bob.username)
      assert.are.same({ "user" }, { table.unpack(bob.roles) })
    end)

    it("does not know others", function()
      assert_status("NOT_FOUND", "User ID not found: 3", users:GetUser { id = 3 })
    end)

    it("wants a positive number", function()
      assert_status("INVALID_ARGUMENT", "id: expected a positive number, got 0", users:GetUser {})
      assert_status("INVALID_ARGUMENT", "id: expected a positive number, got -1", users:GetUser { id = -1 })
    end)
  end)

  describe("CreateUser", function()
    it("answers with the new user, who is there on every connection", function()
      local carol = create "carol"
      assert.are.equal(3, carol.id)
      assert.are.equal("carol", carol.username)
      assert.are.equal(email "carol", carol.email)
      assert.are.same({ "user" }, { table.unpack(carol.roles) })
      for _ = 1, 4 do assert.are.same(carol, assert(connect():GetUser { id = 3 }).user) end
    end)

    it("gives a username to one only, whoever asks at once", function()
      local request = { username = "alice", email = email "a" }
      assert_status("ALREADY_EXISTS", "username alice is taken", users:CreateUser(request))
      local created, left = 0, 8
      for _ = 1, 8 do
        local client = connect()
        mw.spawn(function()
          if client:CreateUser { username = "same", email = email "same" } then created = created + 1 end
          left = left - 1
        end)
      end
      test.eventually(function() return left == 0 end)
      assert.are.equal(1, created)
    end)

    it("wants a name and an address, and says which field is wrong", function()
      local function refuses(field, request)
        local reply, status = users:CreateUser(request)
        assert_status("INVALID_ARGUMENT", field .. ": ", reply, status)
        local violations = mw.any.unpack(status.details[1]).field_violations
        assert.are.equal(1, #violations)
        assert.are.equal(field, violations[1].field)
        assert.is_true(violations[1].description ~= "")
      end
      refuses("username", { email = email "x" })
      local wrong_ones = {
        "", "x", "x@", "@x.com", "a b@x.com", "a@b@x.com", "x@nodot", "x@a..com", "x@.com", "x@a.com.",
      }
      for _, wrong in ipairs(wrong_ones) do
        refuses("email", { username = "dave", email = wrong })
      end
    end)
  end)

  describe("ListUsers", function()
    it("gives pages of ten, or of the wanted size", function()
      for i = 3, 25 do create("user" .. i) end
      local function page(size, token) return assert(users:ListUsers { page_size = size, page_token = token }) end
      local first = page()
      assert.are.equal(10, #first.users)
      local ids, token = {}, ""
      repeat
        local got = page(7, token)
        for _, user in ipairs(got.users) do ids[#ids + 1] = user.id end
        token = got.next_page_token
      until token == ""
      assert.are.equal(25, #ids)
      for i, id in ipairs(ids) do assert.are.equal(i, id) end
      assert.are.equal("", page(25).next_page_token)
      assert.are.equal("", page(100000).next_page_token)
    end)

    it("neither skips nor repeats any when users come meanwhile", function()
      local first = assert(users:ListUsers { page_size = 1 })
      create "carol"
      local second = assert(users:ListUsers { page_size = 1, page_token = first.next_page_token })
      create "dave"
      local rest = assert(users:ListUsers { page_token = second.next_page_token })
      local names = { first.users[1].username, second.users[1].username }
      for _, user in ipairs(rest.users) do names[#names + 1] = user.username end
      assert.are.same({ "alice", "bob", "carol", "dave" }, names)
    end)

    it("refuses tokens that it did not give out, and negative sizes", function()
      local token = assert(users:ListUsers { page_size = 1 }).next_page_token
      local words = "page_token: not one that ListUsers gave out"
      for _, forged in ipairs { "x", "1", token .. "0", token:sub(1, -2), token:reverse(), ("f"):rep(18), "\u{e9}" } do
        assert_status("INVALID_ARGUMENT", words, users:ListUsers { page_token = forged })
      end
      assert_status("INVALID_ARGUMENT", "page_size: expected 0 to 1000, got -1", users:ListUsers { page_size = -1 })
    end)
  end)

  describe("WatchUsers", function()
    it("tells of those who exist, then of each new one, none missed and none twice", function()
      local writers, left = 4, 4
      for w = 1, writers do
        local client = connect()
        mw.spawn(function()
          for i = 1, 25 do assert(client:CreateUser { username = w .. "." .. i, email = email(w .. "." .. i) }) end
          left = left - 1
        end)
      end
      local streams = {}
      for i = 1, 3 do -- started while users are created
        streams[i] = connect():WatchUsers {}
      end
      local total = 2 + writers * 25
      for _, stream in ipairs(streams) do
        local seen = {}
        for _ = 1, total do
          local user = assert(stream:receive())
          assert.is_nil(seen[user.username])
          seen[user.username] = true
        end
        stream:cancel()
      end
      test.eventually(function() return left == 0 end)
    end)

    it("tells of one role only when asked for it", function()
      local stream <close> = users:WatchUsers { role_filter = "user" }
      assert.are.equal("bob", stream:receive().username)
      create "carol"
      assert.are.equal("carol", stream:receive().username)
    end)
  end)

  describe("BulkCreateUsers", function()
    local function bulk(names)
      local stream <close> = users:BulkCreateUsers()
      for _, name in ipairs(names) do
        if not stream:send { username = name, email = name == "wrong" and "wrong" or email(name) } then break end
      end
      return stream:finish()
    end

    local function count() return #assert(users:ListUsers { page_size = 1000 }).users end

    it("creates all", function()
      local names = {}
      for i = 1, 300 do names[i] = "bulk" .. i end
      assert.are.equal(300, assert(bulk(names)).created_count)
      assert.are.equal(302, count())
      assert.are.equal(0, assert(bulk {}).created_count)
    end)

    it("creates all or nothing", function()
      assert_status("ALREADY_EXISTS", "username bob is taken", bulk { "x", "y", "bob", "z" })
      assert_status("ALREADY_EXISTS", "username twice is taken", bulk { "twice", "twice" })
      assert_status("INVALID_ARGUMENT", "email: ", bulk { "x", "wrong" })
      local stream = users:BulkCreateUsers()
      stream:send { username = "x", email = email "x" }
      stream:cancel()
      assert.are.equal(2, count())
      create "x"
    end)
  end)

  describe("UserChat", function()
    -- Joins the chat, and waits for the echo of its greeting.
    local function join(name)
      local stream = connect():UserChat()
      assert.is_true(stream:send { sender = name, text = "hello" })
      repeat local message = assert(stream:receive()) until message.sender == name
      return stream
    end

    local function next_of(stream, text)
      local message
      repeat message = assert(stream:receive()) until message.text ~= "hello"
      assert.are.equal(text, message.text)
    end

    it("tells everybody what anybody says, on every worker", function()
      local streams = {}
      for i = 1, 8 do streams[i] = join("member" .. i) end
      for i, stream in ipairs(streams) do
        assert.is_true(stream:send { sender = "member" .. i, text = "from " .. i })
      end
      for _, stream in ipairs(streams) do
        local heard = {}
        while #heard < 8 do
          local message = assert(stream:receive())
          if message.text ~= "hello" then heard[#heard + 1] = message.text end
        end
        table.sort(heard)
        for i = 1, 8 do assert.are.equal("from " .. i, heard[i]) end
      end
      for _, stream in ipairs(streams) do stream:cancel() end
    end)

    it("waits for nobody who reads slowly", function()
      local slow, quick = join "slow", join "quick"
      local text = ("x"):rep(1000)
      for i = 1, 5000 do
        assert.is_true(quick:send { sender = "quick", text = text .. i })
        next_of(quick, text .. i)
      end
      slow:cancel()
      quick:cancel()
    end)

    it("lets one who says no more hear what was said before", function()
      local stream = join "leaver"
      stream:send { sender = "leaver", text = "goodbye" }
      stream:close_send()
      next_of(stream, "goodbye")
      assert.is_nil((stream:receive()))
    end)
  end)
end)
