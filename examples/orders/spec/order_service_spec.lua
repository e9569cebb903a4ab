local mw = require "moonwire"
local test = require "moonwire.test"

-- Asserts that a call failed with `code` and with a message that contains `message`.
local function assert_status(code, message, reply, status)
  assert.is_nil(reply)
  assert.is_table(status)
  assert.are.equal(code, status.code, tostring(status))
  assert.is_truthy(status.message:find(message, 1, true), ("expected %q in %q"):format(message, status.message))
end

describe("com.example.orders.OrderService", function()
  local server, address, orders
  local connections = 0

  -- Returns a client over a connection of its own, which either worker may accept.
  local function connect()
    connections = connections + 1
    return mw.client(address, { max_receive_bytes = (8 << 20) + connections }):service "com.example.orders.OrderService"
  end

  setup(function()
    server, address = test.serve { args = { "--workers", "2" } }
    orders = connect()
  end)
  teardown(function()
    server:kill()
    assert.are.equal(0, (server:wait()), server.stderr)
  end)

  local function upload(events)
    local stream <close> = orders:UploadEvents()
    for _, event in ipairs(events) do
      if not stream:send(event) then break end
    end
    return stream:finish()
  end

  local function placed(user, cents)
    return { type = "PLACED", user_id = user, total = { currency = "EUR", amount_cents = cents or 100 } }
  end

  local function place(user, cents) return assert(upload { placed(user, cents) }).order_ids[1] end

  local function status_of(id) return assert(orders:GetOrder { id = id }).status end

  describe("UploadEvents", function()
    it("places orders", function()
      local before = os.time()
      local result = assert(upload { placed("ann", 1250), placed "ann" })
      assert.are.equal(2, result.applied)
      assert.are.equal(2, #result.order_ids)
      local order = assert(orders:GetOrder { id = result.order_ids[1] })
      assert.matches("^order%-%d%d%d%d$", order.id)
      assert.are.equal("ann", order.user_id)
      assert.are.equal("EUR", order.total.currency)
      assert.are.equal(1250, order.total.amount_cents)
      assert.are.equal("ORDER_STATUS_PENDING", order.status)
      assert.is_true(order.created_at.seconds >= before and order.created_at.seconds <= os.time())
    end)

    it("moves an order along, one state at a time", function()
      local id = place "bea"
      local result = assert(upload { { order_id = id, type = "CONFIRMED" }, { order_id = id, type = "SHIPPED" } })
      assert.are.equal(2, result.applied)
      assert.are.equal("ORDER_STATUS_SHIPPED", status_of(id))
      assert(upload { { order_id = id, type = "DELIVERED" } })
      assert.are.equal("ORDER_STATUS_DELIVERED", status_of(id))
    end)

    it("refuses an event that is not an order's next, and keeps those before it", function()
      local id = place "cleo"
      local words = ": SHIPPED needs it to be ORDER_STATUS_CONFIRMED, it is ORDER_STATUS_PENDING"
      assert_status("FAILED_PRECONDITION", id .. words, upload { { order_id = id, type = "SHIPPED" } })
      assert_status("FAILED_PRECONDITION", "it is ORDER_STATUS_CONFIRMED",
        upload { { order_id = id, type = "CONFIRMED" }, { order_id = id, type = "CONFIRMED" } })
      assert.are.equal("ORDER_STATUS_CONFIRMED", status_of(id))
    end)

    it("takes one step once, whoever takes it at once", function()
      local id, done, left = place "dora", 0, 6
      for _ = 1, 6 do
        local client = connect()
        mw.spawn(function()
          local stream <close> = client:UploadEvents()
          stream:send { order_id = id, type = "CONFIRMED" }
          if stream:finish() then done = done + 1 end
          left = left - 1
        end)
      end
      test.eventually(function() return left == 0 end)
      assert.are.equal(1, done)
    end)

    it("refuses events that say too little", function()
      local words = "PLACED: expected user_id, total.currency and total.amount_cents"
      assert_status("INVALID_ARGUMENT", words, upload { { type = "PLACED", user_id = "x" } })
      assert_status("INVALID_ARGUMENT", words, upload { { type = "PLACED", total = { currency = "EUR" } } })
      assert_status("INVALID_ARGUMENT", "type: got TYPE_UNSPECIFIED", upload { { order_id = "order-0001" } })
      assert_status("INVALID_ARGUMENT", "type: got 9", upload { { order_id = "order-0001", type = 9 } })
      assert_status("NOT_FOUND", "Order ID not found: nope", upload { { order_id = "nope", type = "CONFIRMED" } })
      assert.are.equal(0, assert(upload {}).applied)
    end)
  end)

  it("GetOrder does not know other ids", function()
    assert_status("NOT_FOUND", "Order ID not found: order-9999", orders:GetOrder { id = "order-9999" })
  end)

  describe("ListOrders and StreamOrders", function()
    it("give a user's orders, oldest first", function()
      local ids = {}
      for i = 1, 12 do
        ids[i] = place "eve"
        place "somebody else"
      end
      local listed, token, pages = {}, "", 0
      repeat
        local page = assert(orders:ListOrders { user_id = "eve", page_size = 5, page_token = token })
        for _, order in ipairs(page.orders) do listed[#listed + 1] = order.id end
        token, pages = page.next_page_token, pages + 1
      until token == ""
      assert.are.same(ids, listed)
      assert.are.equal(3, pages)
      assert.are.equal(10, #assert(orders:ListOrders { user_id = "eve" }).orders)
      local streamed = {}
      for order in orders:StreamOrders({ user_id = "eve" }):messages() do streamed[#streamed + 1] = order.id end
      assert.are.same(ids, streamed)
      local all = 0
      for _ in orders:StreamOrders({}):messages() do all = all + 1 end
      assert.is_true(all >= 24)
    end)

    it("refuse tokens of another list, made-up ones, and negative sizes", function()
      for _ = 1, 2 do place "fay" end
      local token = assert(orders:ListOrders { user_id = "fay", page_size = 1 }).next_page_token
      for user, forged in pairs { gus = token, fay = token .. "00" } do
        assert_status("INVALID_ARGUMENT", "page_token: not one that ListOrders gave out for this user_id",
          orders:ListOrders { user_id = user, page_token = forged })
      end
      assert_status("INVALID_ARGUMENT", "page_size: expected 0 to 1000, got -5", orders:ListOrders { page_size = -5 })
    end)
  end)

  describe("Chat", function()
    it("has a room for each order, on every worker", function()
      local id, other = place "hal", place "hal"
      local streams = {}
      for i = 1, 4 do
        streams[i] = connect():Chat()
        assert.is_true(streams[i]:send { order_id = id, sender = "s" .. i, text = "hello" })
        repeat local message = assert(streams[i]:receive()) until message.sender == "s" .. i
      end
      local elsewhere = connect():Chat()
      elsewhere:send { order_id = other, sender = "x", text = "another room" }
      assert.are.equal("another room", elsewhere:receive().text)

      streams[1]:send { sender = "s1", text = "where is it?" }
      for _, stream in ipairs(streams) do
        local message
        repeat message = assert(stream:receive()) until message.text ~= "hello"
        assert.are.equal("where is it?", message.text)
        assert.are.equal(id, message.order_id)
        stream:close_send()
        assert.is_nil((stream:receive()))
      end
      elsewhere:close_send()
      assert.is_nil((elsewhere:receive()))
    end)

    it("is about an order that there is", function()
      local stream = orders:Chat()
      stream:send { order_id = "nope", text = "x" }
      assert_status("NOT_FOUND", "Order ID not found: nope", stream:receive())
    end)
  end)
end)
