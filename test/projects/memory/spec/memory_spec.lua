-- The memory that scripts and clients make a worker hold beside Lua's: it is bounded, counted, and given back.
local mw = require "moonwire"
local test = require "moonwire.test"

local MIB <const> = 1 << 20
local LIMIT <const> = 64 * MIB -- of the server's `limits.memory_bytes`

describe("a worker's memory", function()
  local server, client

  setup(function()
    local address
    server, address = test.serve()
    client = mw.client(address):service "memory.Memory"
  end)

  teardown(function()
    server:kill()
    assert.equal(0, (server:wait()), server.stderr)
  end)

  -- The server's resident memory in bytes, and the most of it so far.
  local function memory()
    local file <close> = assert(io.open(("/proc/%d/status"):format(server.pid)))
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
      assert.matches("value[2]: a function has no form in JSON", assert(act "fail_to_encode").text, 1, true)
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
end)
