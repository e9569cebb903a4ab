local mw = require "moonwire"
local Memory = mw.service "memory.Memory"
local acts = {}
local zeros = ("\0"):rep(4 << 20) -- in JSON six times as long

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

function Memory.Do(request) return { text = acts[request.what](request) } end
