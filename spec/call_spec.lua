-- `moonwire call` against a running server: output, refused arguments, exit codes.
local project = require "support.project"
local test = require "moonwire.test"

local echo = "test/projects/echo"

--- Runs `moonwire call` to its end, with `input` as its stdin.
---@return integer code
---@return string[] lines of stdout
---@return string stderr
local function run(input, ...)
  local process <close> = test.start { "call", ... }
  if input then process:write(input) end
  process:close_input()
  local lines = {}
  for line in function() return process:read_line() end do lines[#lines + 1] = line end
  return process:wait(), lines, process.stderr
end

describe("moonwire call", function()
  it("takes the folders of protos from the moonwire.lua of the folder that it runs in", function()
    local folder <close> = project.new {
      ["contract/a.proto"] = 'syntax = "proto3"; import "b.proto"; service S { rpc Get(B) returns (B); }',
      ["shared/b.proto"] = 'syntax = "proto3"; message B {}',
      ["moonwire.lua"] = "return { proto = { 'contract', 'shared' } }",
    }
    local moonwire = os.getenv "MOONWIRE" or "build/moonwire"
    if moonwire:sub(1, 1) ~= "/" then moonwire = "$OLDPWD/" .. moonwire end
    local _, _, code = os.execute(("cd %s && %s call 127.0.0.1:1 S/Get '{}' 2>error"):format(folder.dir, moonwire))
    assert.are.equal(14, code) -- UNAVAILABLE: nothing listens there; without a schema the code differs
  end)

  local server, address

  setup(function()
    server, address = test.serve { dir = echo }
  end)

  teardown(function()
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  --- Calls a method of the echo service.
  local function call(method, ...)
    return run(nil, address, "echo.Echo/" .. method, "--proto", echo .. "/proto", ...)
  end

  local function feed(input, method, ...)
    return run(input, address, "echo.Echo/" .. method, "--proto", echo .. "/proto", ...)
  end

  it("calls all four types", function()
    local code, lines = call("Unary", '{"what": "echo", "count": "5", "data": "AAE=", "pairs": {"a": "b"}}')
    assert.are.equal(0, code)
    assert.are.same({ '{"what":"echo","count":"5","data":"AAE=","pairs":{"a":"b"}}' }, lines)

    code, lines = call("Expand", '{"what": "count", "count": 2}')
    assert.are.equal(0, code)
    assert.are.same({ '{"count":"1"}', '{"count":"2"}' }, lines)

    code, lines = call("Collect", '{"what": "sum", "count": 1} {"count": 2}\n{"count": 3}')
    assert.are.equal(0, code)
    assert.are.same({ '{"count":"6"}' }, lines)

    code, lines = call("Chat", '{"what": "echo"}{"text": "x"}')
    assert.are.equal(0, code)
    assert.are.same({ '{"what":"echo"}', '{"text":"x"}' }, lines)
  end)

  it("reads requests from stdin and from files", function()
    assert.are.same({ '{"what":"echo","text":"in"}' }, select(2, feed('{"what":"echo",\n"text":"in"}\n', "Unary", "-")))
    assert.are.same({ '{"count":"3"}' }, select(2, feed('{"what":"sum","count":1}\n{"count":2}\n', "Collect")))
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write '{"what": "sum", "count": 40}\n{"count": 2}'
    file:close()
    assert.are.same({ '{"count":"42"}' }, select(2, call("Collect", "@" .. path)))
    os.remove(path)
  end)

  it("passes over a byte order mark before a request", function()
    local mark = "\xEF\xBB\xBF"
    assert.are.same({ '{"count":"3"}' }, select(2, feed(mark .. '{"what":"sum","count":1}\n{"count":2}\n', "Collect")))
    assert.are.same({ '{"what":"echo"}' }, select(2, feed(mark .. '{"what":"echo","text":""}', "Unary", "-")))
    local code, _, stderr = feed("\xEF\xBB", "Unary", "-")
    assert.are.equal(1, code)
    assert.are.equal("moonwire call: stdin: 1:1: expected a value, got the byte 0xef\n", stderr)
    code, _, stderr = feed(mark .. '{"x"}', "Unary", "-")
    assert.are.equal(1, code)
    assert.matches("moonwire call: stdin: 1:5: ", stderr, 1, true)
  end)

  it("streams live, both ways", function()
    local process <close> = test.start { "call", address, "echo.Echo/Chat", "--proto", echo .. "/proto" }
    for i = 1, 3 do
      local line = ('{"what":"echo","count":"%d"}'):format(i)
      process:write(line .. "\n")
      assert.are.equal(line, process:read_line(10))
    end
    process:close_input()
    assert.are.equal(0, (process:wait(10)))
  end)

  it("exits with the status code, and shows message and details", function()
    local code, lines, stderr = call("Unary", '{"what": "status", "text": "NOT_FOUND"}')
    assert.are.equal(5, code)
    assert.are.same({}, lines)
    assert.are.equal("NOT_FOUND: the message of NOT_FOUND\n", stderr)

    code, _, stderr = call("Unary", '{"what": "details"}')
    assert.are.equal(3, code)
    assert.are.equal("INVALID_ARGUMENT: see details\n" .. '{"@type":"type.googleapis.com/google.rpc.BadRequest",'
      .. '"fieldViolations":[{"field":"text","description":"must not be empty"}]}\n', stderr)

    code, lines, stderr = call("Expand", '{"what": "fail_midway", "count": 2}')
    assert.are.equal(15, code)
    assert.are.same({ '{"count":"1"}', '{"count":"2"}' }, lines)
    assert.are.equal("DATA_LOSS: after 2\n", stderr)

    assert.are.equal(12, (call("Unhandled")))
    assert.are.equal(14, (run(nil, "127.0.0.1:1", "echo.Echo/Unary", "--proto", echo .. "/proto")))
  end)

  it("keeps a deadline", function()
    for _, deadline in ipairs { "50ms", "0.05s", ".05", "0.001m" } do
      assert.are.equal(4, (call("Unary", '{"what": "sleep", "seconds": 30}', "--deadline", deadline)))
    end
  end)

  it("takes a deadline beyond all time for none", function()
    for _, deadline in ipairs { "1e10", "1e300m" } do
      assert.are.equal(0, (call("Unary", '{"what": "echo"}', "--deadline", deadline)))
    end
  end)

  it("waits for a server that is not there yet, as long as the deadline lets it", function()
    local first, free <const> = test.serve { dir = echo }
    first:kill()
    first:wait()
    local arguments <const> =
      { free, "echo.Echo/Unary", '{"what": "echo"}', "--proto", echo .. "/proto", "-v", "--wait" }
    local waiting <close> = test.start { "call", table.unpack(arguments) }
    test.eventually(function() return waiting.stderr:find("* /echo.Echo/Unary", 1, true) end)
    local second <close> = test.serve { dir = echo, args = { "--listen", free } }
    assert.are.equal(0, (waiting:wait(30)))
    second:kill()
    second:wait()
    assert.are.equal(4, (run(nil, "--deadline", "50ms", table.unpack(arguments))))
  end)

  it("is cancelled by SIGINT", function()
    local process <close> =
      test.start { "call", address, "echo.Echo/Expand", '{"what": "forever"}', "--proto", echo .. "/proto" }
    assert.are.equal('{"count":"1"}', process:read_line(10))
    process:kill(2) -- SIGINT
    assert.are.equal(1, (process:wait(10)))
    assert.matches("^CANCELLED: ", process.stderr)
  end)

  it("ends at SIGINT while protoc runs", function()
    local folder <close> = project.new { ["proto/a.proto"] = 'syntax = "proto3";' }
    assert(os.execute(("mkfifo %s/hang"):format(folder.dir)))
    folder:write("protoc", ("#!/bin/sh\n: > %s/runs\nexec cat %s/hang\n"):format(folder.dir, folder.dir))
    assert(os.execute(("chmod +x %s/protoc"):format(folder.dir)))
    local process <close> = test.start({ "call", address, "echo.Echo/Unary", "--proto", folder.dir .. "/proto" }, {
      env = { PATH = folder.dir .. ":" .. os.getenv "PATH" },
    })
    test.eventually(function() return (os.execute("test -e " .. folder.dir .. "/runs")) end)
    process:kill(2)
    assert.are.equal(1, (process:wait(10)))
    assert.are.equal("", process.stderr)
  end)

  it("sends metadata and shows headers and trailers", function()
    local code, lines, stderr = call("Unary", '{"what": "metadata"}', "-v", "-H", "X-One:  two ", "-H", "x-many: 1",
      "--header", "x-many: 2", "-H", "x-bytes-bin: AAEC")
    assert.are.equal(0, code)
    assert.matches('"x-one":"two"', lines[1], 1, true)
    assert.matches('"x-bytes-bin":"3 bytes"', lines[1], 1, true)
    assert.matches('"values":"1|2"', lines[1], 1, true)
    assert.matches("> x-one: two\n", stderr, 1, true)
    assert.matches("< x-header: of the header\n", stderr, 1, true)
    assert.matches("< x-bytes-bin: AAEC\n", stderr, 1, true)
    local trailers = stderr:match "%* trailers\n(.*)%* status OK\n$"
    assert.matches("< x-trailer: of the trailer\n", trailers, 1, true)
  end)

  it("compresses, indents and limits", function()
    local text = ("x"):rep(10000)
    local _, lines = call("Unary", '{"what": "echo", "text": "' .. text .. '"}', "--compress", "gzip", "--indent", "1")
    assert.are.same({ "{", ' "what": "echo",', ' "text": "' .. text .. '"', "}" }, lines)
    local code, _, stderr = call("Unary", '{"what": "echo", "text": "' .. text .. '"}', "--max-size", "1K")
    assert.are.equal(8, code)
    assert.matches("^RESOURCE_EXHAUSTED: ", stderr)
  end)

  it("refuses requests that are not the method's, before or within the call", function()
    local function refuses(words, code, lines, stderr)
      assert.are.equal(1, code)
      assert.are.equal("moonwire call: " .. words .. "\n", stderr)
      assert.are.same({}, lines)
    end
    refuses('request: 1:2: echo.Message: echo.Message has no field "waht" (did you mean "what"?)',
      call("Unary", '{"waht": 1}'))
    refuses("request: 1:4: a second message, but echo.Echo/Unary takes only one", call("Unary", "{} {}"))
    refuses("request: no message; echo.Echo/Unary takes one", call("Unary", ""))
    refuses("/no/such: No such file or directory", call("Unary", "@/no/such"))
    refuses("stdin: 3:10: echo.Message.text: expected string, got 5",
      feed('{"what":"sum"}\n{}\n {"text":5}\n', "Collect"))
    refuses("stdin: 2:6: expected ':' behind the key, got the end of the text",
      feed('{"what":"sum"}\n{"te"', "Collect"))
  end)

  it("names what is near when there is no such service or method", function()
    local code, _, stderr = call("Unery")
    assert.are.equal(1, code)
    assert.matches("echo.Echo has no method Unery; did you mean Unary?\nthere are: Unary, Expand, Collect, Chat",
      stderr, 1, true)
    code, _, stderr = run(nil, address, "echo.Eco/Unary", "--proto", echo .. "/proto")
    assert.are.equal(1, code)
    assert.matches("no service echo.Eco; did you mean echo.Echo?", stderr, 1, true)
    code, _, stderr = run(nil, address, "echo.Echo", "--proto", echo .. "/proto")
    assert.are.equal(1, code)
    assert.are.equal("moonwire call: echo.Echo is a service: expected echo.Echo/METHOD\n" ..
      "there are: Unary, Expand, Collect, Chat, Unhandled\n", stderr)
    code, _, stderr = run(nil, address, "echo.Echo/Unary", "--proto", "/no/such")
    assert.are.equal(1, code)
    assert.are.equal("moonwire call: --proto /no/such: there is no such folder\n", stderr)
  end)

  it("takes the default port where none is given", function()
    local function shown(...)
      local _, _, stderr = run(nil, ...)
      return stderr:match "at (%S+)"
    end
    local call <const> = { "echo.Echo/Unary", "{}", "--proto", echo .. "/proto", "--deadline", "0.2", "-v" }
    assert.are.equal("127.0.0.3:50051", shown("127.0.0.3", table.unpack(call)))
    assert.are.equal("[::1]:50051", shown("[::1]", table.unpack(call)))
    assert.are.equal("unix:/no/such", shown("unix:/no/such", table.unpack(call)))
    assert.are.equal("dns:///127.0.0.3", shown("dns:///127.0.0.3", table.unpack(call)))
    call[#call + 1] = "--tls"
    assert.are.equal("127.0.0.3:443", shown("127.0.0.3", table.unpack(call)))
  end)

  it("refuses wrong usage with 2", function()
    local function refuses(words, ...)
      local code, _, stderr = run(nil, ...)
      assert.are.equal(2, code)
      assert.are.equal("moonwire call: " .. words .. "\nTry moonwire call --help.\n", stderr)
    end
    refuses("expected HOST:PORT and package.Service/Method, or HOST:PORT alone for a list")
    refuses("Echo/: expected package.Service/Method", address, "Echo/")
    refuses("unexpected argument b; quote the request", address, "a/b", "a", "b")
    refuses("no option --bogus", address, "a/b", "--bogus")
    refuses("expected a value after --deadline", address, "a/b", "--deadline")
    refuses("--deadline -1: expected a time above 0 such as 5, 1.5s, 200ms or 2m", address, "a/b", "--deadline", "-1")
    refuses("--max-size 4G: expected a number of bytes up to 1024M, such as 65536 or 16M", address, "a/b", "--max-size",
      "4G")
    refuses("--indent x: expected a number of spaces from 0 to 16", address, "a/b", "--indent", "x")
    refuses("--compress lz: expected gzip or deflate", address, "a/b", "--compress", "lz")
    refuses("-H 'x': expected 'KEY: VALUE'", address, "a/b", "-H", "x")
    refuses("-H 'k-bin: !': the value of a key that ends in -bin must be base64", address, "a/b", "-H", "k-bin: !")
    refuses("--ca needs --tls", address, "a/b", "--ca", "x")
    refuses("--cert and --key go together", address, "a/b", "--tls", "--cert", "x")
  end)
end)
