-- Handlers with packed messages and call:send_all.
local mw = require "moonwire"

local records = mw.store.collection { name = "records", message = "echo.Message", key = "what" }
local empties = mw.store.collection { name = "empties", message = "google.protobuf.FileDescriptorProto", key = "name" }
local expand, chat = {}, {}

local function fill(req)
  for record in records:each() do records:delete(record.what) end
  for i = 1, req.count do
    assert(records:put { what = ("r%06d"):format(i), count = i, text = i % 10 == 0 and "ten" or "", data = req.data })
  end
end

function expand.all_of_list(req, call)
  local list = {}
  for i = 1, req.count do list[i] = i % 2 == 0 and { count = i } or mw.pack("echo.Message", { count = i }) end
  assert(call:send_all(list) == true)
end

function expand.all_of_function(req, call)
  local i = 0
  assert(call:send_all(function()
    i = i + 1
    if i % 100 == 0 then mw.sleep(0) end
    return i <= req.count and { count = i, data = req.data } or nil
  end) == true)
end

function expand.all_stored(req, call)
  fill(req)
  assert(call:send_all(records:each { packed = true }) == true)
end

function expand.all_tens(req, call)
  fill(req)
  assert(call:send_all(records:each { where = { text = "ten" }, packed = true }) == true)
end

function expand.all_tables(req, call)
  fill(req)
  assert(call:send_all(records:each {}) == true)
end

-- Sends for ever, and notes that its iterator was closed.
function expand.all_endless(req, call)
  local i, closed = 0, false
  local iterator = setmetatable({}, {
    __call = function()
      i = i + 1
      return { count = i, data = req.data }
    end,
    __close = function() closed = true end,
  })
  local sent, status = call:send_all(iterator)
  records:put { what = "result", text = ("%s %s, closed %s"):format(sent, status, closed) }
end

function expand.all_result(req, call) call:send(records:get(req.text) or {}) end

local mistakes = {
  number = function(call) call:send_all(7) end,
  nothing = function(call) call:send_all() end,
  message = function(call) call:send_all(mw.message("echo.Message", {})) end,
  element = function(call) call:send_all { {}, { txt = "x" } } end,
  source = function(call) call:send_all(empties:each { packed = true }) end,
  other = function(call) call:send_all { mw.pack("google.protobuf.Empty", {}) } end,
  raising = function(call) call:send_all(function() error "in the iterator" end) end,
}

function expand.all_mistake(req, call)
  local _, err = pcall(mistakes[req.text], call)
  call:send { what = "mistake", text = tostring(err) }
end

-- Answers each packed message with itself.
function chat.relay_packed(_, call)
  for message in call:messages { packed = true } do call:send(message) end
end

-- The loop passes the last message to call.receive as its argument.
function chat.receive_in_a_loop(_, call)
  for message in call.receive, call do call:send(message) end
end

function chat.receive_packed(_, call)
  local m = call:receive { packed = true }
  call:send { text = ("%s %s %d %s"):format(getmetatable(m), m.text, m.count, m.pairs.k) }
  call:send { text = select(2, pcall(call.receive, call, { packed = 1 })) }
  call:send { text = select(2, pcall(call.messages, call, { pack = true })) }
end

return { expand = expand, chat = chat }
