-- Malformed and oversized requests: they are refused, with the place of the error, and other calls go on.
local echo = require "support.echo"
local test = require "moonwire.test"

local function hex(bytes)
  return bytes == "" and "-" or (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local UNARY <const>, COLLECT <const> = "/echo.Echo/Unary", "/echo.Echo/Collect"

-- name = { code, a part of the message, bytes... }
local cases = {
  ["truncated"] = { "INVALID_ARGUMENT", "echo.Message.what", "\x0a\x05ab" },
  ["not UTF-8"] = { "INVALID_ARGUMENT", "echo.Message.text: ", "\x12\x02\xff\xfe" },
  ["not UTF-8 in a map's key"] = { "INVALID_ARGUMENT", "echo.Message.pairs", "\x2a\x03\x0a\x01\xff" },
  ["an endless number"] = { "INVALID_ARGUMENT", "echo.Message", "\x18" .. ("\xff"):rep(11) },
  ["field number 0"] = { "INVALID_ARGUMENT", "echo.Message", "\x02\x00" },
  ["a field number that is too large"] = { "INVALID_ARGUMENT", "echo.Message", "\xff\xff\xff\xff\xff\x0f\x00" },
  ["a group without an end"] = { "INVALID_ARGUMENT", "echo.Message", "\x7b" },
  ["an end without a group"] = { "INVALID_ARGUMENT", "echo.Message", "\x7c" },
  ["a wire type that does not exist"] = { "INVALID_ARGUMENT", "echo.Message", "\x7f" },
  ["a length beyond the message"] = { "INVALID_ARGUMENT", "echo.Message", "\x22\xff\xff\xff\xff\x07" },
  ["nested too deep"] = { "RESOURCE_EXHAUSTED", "nested too deeply, 100 levels at most",
    ("\x7b"):rep(100000) .. ("\x7c"):rep(100000) },
  ["small, but large once it is unpacked"] = { "RESOURCE_EXHAUSTED", "", ("\x2a\x00"):rep(1900000) },
}

describe("a request of raw bytes", function()
  local server, client
  setup(function()
    server = echo.start()
    client = test.start { "/usr/bin/python3", "spec/support/raw.py", server.address }
  end)
  teardown(function()
    client:close()
    server:stop()
  end)

  -- Returns the code and the message of the call's status.
  local function call(path, ...)
    local words = { path }
    for i, bytes in ipairs { ... } do words[i + 1] = hex(bytes) end
    client:write(table.concat(words, " ") .. "\n")
    return assert(client:read_line(), "no answer: " .. client.stderr):match "^(%S+) (.*)$"
  end

  for what, case in pairs(cases) do
    it(("(%s) is refused"):format(what), function()
      local code, message = call(UNARY, case[3])
      assert.are.equal(case[1], code, message)
      assert.matches(case[2], message, 1, true)
    end)
  end

  it("(empty) is a message", function()
    assert.are.equal("UNIMPLEMENTED", (call(UNARY, "")))
  end)

  it("(fields of the future) is a message", function()
    local code, message = call(UNARY, "\x0a\x04echo" .. "\xa2\x06\x03abc" .. "\x7b\x08\x01\x7c")
    assert.are.equal("OK", code, message)
  end)

  it("(wrong in the midst of a stream) ends its handler", function()
    local first = "\x0a\x03sum\x18\x01"
    assert.are.equal("OK", (call(COLLECT, first, first)))
    local code, message = call(COLLECT, first, "\x12\x02\xff\xfe", first)
    assert.are.equal("INVALID_ARGUMENT", code, message)
    assert.matches("echo.Message.text", message, 1, true)
  end)

  it("(no message, or two, where there must be one) is refused", function()
    assert.are_not.equal("OK", (call(UNARY)))
    assert.are_not.equal("OK", (call(UNARY, "\x0a\x04echo", "\x0a\x04echo")))
  end)

  it("(of a path that is none) is UNIMPLEMENTED", function()
    for path, message in pairs {
      ["/echo.Echo/Unnary"] = "unknown method /echo.Echo/Unnary", ["/no.Such/Method"] = "unknown service no.Such",
      ["/"] = "malformed method path /", ["/echo.Echo/"] = "unknown method /echo.Echo/",
      ["/echo.Echo/Unary/x"] = "unknown method /echo.Echo/Unary/x",
    } do
      local code, got = call(path, "")
      assert.are.equal("UNIMPLEMENTED", code)
      assert.are.equal(message, got)
    end
  end)

  it("leaves the server as it was", function()
    assert.are.equal("still here", assert(server:unary("echo", { text = "still here" })).text)
    test.eventually(function() return server:counts().calls == 0 end)
  end)
end)
