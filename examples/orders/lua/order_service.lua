-- Orders, and the events that advance them from PENDING to DELIVERED, one state at a time.
local mw = require "moonwire"
local page_token = require "page_token"

local PAGE_SIZE <const>, MAX_PAGE_SIZE <const> = 10, 1000

local orders = mw.store.collection { name = "orders", message = "com.example.orders.Order", key = "id" }
local OrderService = mw.service "com.example.orders.OrderService"

-- Event type: the state that an order must have, and its next state.
local steps <const> = {
  CONFIRMED = { from = "ORDER_STATUS_PENDING", to = "ORDER_STATUS_CONFIRMED" },
  SHIPPED = { from = "ORDER_STATUS_CONFIRMED", to = "ORDER_STATUS_SHIPPED" },
  DELIVERED = { from = "ORDER_STATUS_SHIPPED", to = "ORDER_STATUS_DELIVERED" },
}

local function unknown(id)
  return mw.status.not_found("Order ID not found: %s", id)
end

---@param req com.example.orders.GetOrderRequest
---@return com.example.orders.Order?, moonwire.Status?
function OrderService.GetOrder(req)
  local order = orders:get(req.id)
  if not order then return nil, unknown(req.id) end
  return order
end

---@param req com.example.orders.ListOrdersRequest
---@return com.example.orders.ListOrdersResponse?, moonwire.Status?
function OrderService.ListOrders(req)
  if req.page_size < 0 then
    return nil, mw.status.invalid_argument("page_size: expected 0 to %d, got %d", MAX_PAGE_SIZE, req.page_size)
  end
  local list <const> = "orders of " .. req.user_id
  local after = req.page_token ~= "" and page_token.key(list, req.page_token) or nil
  if req.page_token ~= "" and not after then
    return nil, mw.status.invalid_argument("page_token: not one that ListOrders gave out for this user_id")
  end

  local size <const> = req.page_size == 0 and PAGE_SIZE or math.min(req.page_size, MAX_PAGE_SIZE)
  local page = {}
  for order in orders:each { after = after } do
    if order.user_id == req.user_id then
      if #page == size then -- a further order: another page follows
        return { orders = page, next_page_token = page_token.new(list, page[size].id) }
      end
      page[#page + 1] = order
    end
  end
  return { orders = page }
end

---@param req com.example.orders.GetOrdersRequest
---@param call moonwire.Call
function OrderService.StreamOrders(req, call)
  for order in orders:each() do
    if req.user_id == "" or order.user_id == req.user_id then
      if not call:send(order) then return end
    end
  end
end

local function place(event)
  if event.user_id == "" or not event.total or event.total.currency == "" then
    error(mw.status.invalid_argument("PLACED: expected user_id, total.currency and total.amount_cents"))
  end
  local order, status = orders:insert {
    id = assert(orders:next_id("order-%04d")), user_id = event.user_id, total = event.total,
    status = "ORDER_STATUS_PENDING", created_at = mw.time.now(),
  }
  return order or error(status)
end

-- Advances an order by one step, atomically: of two concurrent events, one finds the order already advanced and fails.
local function move(event)
  local step = steps[event.type] or error(mw.status.invalid_argument("type: got %s", event.type))
  local moved, status = orders:update(event.order_id, function(order)
    if order.status ~= step.from then
      error(mw.status.failed_precondition("%s: %s needs it to be %s, it is %s", order.id, event.type, step.from,
        order.status))
    end
    order.status = step.to
    return order
  end)
  return moved or error(status.code == "NOT_FOUND" and unknown(event.order_id) or status)
end

---@param call moonwire.Call
---@return com.example.orders.UploadResult
function OrderService.UploadEvents(call)
  local result = { applied = 0, order_ids = {} }
  for event in call:messages() do
    if event.type == "PLACED" then
      table.insert(result.order_ids, place(event).id)
    else
      move(event)
    end
    result.applied = result.applied + 1
  end
  return result
end

-- One room for each order. The first message names the order.
---@param call moonwire.Call
function OrderService.Chat(call)
  local first = call:receive()
  if not first then return end
  if not orders:get(first.order_id) then error(unknown(first.order_id)) end

  local room = mw.topic("orders.chat." .. first.order_id)
  local heard <close> = room:subscribe { capacity = 1024 }
  room:publish(first)
  mw.spawn(function()
    for message in call.receive, call do
      message.order_id = first.order_id
      room:publish(message)
    end
    heard:close() -- values in its queue are still sent
  end)
  for message in heard:messages() do
    if not call:send(message) then return end
  end
end
