local mw = require "moonwire"

describe("mw.time", function()
  it("tells the time in seconds, milliseconds and nanoseconds", function()
    local before = os.time()
    local s, ms, ns = mw.time.now(), mw.time.now_ms(), mw.time.now_ns()
    assert.equal("float", math.type(s))
    assert.equal("integer", math.type(ms))
    assert.equal("integer", math.type(ns))
    assert.is_true(s >= before and s < before + 60)
    assert.is_true(ms >= before * 1000 and ms < (before + 60) * 1000)
    assert.is_true(ns >= before * 1000000000 and ns < (before + 60) * 1000000000)
  end)

  it("has a clock that never goes back", function()
    local first = mw.time.monotonic()
    mw.sleep(0.002)
    assert.is_true(mw.time.monotonic() - first >= 0.002)
  end)

  it("makes Timestamps of seconds, text and Timestamps", function()
    local t = mw.time.timestamp(1.5)
    assert.equal("google.protobuf.Timestamp", mw.type(t))
    assert.equal(1, t.seconds)
    assert.equal(500000000, t.nanos)
    t = mw.time.timestamp "1970-01-01T01:00:01.000000001+01:00"
    assert.equal(1, t.seconds)
    assert.equal(1, t.nanos)
    t = mw.time.timestamp { seconds = 7, nanos = 8 }
    assert.equal(7, t.seconds)
    assert.equal(8, t.nanos)
    t = mw.time.timestamp(-0.25)
    assert.equal(-1, t.seconds)
    assert.equal(750000000, t.nanos)
  end)

  it("makes a Timestamp of now, to the nanosecond", function()
    local before = mw.time.now_ns()
    local t = mw.time.timestamp()
    local ns = t.seconds * 1000000000 + t.nanos
    assert.is_true(ns >= before and ns <= mw.time.now_ns())
  end)

  it("turns each form into seconds and text", function()
    for _, t in ipairs { 1.5, "1970-01-01T00:00:01.5Z", { seconds = 1, nanos = 500000000 } } do
      assert.equal(1.5, mw.time.seconds(t))
      assert.equal("1970-01-01T00:00:01.500Z", mw.time.format(t))
    end
    assert.equal("1970-01-01T00:00:00Z", mw.time.format(0))
  end)

  it("parses what it formats", function()
    local t = mw.time.timestamp()
    local parsed = assert(mw.time.parse(mw.time.format(t)))
    assert.equal(t.seconds, parsed.seconds)
    assert.equal(t.nanos, parsed.nanos)
  end)

  it("refuses other text with a status", function()
    local t, status = mw.time.parse "yesterday"
    assert.is_nil(t)
    assert.equal("INVALID_ARGUMENT", status.code)
    assert.equal('"yesterday" is not a time in RFC 3339, such as "2026-11-21T10:33:54.123Z"', status.message)
  end)

  it("raises for what is no time", function()
    local ok, err = pcall(mw.time.format, {})
    assert.is_true(ok, err) -- the default time: 1970
    ok, err = pcall(mw.time.format, true)
    assert.is_false(ok)
    assert.matches("expected google.protobuf.Timestamp", err)
    ok, err = pcall(mw.time.seconds)
    assert.is_false(ok)
    assert.matches("expected seconds, RFC 3339 text or a Timestamp", err)
  end)
end)
