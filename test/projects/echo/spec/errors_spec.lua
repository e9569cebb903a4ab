-- Failures of calls: statuses with code, message and details; errors in handlers, of which callers receive only an id.
local mw = require "moonwire"
local echo = require "support.echo"
local test = require "moonwire.test"

local codes = {
  "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
  "DATA_LOSS", "UNAUTHENTICATED",
}

-- mistake of a handler -> pattern of the log line
local mistakes = {
  raise = "lua/echo.lua:%d+: some text",
  raise_table = "lua/echo.lua:%d+",
  raise_unprintable = "lua/echo.lua:%d+",
  recurse = "lua/echo.lua:%d+: stack overflow",
  recurse_in_c = "C stack overflow",
  bad_status = "google%.rpc%.Status%.details%[1%]",
  raise_bad_status = "google%.rpc%.Status%.details%[1%]",
  spoil_status = "google%.rpc%.Status%.details%[1%]",
  nothing = "lua/echo%.lua:%d+: the handler returned no reply: return a message, or nil and a status",
  wrong_type = "lua/echo%.lua:%d+: bad reply: echo%.Message%.text: expected string, got 42",
  wrong_field = [[lua/echo%.lua:%d+: bad reply: echo%.Message%.txt: no such field %(did you mean \"text\"%?%)]],
  status_as_reply = "lua/echo%.lua:%d+: the handler returned a status as its reply: return nil and the status",
  ok_status = "lua/echo%.lua:%d+: the handler returned a status whose code is OK, and no reply: return the message",
  raise_ok_status = "the handler raised a status whose code is OK: return the reply",
  second_result =
    "lua/echo%.lua:%d+: the handler's second result must be a status %(mw%.status%.not_found%(%.%.%.%)%) or nil",
  send = "call:send: the reply of /echo%.Echo/Unary is not streamed: return it",
  receive = "call:receive: the request of /echo%.Echo/Unary is not streamed: it is the handler's first argument",
}

-- Functions of the runtime that fail, and their codes.
local failing = {
  read = "NOT_FOUND", path = "INVALID_ARGUMENT", remove = "NOT_FOUND", store_update = "NOT_FOUND",
  store_insert = "ALREADY_EXISTS", client = "UNAVAILABLE", stream = "UNAVAILABLE",
  messages = "UNAVAILABLE", finish = "UNAVAILABLE", stream_status = "UNAVAILABLE", json = "INVALID_ARGUMENT",
  time = "INVALID_ARGUMENT", u64 = "INVALID_ARGUMENT", any = "INVALID_ARGUMENT", topic = "DEADLINE_EXCEEDED",
  publish = "RESOURCE_EXHAUSTED", metric = "RESOURCE_EXHAUSTED",
}

describe("a failing call", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  it("carries each of the codes with its message", function()
    for _, code in ipairs(codes) do
      local reply, status = server:unary("status", { text = code })
      assert.is_nil(reply)
      assert.are.equal(code, status.code)
      assert.are.equal("the message of " .. code, status.message)
      assert.are.equal(code .. ": the message of " .. code, tostring(status))
    end
  end)

  it("carries any text as its message", function()
    for _, text in ipairs { "", "ünïcödé 100 % ☽", "two\nlines\ttab", ("long "):rep(200) } do
      local _, status = server:unary("status_text", { text = text })
      assert.are.equal(text, status.message)
    end
  end)

  it("may be raised from any depth", function()
    echo.assert_status("NOT_FOUND", "raised: deep", server:unary("raise_status", { text = "deep" }))
  end)

  it("carries details", function()
    local reply, status = server:unary "details"
    echo.assert_status("INVALID_ARGUMENT", "see details", reply, status)
    assert.are.equal(1, #status.details)
    assert.are.equal("type.googleapis.com/google.rpc.BadRequest", status.details[1].type_url)
    local violation = mw.any.unpack(status.details[1]).field_violations[1]
    assert.are.equal("text", violation.field)
    assert.are.equal("must not be empty", violation.description)
  end)

  it("carries details that are Any messages already", function()
    local _, status = server:unary "ready_details"
    local function reason(i) return mw.any.unpack(status.details[i]).reason end
    assert.are.equal("ABORTED", status.code)
    assert.are.same({ "PACKED", "OTHER" }, { reason(1), reason(2) })
    _, status = server:unary("ready_details", { text = "field" })
    assert.are.same({ "PACKED", "OTHER", "FIELD" }, { reason(1), reason(2), reason(3) })
  end)

  it("is returned by streaming handlers too", function()
    local stream <close> = server.echo:Expand { what = "status" }
    echo.assert_status("OUT_OF_RANGE", "at once", stream:receive())
    local upload <close> = server.echo:Collect()
    upload:send { what = "status" }
    echo.assert_status("OUT_OF_RANGE", "at once", upload:finish())
    local chat <close> = server.echo:Chat()
    chat:send { what = "status" }
    assert.are.equal("before", chat:receive().text)
    echo.assert_status("OUT_OF_RANGE", "after one", chat:receive())
  end)

  it("carries details with a message that is no text", function()
    local _, status = server:unary "details_of_bytes"
    assert.are.equal("INVALID_ARGUMENT", status.code)
    assert.are.equal("type.googleapis.com/google.rpc.BadRequest", status.details[1].type_url)
  end)

  it("keeps what it has streamed before", function()
    local stream <close> = server.echo:Expand { what = "fail_midway", count = 3 }
    for i = 1, 3 do assert.are.equal(i, stream:receive().count) end
    echo.assert_status("DATA_LOSS", "after 3", stream:receive())
  end)

  it("is none when a handler that has streamed passes on the OK of another", function()
    local stream <close> = server.echo:Expand { what = "ok_status" }
    assert.are.equal("x", stream:receive().text)
    assert.is_nil(stream:receive())
    assert.are.equal("OK", stream:status().code)
  end)

  -- Returns the log line of an error id.
  local function logged(server_, id)
    server_:wait_logged("error_id=" .. id)
    for line in server_.process.stderr:gmatch "[^\n]+" do
      if line:find("error_id=" .. id, 1, true) then return line end
    end
  end

  describe("because a function of the runtime has failed", function()
    -- Asserts that the status is INTERNAL. Returns the log line.
    local function internal(reply, status)
      assert.is_nil(reply)
      assert.are.equal("INTERNAL", status.code, tostring(status))
      return logged(server, assert(status.message:match "^internal error (%x+)$"))
    end

    for what, code in pairs(failing) do
      it(("(%s) is INTERNAL when its handler raises the status, with its words in the log"):format(what), function()
        local line = internal(server:unary("assert_failure", { text = what }))
        assert.matches([[msg="lua/failures.lua:%d+: ]] .. code .. ": ", line)
        assert.matches('the handler raised a status that it did not make: \\"return nil, status\\" passes it on', line,
          1, true)
        assert.matches("stack traceback:", line, 1, true)
        assert.matches("method=/echo.Echo/Unary", line, 1, true)
      end)

      it(("(%s) has the status that its handler returns"):format(what), function()
        local reply, status = server:unary("return_failure", { text = what })
        assert.is_nil(reply)
        assert.are.equal(code, status.code, tostring(status))
      end)
    end

    it("is INTERNAL whichever way the status is raised", function()
      for _, way in ipairs { "raise_failure", "raise_failure_again", "raise_failure_from_coroutine" } do
        assert.matches("NOT_FOUND: absent.txt: ", internal(server:unary(way, { text = "read" })), 1, true)
      end
    end)

    it("is INTERNAL to <close> variables too, which may raise it again, and is logged once", function()
      local _, status = server:unary("close_by_failure", { text = "read" })
      local id = assert(status.message:match "^internal error (%x+)$")
      server:wait_logged "closed by INTERNAL"
      server:unary("raise", { text = "after it" })
      server:wait_logged "after it"
      assert.are.equal(1, select(2, server.process.stderr:gsub("error_id=" .. id, "")))
      assert.are.equal(1, select(2, server.process.stderr:gsub("closed by ", "")))
    end)

    it("has the status that a transaction of the store raises", function()
      echo.assert_status("ALREADY_EXISTS", "scores: there exists already", server:unary "transaction")
    end)

    it("has the status that its handler makes of it", function()
      echo.assert_status("NOT_FOUND", "absent.txt", server:unary("raise_copy", { text = "read" }))
      local _, status = server:unary("raise_with_details", { text = "read" })
      assert.are.equal("NOT_FOUND", status.code)
      assert.are.equal("CHOSEN", mw.any.unpack(status.details[1]).reason)
    end)
  end)

  describe("because of a mistake in its handler", function()
    for what, expected in pairs(mistakes) do
      it(("(%s) is INTERNAL with an id that finds the words in the log"):format(what), function()
        local reply, status = server:unary(what, { text = "some text" })
        assert.is_nil(reply)
        assert.are.equal("INTERNAL", status.code)
        local id = status.message:match "^internal error (%x+)$"
        assert.is_truthy(id, status.message)
        local line = logged(server, id)
        assert.matches(expected, line)
        assert.matches("level=error", line:gsub(" error ", " level=error ", 1))
        assert.matches("method=/echo.Echo/Unary", line, 1, true)
      end)
    end

    it("is logged with its traceback", function()
      local _, status = server:unary("raise", { text = "traced" })
      local line = logged(server, status.message:match "%x+$")
      assert.matches("stack traceback:", line, 1, true)
      assert.matches("lua/echo.lua:%d+: in", line)
    end)

    it("says so when a streamed reply is returned", function()
      local _, status = server.echo:Expand({ what = "returns" }):finish()
      local line = logged(server, status.message:match "^internal error (%x+)$")
      assert.matches("the handler of a streamed reply returned a value: use call:send(message)", line, 1, true)
    end)

    it("says which field of a streamed reply is wrong", function()
      local _, status = server.echo:Expand({ what = "wrong_field" }):finish()
      local line = logged(server, status.message:match "^internal error (%x+)$")
      assert.matches("call:send in /echo.Echo/Expand: echo.Message.txt: no such field", line, 1, true)
    end)

    it("leaves the others alone", function()
      local other <close> = server.echo:Chat()
      other:send { what = "echo", text = "before" }
      assert.are.equal("before", other:receive().text)
      server:unary("raise", { text = "x" })
      other:send { text = "after" }
      assert.are.equal("after", other:receive().text)
    end)
  end)

  describe("at log_level debug", function()
    local debug
    setup(function() debug = echo.start { args = { "--log-level", "debug" } } end)
    teardown(function() debug:stop() end)

    -- Waits for the log line of a failed call whose message contains `text`. Returns the line.
    local function failed(text)
      return test.eventually(function()
        for line in debug.process.stderr:gmatch "[^\n]+" do
          if line:find('msg="call failed"', 1, true) and line:find(text, 1, true) then return line end
        end
      end)
    end

    it("has a line with code, time and method", function()
      debug:unary("status", { text = "NOT_FOUND" })
      local line = failed "message=\"the message of NOT_FOUND\""
      assert.matches(" debug generation=1 worker=%d+ call=%d+ method=/echo.Echo/Unary ", line)
      assert.matches(" code=NOT_FOUND ms=%d+%.%d+ ", line)
      assert.matches(" peer=ipv4:127.0.0.1:%d+", line)
      local _, status = debug:unary "raise"
      assert.matches(" code=INTERNAL ", failed(status.message), 1, true)
    end)

    it("has a line although no handler ran", function()
      debug.client:call("echo.Echo/Unhandled", {})
      local line = failed "method=/echo.Echo/Unhandled"
      assert.matches(" code=UNIMPLEMENTED ", line, 1, true)
    end)

    it("has a line when it was cut", function()
      debug:unary("sleep", { seconds = 60, text = "cut" }, { deadline = 0.01 })
      assert.matches("method=/echo.Echo/Unary", failed "code=DEADLINE_EXCEEDED", 1, true)
    end)

    it("has none when it succeeds", function()
      debug:unary("echo", { text = "fine" })
      debug:unary("status", { text = "ABORTED" })
      failed "code=ABORTED"
      assert.is_nil(debug.process.stderr:find("code=OK", 1, true))
    end)
  end)

  it("is not logged at the default level", function()
    server:unary("status", { text = "OUT_OF_RANGE" })
    server:unary("raise", { text = "later" })
    server:wait_logged "later"
    assert.is_nil(server.process.stderr:find("call failed", 1, true))
  end)

  it("tells its caller more with --dev", function()
    local dev = echo.start { args = { "--dev" } }
    local _, status = dev:unary("raise", { text = "for the developer" })
    assert.are.equal("INTERNAL", status.code)
    assert.matches("^internal error %x+: .*lua/echo.lua:%d+: for the developer", status.message)
    dev:stop()
  end)
end)
