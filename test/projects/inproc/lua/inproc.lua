-- Handlers for the specs of this folder. The request names the behaviour.
local mw = require "moonwire"
local counters = require "counters"

local Inproc = mw.service "inproc.Inproc"
local notes = mw.store.collection { name = "notes", message = "inproc.Message", key = "what" }
local visits = mw.state("visits", 1, function() return { n = 0 } end)
local unary, expand = {}, {}

mw.every(60, function() counters.ticks = counters.ticks + 1 end)

mw.intercept(function(call, next)
  if call.metadata["x-refuse"] then return nil, mw.status.permission_denied "refused" end
  return next()
end)

-- Returns a variable whose close notes the error with which its scope ended.
local function closer()
  return setmetatable({}, { __close = function(_, err)
    counters.closed = counters.closed + 1
    counters.last_end = tostring(err)
  end })
end

function unary.echo(req) return req end

function unary.fail(req) return nil, mw.status(req.text, "as you wish") end

function unary.raise() error "a mistake" end

function unary.metadata(_, call)
  call:set_header("x-header", "h")
  call:set_trailer("x-trailer-bin", "\0\1")
  return { text = call.metadata["x-key"], what = call.peer }
end

function unary.sleep(req)
  local _ <close> = closer()
  mw.sleep(req.seconds)
  return { seconds = req.seconds }
end

function unary.remaining(_, call) return { seconds = call:time_remaining() } end

function unary.now() return { count = os.time(), text = os.date "!%Y-%m-%dT%H:%M:%S", seconds = mw.time.now() } end

function unary.spin()
  while true do end
end

function unary.visit()
  visits.n = visits.n + 1
  return { count = visits.n }
end

function unary.next_id() return { count = notes:next_id() } end

function unary.put(req)
  notes:put({ what = req.text, text = "kept" }, req.seconds > 0 and { ttl = req.seconds } or nil)
  return req
end

function unary.get(req)
  local note, status = notes:get(req.text)
  if status then return nil, status end
  return note or { text = "nothing" }
end

function unary.listen(req)
  local subscription <close> = mw.topic("inproc.topic"):subscribe()
  local heard = subscription:receive(req.seconds)
  return { text = heard or "nothing" }
end

function unary.log(req)
  mw.log.warn(req.text, { answer = 42 })
  return req
end

function unary.late_handler()
  return { text = select(2, pcall(function() Inproc.Absent = print end)) }
end

-- Waits for 0 seconds, repeatedly.
function unary.busy_wait(req)
  local done
  mw.spawn(function() mw.sleep(req.seconds) done = true end)
  while not done do mw.sleep(0) end
  return req
end

function unary.file()
  assert(mw.fs.write("note.txt", "written"))
  return { text = mw.fs.read "note.txt" }
end

function Inproc.Unary(req, call) return unary[req.what](req, call) end

function expand.count(req, call)
  local _ <close> = closer()
  for i = 1, req.count do
    local sent, status = call:send { count = i }
    if not sent then
      counters.last_end = status.code
      return
    end
    counters.sent = i
  end
end

function expand.ticks(req, call)
  local _ <close> = closer()
  for i = 1, req.count do
    call:send { count = i }
    mw.sleep(req.seconds)
  end
end

function expand.fail(req, call)
  for i = 1, req.count do call:send { count = i } end
  return nil, mw.status.data_loss "after all"
end

function Inproc.Expand(req, call) return expand[req.what](req, call) end

function Inproc.Collect(call)
  local sum = 0
  for message in call:messages() do
    if message.what == "stop" then return { count = sum, text = "stopped" } end
    sum = sum + message.count
  end
  return { count = sum }
end

-- The loop passes the last message, which a client chooses, to call.receive.
function Inproc.Structs(call)
  for struct in call.receive, call do call:send(struct) end
end

function Inproc.Chat(call)
  call:send_headers()
  local message, status
  repeat
    message, status = call:receive()
    if message and message.what == "hold" then mw.sleep(message.seconds) end
    if message then call:send(message) end
  until not message
  counters.last_end = tostring(status)
end
