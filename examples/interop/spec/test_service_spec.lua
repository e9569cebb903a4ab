local mw = require "moonwire"
local test = require "moonwire.test"

-- Asserts that a call failed with `code` and with a message that contains `message`.
local function assert_status(code, message, reply, status)
  assert.is_nil(reply)
  assert.is_table(status)
  assert.are.equal(code, status.code, tostring(status))
  assert.is_truthy(status.message:find(message, 1, true), ("expected %q in %q"):format(message, status.message))
end

local function zeros(size)
  return { body = ("\0"):rep(size) }
end

local REQUESTS <const>, RESPONSES <const> = { 27182, 8, 1828, 45904 }, { 31415, 9, 2653, 58979 }

describe("grpc.testing.TestService", function()
  local server, address, client, service
  setup(function()
    server, address = test.serve { args = { "--workers", "2" } }
    client = mw.client(address)
    service = client:service "grpc.testing.TestService"
  end)
  teardown(function()
    server:kill()
    assert.are.equal(0, (server:wait()), server.stderr)
  end)

  it("EmptyCall gives nothing back", function()
    assert.are.same({}, (service:EmptyCall {}))
  end)

  describe("UnaryCall", function()
    it("gives as many bytes as it is asked for", function()
      local reply = assert(service:UnaryCall { response_size = 314159, payload = zeros(271828) })
      assert.are.equal(314159, #reply.payload.body)
      assert.are.equal("COMPRESSABLE", reply.payload.type)
      assert.is_nil(assert(service:UnaryCall {}).payload)
      assert_status("INVALID_ARGUMENT", "size: expected 0 or more, got -1", service:UnaryCall { response_size = -1 })
    end)

    it("answers many at once", function()
      local left = 100
      for _ = 1, left do
        mw.spawn(function()
          local reply = assert(service:UnaryCall { response_size = 314159, payload = zeros(271828) })
          if #reply.payload.body == 314159 then left = left - 1 end
        end)
      end
      test.eventually(function() return left == 0 end, 60)
    end)

    it("ends with the status it is asked for", function()
      for _, message in ipairs { "This is a test message", "\t\nwhitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n" } do
        local reply, status = service:UnaryCall { response_status = { code = 2, message = message } }
        assert.is_nil(reply)
        assert.are.equal("UNKNOWN", status.code)
        assert.are.equal(message, status.message)
      end
      assert(service:UnaryCall { response_status = { code = 0 } })
      assert_status("INVALID_ARGUMENT", "response_status.code: expected 0 to 16, got 17",
        service:UnaryCall { response_status = { code = 17 } })
    end)

    it("checks how a request was sent", function()
      local request = { expect_compressed = { value = true }, payload = zeros(1000) }
      assert(service:UnaryCall(request, { compression = "gzip" }))
      assert_status("INVALID_ARGUMENT", "expect_compressed: true, but the request came with encoding identity",
        service:UnaryCall(request))
      request.expect_compressed.value = false
      assert(service:UnaryCall(request))
      assert_status("INVALID_ARGUMENT", "expect_compressed: false, but the request came with encoding deflate",
        service:UnaryCall(request, { compression = "deflate" }))
    end)

    it("compresses its reply", function()
      for _, value in ipairs { true, false } do
        local reply = assert(service:UnaryCall { response_compressed = { value = value }, response_size = 1000 })
        assert.are.equal(zeros(1000).body, reply.payload.body)
      end
    end)

    it("names the server, the same from each worker", function()
      local ids = {}
      for i = 1, 10 do
        local connection = mw.client(address, { max_receive_bytes = (1 << 20) + i })
        ids[assert(connection:service("grpc.testing.TestService"):UnaryCall { fill_server_id = true }).server_id] = true
      end
      local id = next(ids)
      assert.matches("^%x+$", id)
      assert.is_nil((next(ids, id)))
    end)
  end)

  it("CacheableUnaryCall lets caches keep the reply", function()
    local reply, _, info = service:CacheableUnaryCall {}
    assert.matches("^%d+$", reply.payload.body)
    assert.are.equal("max-age=60, public", info.headers["cache-control"])
  end)

  it("StreamingInputCall counts what comes", function()
    for _, compression in ipairs { false, "gzip" } do
      local stream <close> = service:StreamingInputCall { compression = compression or nil }
      for _, size in ipairs(REQUESTS) do
        -- Messages that compression would not shrink are sent uncompressed.
        stream:send { payload = zeros(size), expect_compressed = { value = compression ~= false and size > 100 } }
      end
      assert.are.equal(74922, assert(stream:finish()).aggregated_payload_size)
    end
    local stream <close> = service:StreamingInputCall()
    stream:send { expect_compressed = { value = true }, payload = zeros(1000) }
    assert_status("INVALID_ARGUMENT", "expect_compressed: true", stream:finish())
  end)

  it("StreamingOutputCall sends what it is asked for", function()
    for _, compressed in ipairs { { value = true }, { value = false }, false } do
      local parameters, sizes = {}, {}
      for i, size in ipairs(RESPONSES) do
        parameters[i] = { size = size, interval_us = 1000, compressed = compressed or nil }
      end
      for message in service:StreamingOutputCall({ response_parameters = parameters }):messages() do
        sizes[#sizes + 1] = #message.payload.body
      end
      assert.are.same(RESPONSES, sizes)
    end
    local failing = service:StreamingOutputCall { response_status = { code = 10, message = "enough" } }
    assert_status("ABORTED", "enough", failing:finish())
  end)

  describe("FullDuplexCall", function()
    it("answers each request as it comes", function()
      local stream <close> = service:FullDuplexCall()
      for i, size in ipairs(RESPONSES) do
        stream:send { response_parameters = { { size = size } }, payload = zeros(REQUESTS[i]) }
        assert.are.equal(size, #assert(stream:receive()).payload.body)
      end
      assert.is_true((stream:finish()))
    end)

    it("answers nothing with nothing", function()
      assert.is_true((service:FullDuplexCall():finish()))
    end)

    it("ends with the status it is asked for", function()
      local stream <close> = service:FullDuplexCall()
      stream:send { response_status = { code = 2, message = "This is a test message" } }
      assert_status("UNKNOWN", "This is a test message", stream:finish())
    end)

    it("ends when its client's patience does", function()
      local stream <close> = service:FullDuplexCall { deadline = 0.01 }
      stream:send { response_parameters = { { size = 1, interval_us = 60000000 } } }
      assert_status("DEADLINE_EXCEEDED", "", stream:receive())
    end)
  end)

  it("HalfDuplexCall answers when all requests have come", function()
    local stream <close> = service:HalfDuplexCall()
    for _, size in ipairs(RESPONSES) do stream:send { response_parameters = { { size = size } } } end
    stream:close_send()
    local sizes = {}
    for message in stream:messages() do sizes[#sizes + 1] = #message.payload.body end
    assert.are.same(RESPONSES, sizes)
  end)

  it("echoes metadata", function()
    local metadata = { ["x-grpc-test-echo-initial"] = "test_initial_metadata_value",
      ["x-grpc-test-echo-trailing-bin"] = "\x0a\x0b\x0a\x0b\x0a\x0b" }
    local _, _, info = service:UnaryCall({}, { metadata = metadata })
    assert.are.equal("test_initial_metadata_value", info.headers["x-grpc-test-echo-initial"])
    assert.are.equal("\x0a\x0b\x0a\x0b\x0a\x0b", info.trailers["x-grpc-test-echo-trailing-bin"])
    local stream <close> = service:FullDuplexCall { metadata = metadata }
    stream:send { response_parameters = { { size = 1 } } }
    assert.are.equal("test_initial_metadata_value", stream:headers()["x-grpc-test-echo-initial"])
    stream:finish()
    assert.are.equal("\x0a\x0b\x0a\x0b\x0a\x0b", stream:trailers()["x-grpc-test-echo-trailing-bin"])
  end)

  it("leaves unimplemented what must be", function()
    assert_status("UNIMPLEMENTED", "has no handler", service:UnimplementedCall {})
    assert_status("UNIMPLEMENTED", "has no handler",
      client:service("grpc.testing.UnimplementedService"):UnimplementedCall {})
  end)
end)
