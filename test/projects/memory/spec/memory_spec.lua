-- Memory that a worker holds outside Lua for scripts and clients: it is bounded, counted and released.
local mw = require "moonwire"
local test = require "moonwire.test"

local MIB <const> = 1 << 20
local LIMIT <const> = 64 * MIB -- `limits.memory_bytes` of the server

describe("a worker's memory", function()
  -- A small quarantine, as this spec measures memory and AddressSanitizer keeps freed blocks.
  local env <const> = { ASAN_OPTIONS = "quarantine_size_mb=1:" .. (os.getenv "ASAN_OPTIONS" or "") }
  local server, client

  setup(function()
    local address
    server, address = test.serve { env = env }
    client = mw.client(address, { max_receive_bytes = 8 * MIB }):service "memory.Memory"
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()), server.stderr)
  end)

  -- Returns the server's resident memory and its peak, in bytes.
  local function memory(process)
    local file <close> = assert(io.open(("/proc/%d/status"):format((process or server).pid)))
    local text = file:read "a"
    return text:match "VmRSS:%s*(%d+) kB" * 1024, text:match "VmHWM:%s*(%d+) kB" * 1024
  end

  local function assert_failed(code, message, reply, status)
    assert.is_nil(reply)
    assert.equal(code, status.code)
    assert.matches(message, status.message, 1, true)
  end

  local function act(what, count)
    return client:Do { what = what, count = count }
  end

  it("is not held by texts that could not be encoded", function()
    for _ = 1, 30 do
      assert.matches("value[2]: JSON cannot represent a function", assert(act "fail_to_encode").text, 1, true)
    end
    assert.is_true(memory() < 3 * LIMIT, memory() // MIB .. " MiB")
  end)

  for _, what in ipairs { "encode_much", "encode_much_in_pcall", "encode_messages", "publish_much" } do
    it(("is limited while a handler does this: %s"):format(what), function()
      local reply, status = act(what)
      assert_failed("RESOURCE_EXHAUSTED",
        "the handler used up the memory of the worker's scripts, 67108864 bytes", reply, status)
      local _, peak = memory()
      assert.is_true(peak < 4 * LIMIT, peak // MIB .. " MiB")
      assert(act "fail_to_encode")
    end)
  end

  it("is bounded for values that no subscriber receives", function()
    local before <const> = memory()
    for _ = 1, 20 do assert(act "publish_unread") end
    assert.is_true(memory() < before + 64 * MIB, memory() // MIB .. " MiB")
    assert.equal("1048576 bytes, 185 dropped", assert(act "received").text)
    assert.matches("RESOURCE_EXHAUSTED: a value of 16777222 bytes is too long for a topic, which takes 16777216",
      assert(act "publish_too_much").text, 1, true)
  end)

  it("counts the queues of subscriptions", function()
    assert_failed("RESOURCE_EXHAUSTED", "the handler used up the memory of the worker's scripts", act "subscribe_much")
    assert(act "subscribe_and_forget")
  end)

  it("is bounded for headers and trailers", function()
    local words <const> = "more than 65536 bytes, where each entry counts its key, its value and 32"
    for what, name in pairs { header_much = "call:set_header: ", trailer_much = "call:set_trailer: " } do
      assert.is_nil((act(what)))
      test.eventually(function() return server.stderr:find(name .. words, 1, true) end)
    end
    local _, status = pcall(client.Do, client, {}, { metadata = { key = ("x"):rep(65536) } })
    assert.matches("memory.Memory/Do: metadata: " .. words, status, 1, true)
  end)

  it("is bounded for files that are read whole", function()
    assert.matches("the files that this worker is reading are larger than limits.memory_bytes, 67108864 bytes",
      assert(act "read_large").text, 1, true)
    assert.matches("larger than limits.memory_bytes, 67108864 bytes; read pieces with mw.fs.open",
      assert(act "read_larger").text, 1, true)
  end)

  -- With two workers, the busy one passes calls to the other.
  for workers = 1, 2 do
    it(("is bounded for a connection whose client does not read, with %d workers"):format(workers), function()
      local own <close>, address = test.serve { args = { "--workers", tostring(workers) }, env = env }
      local caller = mw.client(address, { max_receive_bytes = 8 * MIB }):service "memory.Memory"
      assert(caller:Do { what = "sending" })
      local streams <const>, before <const> = {}, memory(own)
      for i = 1, 60 do streams[i] = caller:Stream { count = 3 } end
      test.eventually(function() return assert(caller:Do { what = "sending" }).text == "60" end)
      assert.is_true(memory(own) < before + 112 * MIB, memory(own) // MIB .. " MiB")
      local read = 0
      for _, stream in ipairs(streams) do
        mw.spawn(function()
          repeat
            local message = stream:receive()
            local last = not message
            read, message = read + (last and 0 or #message.data), nil -- releases the message
          until last
        end)
      end
      test.eventually(function() return read == 60 * 3 * 4 * MIB end, 30)
      own:kill()
      assert.equal(0, (own:wait()), own.stderr)
    end)
  end

  it("is shown by metrics", function()
    local function total(name) return tonumber(assert(client:Do { what = "total", name = name }).text) end
    assert(act "hold")
    assert.is_true(total "memory_bytes" > 16 * MIB)
    assert.is_true(total "memory_outside_bytes" < MIB)
    assert.is_true(total "resident_bytes" > MIB)
    assert.is_true(total "topic_bytes" >= 0)
  end)

  it("goes back to the system after a burst", function()
    if os.execute(("grep -q -e __asan_init -e __tsan_init /proc/%d/exe"):format(server.pid)) then
      return -- a sanitizer's allocator keeps freed memory
    end
    for _ = 1, 5 do assert(act "burst") end
    local _, peak = memory()
    assert.is_true(peak > 96 * MIB)
    test.eventually(function() return memory() < 72 * MIB end, 60)
  end)
end)
