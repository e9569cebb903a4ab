-- Outbound calls to a peer that the test implements.
local mw = require "moonwire"

local Caller = mw.service "outbound.Caller"

local function unary(client, order, options)
  local reply, status, info = client:call("outbound.Peer/Unary", { data = ("x"):rep(order.size) }, options)
  return status or { code = "OK" }, info, reply and 1 or 0
end

local function drain(stream)
  local received, message, status = 0, nil, nil
  repeat
    message, status = stream:receive()
    received = received + (message and 1 or 0)
  until not message
  return status or stream:status(), { headers = stream:headers(), trailers = stream:trailers() }, received
end

local function expand(client, order, options)
  local stream <close> = client:stream("outbound.Peer/Expand", { data = ("x"):rep(order.size) }, options)
  return drain(stream)
end

local function collect(client, order, options)
  local stream <close> = client:stream("outbound.Peer/Collect", options)
  for _ = 1, order.messages do
    if not stream:send { data = ("x"):rep(order.size) } then break end
  end
  local reply, status, info = stream:finish()
  return status or { code = "OK" }, info, reply and 1 or 0
end

local function chat(client, order, options)
  local stream <close> = client:stream("outbound.Peer/Chat", options)
  for _ = 1, order.messages do
    if not stream:send { data = ("x"):rep(order.size) } then break end
  end
  stream:close_send()
  return drain(stream)
end

local methods = { Unary = unary, Expand = expand, Collect = collect, Chat = chat }

-- Makes calls, one after the other, and cancels each `cancel_after` seconds after its start.
local function cancelled(client, order, options)
  for _ = 1, math.max(order.messages, 1) do
    local stream <close> = client:stream("outbound.Peer/Expand", { data = ("x"):rep(order.size) }, options)
    mw.sleep(order.cancel_after)
  end
  return { code = "CANCELLED" }, { headers = {}, trailers = {} }, 0
end

function Caller.Run(order)
  local config = order.service_config ~= "" and order.service_config or nil
  local made, client = pcall(mw.client, order.target, {
    service_config = config, wait_for_ready = order.wait_for_ready,
    load_balancing = order.load_balancing ~= "" and order.load_balancing or nil })
  if not made then return { refused = tostring(client) } end
  local options = { deadline = order.deadline > 0 and order.deadline or nil }
  local run = order.method == "Cancel" and cancelled or methods[order.method]
  local times = math.max(order.times, 1)
  local outcome, left = { codes = {} }, times
  local ended = mw.topic(("outbound %s"):format(tostring(outcome)))
  local last <close> = ended:subscribe()
  local function one()
    local status, info, received = run(client, order, options)
    outcome.code, outcome.message, outcome.received = status.code, status.message, received
    outcome.headers, outcome.trailers = info and info.headers or {}, info and info.trailers or {}
    outcome.codes[status.code] = (outcome.codes[status.code] or 0) + 1
    left = left - 1
    if left == 0 then ended:publish "all" end
  end
  if times == 1 then
    one()
  else
    for _ = 1, times do mw.spawn(one) end
    last:receive()
  end
  return outcome
end
