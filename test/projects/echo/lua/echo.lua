-- Handlers whose behaviour the request names, so that specs can cause each of them in a running server.
local mw = require "moonwire"
local failures = require "failures"
local packed = require "packed"
local tracing = require "tracing"

local Echo = mw.service "echo.Echo"
local unary, collect = {}, {}
local expand, chat = packed.expand, packed.chat

-- Data that outlives a call is in the store, so that every worker sees it.
local notes = mw.store.collection { name = "notes", message = "echo.Message", key = "what" }

local function note(name, text)
  notes:put { what = name, text = text }
end

function unary.echo(req) return req end

function unary.note(req) return notes:get(req.text) or { what = req.text } end

function unary.status(req)
  return nil, mw.status(req.text, "the message of %s", req.text)
end

function unary.status_text(req) return nil, mw.status.internal(req.text) end

function unary.raise_status(req)
  local function deep() error(mw.status.not_found("raised: %s", req.text)) end
  deep()
end

function unary.details()
  return nil, mw.status.invalid_argument("see details"):with_details("google.rpc.BadRequest", {
    field_violations = { { field = "text", description = "must not be empty" } },
  })
end

-- Details that are Any messages already: packed by hand, and taken from another status.
function unary.ready_details(req)
  local other = mw.status.not_found("other"):with_details("google.rpc.ErrorInfo", { reason = "OTHER" })
  local status = mw.status.aborted("see details")
    :with_details(mw.any.pack("google.rpc.ErrorInfo", { reason = "PACKED" }))
  for _, detail in ipairs(other.details) do status:with_details(detail) end
  if req.text == "field" then status.details[3] = mw.any.pack("google.rpc.ErrorInfo", { reason = "FIELD" }) end
  return nil, status
end

function unary.details_of_bytes()
  return nil, mw.status.invalid_argument("a\xff\0b"):with_details("google.rpc.BadRequest", {})
end

function unary.raise(req) error(req.text) end

function unary.raise_table() error({ code = 7 }) end

function unary.nothing() end

function unary.wrong_type() return { text = 42 } end

function unary.wrong_field() return { txt = "x" } end

function unary.status_as_reply() return mw.status.not_found("x") end

function unary.second_result() return nil, "not a status" end

-- A status whose code a script has changed to OK.
local function ok_status()
  local status = mw.status.unknown ""
  status.code = "OK"
  return status
end

function unary.ok_status() return nil, ok_status() end

function unary.raise_ok_status() error(ok_status()) end

function expand.ok_status(_, call)
  call:send { text = "x" }
  return nil, ok_status()
end

-- A detail is no Any, so the status cannot be sent.
local function bad_status()
  local status = mw.status.invalid_argument "x"
  status.details = { 42 }
  return status
end

function unary.bad_status() return nil, bad_status() end

function unary.raise_bad_status() error(bad_status()) end

-- A status whose details a <close> variable spoils after it was raised.
function unary.spoil_status()
  local status = mw.status.invalid_argument("x"):with_details("google.rpc.BadRequest", {})
  local _ <close> = setmetatable({}, { __close = function() status.details[1] = 42 end })
  error(status)
end

function unary.recurse()
  local function f() return 1 + f() end
  return { count = f() }
end

function unary.recurse_in_c()
  local function f() return (("x"):gsub("x", f)) end
  return { text = f() }
end

function unary.raise_unprintable()
  error(setmetatable({}, { __tostring = function() error "x" end }))
end

function unary.spin()
  print "spinning"
  while true do end
end

-- Jobs and a handler whose <close> variables wait, or spawn jobs, without end.
local function endless(f)
  local _ <close> = setmetatable({}, { __close = f })
  mw.sleep(1000)
end

local function wait_for_ever()
  while true do pcall(mw.sleep, 0.01) end
end

local function respawn()
  endless(function() mw.spawn(respawn) end)
end

function unary.endless(req)
  mw.spawn(function() endless(wait_for_ever) end)
  mw.spawn(respawn)
  note("endless", "started")
  endless(wait_for_ever)
  return req
end

-- A job that spawns an equal one when it is ended; three jobs in all.
function unary.respawn(req)
  local left = 3
  local function job()
    local _ <close> = setmetatable({}, {
      __close = function()
        left = left - 1
        if left > 0 then mw.spawn(job) end
      end,
    })
    mw.sleep(1000)
  end
  mw.spawn(job)
  return req
end

function unary.send(_, call) call:send { text = "x" } end

function unary.receive(_, call) call:receive() end

function unary.sleep(req)
  mw.sleep(req.seconds)
  return req
end

function unary.large(req) return { text = ("x"):rep(req.count) } end

-- Starts a job that lasts until the server stops.
function unary.job(req)
  mw.spawn(function()
    local _ <close> = setmetatable({}, {
      __close = function(_, err) mw.log.info("the job was ended", { err = err }) end,
    })
    mw.sleep(600)
  end)
  return req
end

-- Sends headers, so that the client can detect that the handler waits.
function unary.hold(_, call)
  call:send_headers()
  mw.sleep(600)
end

-- Live calls and coroutines of this server, this call included.
function unary.counts()
  return { pairs = {
    calls = tostring(mw.metrics.total "moonwire_calls_live"),
    coroutines = tostring(mw.metrics.total "moonwire_coroutines_live"),
  } }
end

function unary.announce(req)
  print "sleeping"
  return unary.sleep(req)
end

-- Notes the end of its wait from a <close> variable, which may itself wait.
function unary.cleanup(req)
  local _ <close> = setmetatable({}, {
    __close = function(_, err)
      mw.sleep(0.001)
      note(req.text, tostring(err))
    end,
  })
  note(req.text .. " begun", "yes")
  pcall(mw.sleep, 60)
  note(req.text, "pcall stopped the end of the call")
  return req
end

function unary.call(_, call)
  return { pairs = {
    method = call.method, service = call.service, peer = call.peer, trace_id = call.trace_id,
    deadline = tostring(call.deadline), remaining = tostring(call:time_remaining()), text = tostring(call),
  } }
end

function unary.vars(_, call)
  call.vars.n = 1
  return { count = call.vars.n }
end

function unary.metadata(_, call)
  local pairs_of = {}
  for key, value in pairs(call.metadata) do
    pairs_of[key] = key:sub(-4) == "-bin" and ("%d bytes"):format(#value) or value
  end
  pairs_of.values = table.concat(call:metadata_values "x-many", "|")
  call:set_header("x-header", "of the header")
  call:set_header("x-bytes-bin", call.metadata["x-bytes-bin"] or "\0\1")
  call:set_trailer("x-trailer", "of the trailer")
  return { pairs = pairs_of }
end

function unary.repeat_metadata(_, call)
  for _, value in ipairs { "a", "b", "a" } do call:set_header("x-many", value) end
  call:set_header("x-one", "1")
  for _, value in ipairs { "\0", "\xff" } do call:set_header("x-bytes-bin", value) end
  for _, value in ipairs { "y", "z" } do call:set_trailer("x-trailer", value) end
  return nil, mw.status.aborted "repeated"
end

function unary.metadata_and_status(_, call)
  call:set_header("x-header", "h")
  call:set_trailer("x-trailer", "t")
  return nil, mw.status.aborted("with metadata")
end

function unary.encoding(_, call) return { text = call.request_encoding } end

function unary.compression(req, call)
  call:set_compression(tonumber(req.text) or req.text)
  return { text = ("x"):rep(req.count) }
end

function unary.bad_header(req, call)
  call:set_header(req.pairs.key, req.pairs.value)
  return req
end

-- Fails the first attempt, with the pushback of the request.
function unary.pushed_back(req, call)
  local before = call.metadata["grpc-previous-rpc-attempts"]
  if before then return { pairs = { before = before } } end
  call:set_trailer("grpc-retry-pushback-ms", req.pairs.pushback)
  return nil, mw.status.unavailable "again"
end

-- A generator that waits: a coroutine of the script inside the handler's.
function unary.generator(req)
  local function items()
    for i = 1, req.count do
      mw.sleep(0.001)
      coroutine.yield(i)
    end
  end
  local sum = 0
  for i in coroutine.wrap(items) do sum = sum + i end
  return { count = sum }
end

function unary.sort_wait()
  table.sort({ 3, 2, 1 }, function(a, b)
    mw.sleep(0)
    return a < b
  end)
end

function unary.set_field(_, call) call.x = 1 end

function unary.misspelt_field(_, call) return { text = call.metdata.x } end

local kept

function unary.keep_call(req, call)
  kept = call
  return req
end

function unary.use_kept_call()
  return { text = tostring(kept), what = select(2, pcall(kept.time_remaining, kept)) }
end

function unary.spawn(req)
  mw.spawn(function()
    mw.sleep(0.001)
    note(req.text, "spawned")
  end)
  return req
end

-- Makes a call to the server at `text`.
function unary.forward(req)
  local request = { what = req.pairs.what, text = req.pairs.text, seconds = req.seconds }
  local reply, status = mw.client(req.text):call("echo.Echo/Unary", request)
  if not reply then return nil, status end
  return reply
end

function Echo.Unary(req, call)
  local behaviour = unary[req.what] or failures[req.what] or tracing[req.what]
  if not behaviour then return nil, mw.status.unimplemented("no behaviour %s", req.what) end
  return behaviour(req, call)
end

function expand.count(req, call)
  for i = 1, req.count do
    if not call:send { count = i, text = req.text } then return end
  end
end

function expand.metadata(_, call)
  call:set_header("x-early", "yes")
  call:send_headers()
  call:set_trailer("x-late", "yes")
  call:set_trailer("x-late", "always")
  call:send {}
end

function expand.late_header(_, call)
  call:send {}
  call:set_header("x-late", "yes")
end

function expand.status() return nil, mw.status.out_of_range "at once" end

function expand.fail_midway(req, call)
  for i = 1, req.count do call:send { count = i } end
  return nil, mw.status.data_loss("after %d", req.count)
end

function expand.compression(req, call)
  call:set_compression "gzip"
  for i = 1, req.count do call:send({ count = i, text = req.text }, { compress = i % 2 == 1 }) end
end

function expand.late_compression(_, call)
  call:send {}
  call:set_compression "gzip"
end

local options = { string = "x", name = { compres = true }, value = { compress = "gzip" }, number = { true } }

function expand.bad_option(req, call) call:send({}, options[req.text]) end

function expand.wrong_field(_, call) call:send { txt = "x" } end

-- Never waits, so the call's end cannot unwind it.
function expand.spin()
  mw.log.info "spins"
  while true do end
end

function expand.returns() return { text = "x" } end

-- Notes the number of messages that it sent before call:send began to wait without end.
function expand.flood(req, call)
  local payload = ("x"):rep(1000)
  local sent = 0
  mw.spawn(function()
    local before = -1
    while sent ~= before do
      before = sent
      mw.sleep(0.1)
    end
    note(req.text, tostring(sent))
  end)
  for _ = 1, req.count do
    local ok, status = call:send { text = payload }
    if not ok then return note(req.text .. "-end", tostring(status)) end
    sent = sent + 1
  end
end

function expand.forever(_, call)
  local n = 0
  while true do
    n = n + 1
    call:send { count = n } -- ignores the result: the next wait ends it
    mw.sleep(0.001)
  end
end

local held = {}

-- Keeps a stream from the server at `text` after its own end.
function expand.hold(req, call)
  local request = { what = "flood", text = req.pairs.text, count = 1000000 }
  held[#held + 1] = mw.client(req.text):stream("echo.Echo/Expand", request)
  call:send(held[#held]:receive())
  mw.sleep(60)
end

function Echo.Expand(req, call) return expand[req.what](req, call) end

function collect.sum(first, call)
  local sum = first.count
  for message in call:messages() do sum = sum + message.count end
  return { count = sum }
end

-- Lists the encoding of each message.
function collect.encodings(first, call)
  local list = { call.request_encoding }
  for _ in call:messages() do list[#list + 1] = call.request_encoding end
  return { text = table.concat(list, " ") }
end

function collect.first_only(first) return first end

-- Notes the result of a receive under way when the call ends.
function collect.receive_end(first, call)
  local message, status = call:receive()
  note(first.text, tostring(message) .. " " .. tostring(status))
  return first
end

function collect.twice(_, call)
  local message = call:receive()
  local again, status = call:receive()
  return { text = tostring(message) .. " " .. tostring(again) .. " " .. tostring(status) }
end

function collect.status()
  return nil, mw.status.out_of_range "at once"
end

function Echo.Collect(call)
  local first = call:receive()
  if not first then return { text = "nothing" } end
  return collect[first.what](first, call)
end

function chat.echo(first, call)
  call:send(first)
  for message in call:messages() do
    if not call:send(message) then return end
  end
end

-- Receives a message that came while it slept, and forwards it to the server at `text` for the reply.
function chat.forward(first, call)
  mw.sleep(0.1)
  call:send(assert(mw.client(first.text):call("echo.Echo/Unary", call:receive())))
end

function chat.status(_, call)
  call:send { text = "before" }
  return nil, mw.status.out_of_range "after one"
end

-- One fiber reads, another writes.
function chat.both_ways(first, call)
  mw.spawn(function()
    local n = 0
    while call:send { count = n } do
      n = n + 1
      mw.sleep(0.001)
    end
    note(first.text, "the writer has ended")
  end)
  for _ in call:messages() do end
end

local waits = {}

function waits.sleep() mw.sleep(600) end

function waits.pcall()
  pcall(mw.sleep, 600)
  pcall(mw.sleep, 600)
end

function waits.xpcall() xpcall(mw.sleep, tostring, 600) end

function waits.generator()
  for _ in coroutine.wrap(function() mw.sleep(600) end) do end
end

function waits.protected_coroutine()
  pcall(coroutine.resume, coroutine.create(function() pcall(mw.sleep, 600) end))
end

function waits.topic()
  local subscription <close> = mw.topic("echo.never"):subscribe()
  subscription:receive()
end

function waits.client(call)
  local _, status = mw.client(call.vars.address):service("echo.Echo"):Unary { what = "hold" }
  error(status) -- the outbound call has the same deadline and may end first
end

function waits.messages(call)
  for _ in call:messages() do end
end

-- call:receive returns the status of the end; the next wait raises it.
function waits.receive(call)
  local message, status = call:receive()
  assert(message == nil and call.vars.ended == nil)
  call.vars.ended = status.code
  mw.sleep(600)
end

function waits.receive_and_return(call)
  call.vars.ended = select(2, call:receive()).code
end

-- The call ends while a <close> variable cleans up.
function waits.nothing() end

function waits.fail() error "own error" end

function waits.send(call)
  local payload = ("x"):rep(10000)
  local sent, status
  repeat sent, status = call:send { text = payload } until not sent
  call.vars.ended = status.code
  assert(select(2, call:send {}).code == status.code)
  mw.sleep(600)
end

-- These handlers end by themselves, and clean up while the call ends.
local unawaited = { nothing = true, fail = true }

-- Sends a message, waits, and notes the end of the wait from a <close> variable, which may itself wait.
function chat.wait(first, call)
  call.vars.address = first.pairs.address
  local _ <close> = setmetatable({}, {
    __close = function(_, err)
      mw.sleep(unawaited[first.pairs.how] and 0.3 or 0.001)
      mw.log.info("closed", { key = first.text })
      note(first.text, (call.vars.ended or "") .. " " .. tostring(err))
    end,
  })
  call:send {}
  waits[first.pairs.how](call)
  if first.pairs.how:find "return" or first.pairs.how == "nothing" then return end
  note(first.text, "it went on")
end

-- Permitted and forbidden uses of a stream.
local rules = {}

function rules.two_receives(call)
  mw.spawn(function() call:receive() end)
  return select(2, pcall(call.receive, call))
end

function rules.receive_after_end(call)
  for _ in call:messages() do end
  local message, status = call:receive()
  return tostring(message) .. " " .. tostring(status)
end

function rules.send_nothing(call)
  return select(2, pcall(function() call:send() end))
end

function rules.send_late(call)
  mw.spawn(function()
    while pcall(call.time_remaining, call) do mw.sleep(0.001) end
    local sent, status = call:send { text = "late" }
    local _, receive_status = call:receive()
    note("send_late", ("%s %s, %s, %s"):format(sent, status, receive_status, select(2, pcall(call.messages, call))))
  end)
  return "ends now"
end

function rules.many_senders(call)
  local left = 10
  for sender = 1, 10 do
    mw.spawn(function()
      for n = 1, 100 do call:send { text = tostring(sender), count = n } end
      left = left - 1
    end)
  end
  while left > 0 do mw.sleep(0.001) end
  return "all sent"
end

function chat.rule(first, call)
  call:send { what = "result", text = rules[first.text](call) }
end

function Echo.Chat(call)
  local first = call:receive()
  if not first then return end
  return chat[first.what](first, call)
end
