-- Metadata in both directions: headers, trailers, binary keys, refused keys and values.
local echo = require "support.echo"

describe("metadata", function()
  local server
  setup(function() server = echo.start() end)
  teardown(function() server:stop() end)

  it("reaches the handler", function()
    local metadata = { ["x-text"] = "one  two", ["x.dots_and-more"] = "1" }
    local seen = assert(server:unary("metadata", nil, { metadata = metadata })).pairs
    assert.are.equal("one  two", seen["x-text"])
    assert.are.equal("1", seen["x.dots_and-more"])
  end)

  it("reaches the handler with the blanks around it", function()
    local metadata = { ["x-before"] = "  one", ["x-after"] = "one  ", ["x-both"] = " one ", ["x-nothing-else"] = " " }
    local seen = assert(server:unary("metadata", nil, { metadata = metadata })).pairs
    for key, value in pairs(metadata) do assert.are.equal(value, seen[key]) end
  end)

  it("reaches the handler with every value of a key, the first in call.metadata", function()
    local seen = assert(server:unary("metadata", nil, { metadata = { ["x-many"] = { "a", "b", "c" } } })).pairs
    assert.are.equal("a", seen["x-many"])
    assert.are.equal("a|b|c", seen.values)
  end)

  it("carries raw bytes both ways under keys that end in -bin", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    for _, value in ipairs { table.concat(bytes), "", ",", "\0", "a,b" } do
      local reply, _, info = server:unary("metadata", nil, { metadata = { ["x-bytes-bin"] = value } })
      assert.are.equal(("%d bytes"):format(#value), assert(reply).pairs["x-bytes-bin"])
      assert.are.equal(value, info.headers["x-bytes-bin"])
    end
  end)

  it("comes back as headers and trailers", function()
    local _, _, info = server:unary "metadata"
    assert.are.equal("of the header", info.headers["x-header"])
    assert.are.equal("\0\1", info.headers["x-bytes-bin"])
    assert.are.equal("of the trailer", info.trailers["x-trailer"])
    assert.is_nil(info.headers["x-trailer"])
  end)

  it("comes back with an error too", function()
    local reply, status, info = server:unary "metadata_and_status"
    echo.assert_status("ABORTED", "with metadata", reply, status)
    assert.are.equal("h", info.headers["x-header"])
    assert.are.equal("t", info.trailers["x-trailer"])
  end)

  it("comes ahead of the first message with call:send_headers()", function()
    local stream <close> = server.echo:Expand { what = "metadata" }
    assert.are.equal("yes", stream:headers()["x-early"])
    assert.is_truthy(stream:receive())
    assert.is_nil((stream:receive()))
    assert.are.equal("yes", stream:trailers()["x-late"])
  end)

  it("has the client's name", function()
    assert.matches("grpc", assert(server:unary "metadata").pairs["user-agent"])
  end)

  it("of the server's own protocol is not shown to handlers", function()
    local seen = assert(server:unary("metadata", nil, { deadline = 60, compression = "gzip" })).pairs
    for key in pairs(seen) do
      assert.is_false(key:sub(1, 1) == ":" or key:sub(1, 5) == "grpc-" or key == "te", key)
    end
  end)

  describe("that is wrong raises:", function()
    local function refuses(expected, key, value)
      local what = { key = key, value = value or "value" }
      echo.assert_status("INTERNAL", "internal error", server:unary("bad_header", { pairs = what }))
      server:wait_logged(expected)
    end

    it("keys of other characters", function()
      refuses([[metadata key \"X-Upper\": byte 0x58 at 1, must be one of 0-9 a-z _ - .]], "X-Upper")
      refuses([[metadata key \"a b\": byte 0x20 at 2]], "a b")
      refuses("metadata key: 0 bytes, must be 1 to 128", "")
      refuses("metadata key: 129 bytes, must be 1 to 128", ("k"):rep(129))
    end)

    it("reserved keys", function()
      for _, key in ipairs { "grpc-status", "grpc-anything", "connection", "content-length", "content-type", "host",
        "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent" } do
        refuses(([[metadata key \"%s\" is reserved for HTTP and gRPC, choose another name]]):format(key), key)
      end
    end)

    it("values of other characters", function()
      refuses([[metadata \"x-a\": byte 0x0a at 5 of the value, must be printable ASCII ]] ..
        "(a key that ends in -bin carries any bytes)", "x-a", "line\n")
    end)

    it("headers after they were sent", function()
      local stream <close> = server.echo:Expand { what = "late_header" }
      local _, status = stream:finish()
      assert.are.equal("INTERNAL", status.code)
      server:wait_logged "call:set_header: the headers have been sent already"
    end)
  end)
end)
