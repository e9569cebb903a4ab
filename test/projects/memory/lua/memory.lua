local mw = require "moonwire"
local Memory = mw.service "memory.Memory"
local acts = {}
local sending = mw.metrics.counter { name = "sending_total", help = "Streams that have begun." }
local zeros = ("\0"):rep(4 << 20) -- six times as long in JSON

function acts.fail_to_encode()
  local ok, err = pcall(mw.json.encode, { zeros, print })
  return tostring(err)
end

local function encode_much()
  local text, list = ("x"):rep(4 << 20), {}
  for i = 1, 64 do list[i] = text end
  return mw.json.encode(list)
end

function acts.encode_much() encode_much() end
function acts.encode_much_in_pcall() pcall(encode_much) end

function acts.encode_messages()
  local list, message = {}, mw.message("memory.Reply", { text = ("x"):rep(4 << 20) })
  for i = 1, 64 do list[i] = message end
  mw.json.encode(list)
end

function acts.publish_much()
  local text, list = ("x"):rep(4 << 20), {}
  for i = 1, 64 do list[i] = text end
  mw.topic("much"):publish(list)
end

local held = {} -- subscriptions without a reader

function acts.publish_unread()
  held[1] = held[1] or mw.topic("unread"):subscribe { capacity = 65536 }
  local value = ("x"):rep(1 << 20)
  for _ = 1, 10 do assert(mw.topic("unread"):publish(value)) end
end

function acts.publish_too_much()
  return tostring(select(2, mw.topic("unread"):publish(("x"):rep((16 << 20) + 1))))
end

function acts.received()
  local value, dropped = held[1]:receive(0)
  return ("%d bytes, %d dropped"):format(#value, dropped)
end

function acts.subscribe_much()
  for i = 1, 1000 do held[i] = mw.topic("many"):subscribe { capacity = 65536 } end
end

function acts.subscribe_and_forget()
  held = {}
  for _ = 1, 1000 do mw.topic("many"):subscribe { capacity = 65536 } end
end

function acts.header_much(_, call)
  call:set_header("x-header", ("x"):rep(65536))
end

function acts.trailer_much(_, call)
  call:set_trailer("x-trailer-bin", ("x"):rep(65536))
end

function acts.read_large()
  local file <close> = mw.fs.open("large", "w")
  file:seek("set", 33 << 20)
  file:write("x")
  local left, refused = 8, nil
  for _ = 1, left do
    mw.spawn(function()
      local _, status = mw.fs.read("large")
      left, refused = left - 1, refused or status
    end)
  end
  while left > 0 do mw.sleep(0.001) end
  return tostring(refused)
end

function acts.read_larger()
  local file <close> = mw.fs.open("larger", "w")
  file:seek("set", 65 << 20)
  file:write("x")
  local _, status = mw.fs.read("larger", 1 << 40)
  return tostring(status)
end

function acts.burst()
  held = {}
  local list = {}
  for i = 1, 350000 do list[i] = ("%d of a burst of many small strings, each a value of its own"):format(i) end
end

function acts.hold() held = ("x"):rep(16 << 20) end

function acts.total(request) return tostring(mw.metrics.total("moonwire_" .. request.name)) end

function acts.sending() return ("%d"):format(sending:value()) end

-- Sends large messages to a client that may not read them.
function Memory.Stream(request, call)
  sending:inc()
  for _ = 1, 20000 do end -- runs long enough for calls to be passed to another worker
  for _ = 1, request.count do call:send { data = zeros } end
end

function Memory.Do(request, call) return { text = acts[request.what](request, call) } end
