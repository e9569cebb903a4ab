local mw = require "moonwire"
local project = require "support.project"
local test = require "moonwire.test"

local names = 0

-- Returns a topic that no other test uses.
local function fresh()
  names = names + 1
  return mw.topic("spec." .. names)
end

describe("mw.topic", function()
  it("hands every subscriber every value, in order", function()
    local topic = fresh()
    local one <close> = topic:subscribe()
    local two <close> = topic:subscribe()
    assert.equal(2, topic:publish "a")
    assert.equal(2, mw.topic("spec." .. names):publish "b")
    for _, s in ipairs { one, two } do
      assert.equal("a", s:receive())
      assert.equal("b", s:receive())
    end
  end)

  it("reaches nobody without subscribers", function()
    assert.equal(0, fresh():publish "a")
  end)

  it("carries values exactly", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    local deep = { 1 }
    for _ = 1, 60 do deep = { deep } end
    for _, value in ipairs {
      0, 1, -1, math.maxinteger, math.mininteger, 0.5, -0.0, 1.0, math.huge, -math.huge,
      "", "a\0b\xff", ("x"):rep(100000),
      true, false, {}, { 1, 2, 3 }, { a = { b = { "c", d = 1.5 } }, [1.5] = "float key", [true] = 0 }, deep,
    } do
      topic:publish(value)
      local got = s:receive()
      assert.same(value, got)
      assert.equal(math.type(value), math.type(got))
    end
    topic:publish(-0.0)
    assert.equal(-math.huge, 1 / s:receive())
    topic:publish(0 / 0)
    local nan = s:receive()
    assert.is_true(nan ~= nan)
  end)

  it("carries messages with their type", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    topic:publish { at = mw.time.timestamp(1.5), null = mw.null, list = mw.array {} }
    local got = s:receive()
    assert.equal("google.protobuf.Timestamp", mw.type(got.at))
    assert.equal(1, got.at.seconds)
    assert.equal(500000000, got.at.nanos)
    assert.equal(mw.null, got.null)
    assert.same({}, got.list)
  end)

  it("copies what it carries", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    local value = { 1 }
    topic:publish(value)
    value[1] = 2
    assert.same({ 1 }, s:receive())
  end)

  it("raises for what cannot be sent, with the path to it", function()
    local topic = fresh()
    local itself = {}
    itself.itself = itself
    for words, value in pairs {
      ["value: a function cannot be sent: expected a message, string, number, boolean or table of these"] = print,
      ["value.a[2].b: a thread cannot be sent"] = { a = { 1, { b = coroutine.create(print) } } },
      ["value[table]: a function cannot be sent"] = { [{ print }] = 1 },
      ["tables are nested too deep, or within themselves"] = itself,
    } do
      local ok, err = pcall(topic.publish, topic, value)
      assert.is_false(ok)
      assert.is_truthy(words:find("table]", 1, true) or err:find(words, 1, true), err)
    end
    local ok, err = pcall(topic.publish, topic, nil)
    assert.is_false(ok)
    assert.matches("nil cannot be sent", err)
  end)

  it("drops the oldest when a subscriber falls behind, and says how many", function()
    local topic = fresh()
    local s <close> = topic:subscribe { capacity = 2 }
    for i = 1, 5 do topic:publish(i) end
    assert.same({ 4, 3 }, { s:receive() })
    assert.same({ 5, 0 }, { s:receive() })
  end)

  it("waits for the next value", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    mw.spawn(function()
      mw.sleep(0.001)
      topic:publish "later"
    end)
    assert.equal("later", s:receive())
  end)

  it("waits no longer than it is told", function()
    local s <close> = fresh():subscribe()
    for _, timeout in ipairs { 0, 0.002 } do
      local value, status = s:receive(timeout)
      assert.is_nil(value)
      assert.equal("DEADLINE_EXCEEDED", status.code)
      assert.equal("no value was published in time", status.message)
    end
  end)

  it("iterates until it is closed, what is left included", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    topic:publish(1)
    topic:publish(2)
    s:close()
    s:close()
    assert.equal(0, topic:publish(3))
    local got = {}
    for value in s:messages() do got[#got + 1] = value end
    assert.same({ 1, 2 }, got)
    assert.is_nil((s:receive()))
  end)

  it("lets who waits go when it is closed", function()
    local s <close> = fresh():subscribe()
    mw.spawn(function() s:close() end)
    local value, status = s:receive()
    assert.is_nil(value)
    assert.is_nil(status)
    mw.spawn(function()
      mw.sleep(0.001)
      s:close()
    end)
    assert.is_nil((s:receive()))
  end)

  it("is closed by the end of its variable", function()
    local topic = fresh()
    do
      local s <close> = topic:subscribe()
      topic:publish "unread"
      assert.equal(1, topic:publish "unread")
      s:close()
    end
    do
      local s <close> = topic:subscribe()
      assert.equal(1, topic:publish "unread")
      assert.equal("unread", s:receive())
    end
    assert.equal(0, topic:publish "x")
  end)

  it("lets one fiber wait at a time", function()
    local topic = fresh()
    local s <close> = topic:subscribe()
    local got
    mw.spawn(function() got = s:receive() end)
    local ok, err = pcall(s.receive, s)
    assert.is_false(ok)
    assert.matches("another fiber waits on this subscription", err)
    topic:publish "x"
    mw.sleep(0.001)
    assert.equal("x", got)
  end)

  it("crosses workers", function()
    local folder <close> = project.new { ["lua/chat.lua"] = [[
      local mw = require "moonwire"
      local room = mw.topic "room"
      mw.spawn(function() -- on each worker
        local heard <close> = room:subscribe()
        for value in heard:messages() do mw.log.info("heard", { id = value.id, from = value.from.name }) end
      end)
      mw.every(0.01, function() room:publish { id = math.mininteger, from = { name = "worker 0" } } end)
    ]] }
    local server <close> = test.serve { dir = folder.dir, data = ":memory:", args = { "--workers", "2" } }
    local last = test.now() + 20
    local function heard(worker)
      local line = ('worker=%d msg="heard" from="worker 0" id=-9223372036854775808\n'):format(worker)
      return server.stderr:find(line, 1, true)
    end
    while not (heard(0) and heard(1)) and test.now() < last do mw.sleep(0.01) end
    assert.is_truthy(heard(0) and heard(1), server.stderr)
  end)

  it("checks its arguments", function()
    local function raises(pattern, f, ...)
      local ok, err = pcall(f, ...)
      assert.is_false(ok)
      assert.matches(pattern, err)
    end
    raises("expected a name of 1 to 256 bytes", mw.topic, "")
    raises("expected a name of 1 to 256 bytes", mw.topic, "a\0")
    local topic = fresh()
    raises("expected a capacity from 1 to 65536", topic.subscribe, topic, { capacity = 0 })
    local s <close> = topic:subscribe()
    raises("expected seconds from 0 to 1e9", s.receive, s, -1)
    assert.equal("topic spec." .. names, tostring(topic))
  end)
end)
