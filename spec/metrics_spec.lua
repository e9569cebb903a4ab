local mw = require "moonwire"

-- All tests share the registry of the process, so each uses names of its own.
describe("mw.metrics", function()
  local function raises(pattern, f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.is_truthy(err:find(pattern, 1, true), err)
  end

  it("counts", function()
    local jobs = mw.metrics.counter { name = "spec_jobs_total", help = "Jobs done." }
    jobs:inc()
    jobs:inc(2)
    jobs:inc(0.5)
    assert.equal(3.5, jobs:value())
  end)

  it("counts by labels", function()
    local calls = mw.metrics.counter { name = "spec_calls_total", labels = { "method", "code" } }
    calls:inc({ method = "Get", code = 0 })
    calls:inc({ code = 0, method = "Get" }, 2)
    calls:inc { method = "Get", code = "NOT_FOUND" }
    assert.equal(3.0, calls:value { method = "Get", code = 0 })
    assert.equal(1.0, calls:value { method = "Get", code = "NOT_FOUND" })
    assert.equal(0.0, calls:value { method = "Get", code = true })
  end)

  it("sets and adds to gauges", function()
    local depth = mw.metrics.gauge { name = "spec_depth", labels = { "queue" } }
    depth:set({ queue = "a" }, 7)
    depth:add({ queue = "a" }, -2.5)
    assert.equal(4.5, depth:value { queue = "a" })
    local plain = mw.metrics.gauge { name = "spec_plain" }
    plain:add(-1)
    assert.equal(-1.0, plain:value())
  end)

  it("observes into histograms", function()
    local seconds = mw.metrics.histogram { name = "spec_seconds", labels = { "step" }, buckets = { 0.1, 1 } }
    seconds:observe({ step = "x" }, 0.1)
    seconds:observe({ step = "x" }, 3)
    local sum, count = seconds:value { step = "x" }
    assert.equal(3.1, sum)
    assert.equal(2, count)
    local text = mw.metrics.text()
    assert.is_truthy(text:find('spec_seconds_bucket{step="x",le="0.1"} 1\n', 1, true))
    assert.is_truthy(text:find('spec_seconds_bucket{step="x",le="+Inf"} 2\n', 1, true))
  end)

  it("gives the same metric for the same definition", function()
    local function define() return mw.metrics.counter { name = "spec_same_total", labels = { "a" } } end
    define():inc { a = 1 }
    define():inc { a = 1 }
    assert.equal(2.0, define():value { a = 1 })
  end)

  it("sums a metric over its series", function()
    local parts = mw.metrics.counter { name = "spec_parts_total", labels = { "a" } }
    assert.equal(0.0, mw.metrics.total "spec_parts_total")
    parts:inc { a = 1 }
    parts:inc({ a = 2 }, 2)
    assert.equal(3.0, mw.metrics.total "spec_parts_total")
    assert.is_nil(mw.metrics.total "spec_no_such_metric")
  end)

  it("names the labels when they are wrong", function()
    local c = mw.metrics.counter { name = "spec_labels_total", labels = { "method", "code" } }
    raises("metric spec_labels_total: expected a table of labels first; its labels are method, code", c.inc, c)
    raises("metric spec_labels_total: the label code is missing; its labels are method, code", c.inc, c,
      { method = "x" })
    raises("metric spec_labels_total: it has no label kind; its labels are method, code", c.inc, c,
      { method = "x", code = 1, kind = 2 })
    raises("metric spec_labels_total: the label code is a table, expected a string; its labels are method, code",
      c.inc, c, { method = "x", code = {} })
    raises("metric spec_labels_total: the label code contains a zero byte; its labels are method, code", c.inc, c,
      { method = "x", code = "\0" })
  end)

  it("raises for amounts that cannot be", function()
    local c = mw.metrics.counter { name = "spec_amounts_total" }
    raises("a counter never decreases: use a gauge", c.inc, c, -1)
    raises("expected a number, got NaN", c.inc, c, 0 / 0)
    raises("number expected, got string", c.inc, c, "many")
    local h = mw.metrics.histogram { name = "spec_amounts" }
    raises("number expected, got nil", h.observe, h)
    raises("moonwire.Histogram expected", h.observe, c, 1)
  end)

  it("raises for definitions that cannot be", function()
    raises("name: expected a string, got nil", mw.metrics.counter, {})
    raises("help: expected a string, got number", mw.metrics.counter, { name = "spec_x", help = 1 })
    raises("labels: expected a list, got string", mw.metrics.counter, { name = "spec_x", labels = "a" })
    raises("labels: expected a list of strings, got number", mw.metrics.counter, { name = "spec_x", labels = { 1 } })
    raises("buckets: expected a list of numbers, got string", mw.metrics.histogram,
      { name = "spec_x", buckets = { "1" } })
    raises("mw.metrics.histogram: unknown option bucket (expected name, help, labels, buckets)", mw.metrics.histogram,
      { name = "spec_x", bucket = {} })
    raises("mw.metrics.gauge: unknown option buckets (expected name, help, labels)", mw.metrics.gauge,
      { name = "spec_x", buckets = { 1 } })
    raises('"9" cannot name a metric', mw.metrics.gauge, { name = "9" })
    mw.metrics.gauge { name = "spec_kind" }
    raises("metric spec_kind is a gauge already, so it cannot be a counter", mw.metrics.counter, { name = "spec_kind" })
  end)

  it("refuses more than 10,000 series with a status", function()
    local c = mw.metrics.counter { name = "spec_many_total", labels = { "id" } }
    for i = 1, 10000 do c:inc { id = i } end
    local ok, status = c:inc { id = "more" }
    assert.is_nil(ok)
    assert.equal("RESOURCE_EXHAUSTED", status.code)
  end)
end)
