local mw = require "moonwire"
local servers = require "support.server"
local test = require "moonwire.test"

local SERVICE <const> = "telemetry.TelemetryService"

describe("telemetry.TelemetryService", function()
  local server, telemetry
  setup(function()
    server = servers.start { args = { "--workers", "2" } }
    telemetry = server:connect(SERVICE)
  end)
  teardown(function() server:stop() end)

  local function report(feed, name, cpu, memory)
    assert.is_true(feed:send { service_name = name, cpu_usage = cpu, memory_mb = memory, timestamp_ms = 1700000000123 })
  end

  describe("GetSnapshot", function()
    it("measures this host for a name that nobody reports for", function()
      local before = mw.time.now_ms()
      local first = assert(telemetry:GetSnapshot { service_name = "this host" })
      assert.are.equal("this host", first.service_name)
      assert.is_true(first.cpu_usage >= 0 and first.cpu_usage <= 100)
      local total_mb = mw.host.memory().total / (1 << 20)
      assert.is_true(first.memory_mb > 0 and first.memory_mb < total_mb)
      assert.is_true(first.timestamp_ms >= before and first.timestamp_ms <= mw.time.now_ms())
      local second = assert(telemetry:GetSnapshot { service_name = "this host" })
      assert.is_true(second.request_count > first.request_count)
    end)

    it("answers with the latest report of a service, on every connection", function()
      local feed <close> = telemetry:LiveFeed()
      for i = 1, 3 do report(feed, "web", i, 100 * i) end
      assert.is_true((feed:finish()))
      for _ = 1, 4 do
        local snapshot = assert(server:connect(SERVICE):GetSnapshot { service_name = "web" })
        assert.are.equal(3.0, snapshot.cpu_usage)
        assert.are.equal(300.0, snapshot.memory_mb)
        assert.are.equal(3, snapshot.request_count)
        assert.are.equal(1700000000123, snapshot.timestamp_ms)
      end
    end)
  end)

  describe("Subscribe", function()
    it("sends one at once, then one every interval, half a second at the least", function()
      local stream <close> = telemetry:Subscribe { service_name = "s", interval_ms = 1 }
      assert.is_truthy(stream:receive())
      local started = test.now()
      assert.is_truthy(stream:receive())
      local took = test.now() - started
      assert.is_true(took > 0.4, took)
    end)

    it("ends when the client goes", function()
      for _ = 1, 20 do
        local stream <close> = telemetry:Subscribe { interval_ms = 100000 }
        assert.is_truthy(stream:receive())
        stream:cancel()
      end
      assert(telemetry:GetSnapshot {})
    end)
  end)

  describe("LiveFeed", function()
    it("raises an alert at once for each rule that a report breaks", function()
      local feed <close> = telemetry:LiveFeed()
      report(feed, "db", 95.25, 100)
      local alert = feed:receive() -- this side has not half-closed yet
      assert.are.equal("CPU_HIGH", alert.alert_type)
      assert.are.equal("CPU at 95.2 %, the limit is 90.0 %", alert.message)
      assert.are.equal(95.25, alert.value)
      assert.are.equal(1700000000123, alert.timestamp_ms)
      report(feed, "db", 10, 5000)
      assert.are.equal("MEMORY_HIGH", feed:receive().alert_type)
      report(feed, "db", 99, 4096.5)
      assert.are.equal("CPU_HIGH", feed:receive().alert_type)
      alert = feed:receive()
      assert.are.equal("MEMORY_HIGH", alert.alert_type)
      assert.are.equal("Memory at 4096.5 MB, the limit is 4096.0 MB", alert.message)
      feed:close_send()
      assert.is_nil((feed:receive()))
    end)

    it("stores the newest report within a fraction of a second, while the stream is open", function()
      local feed <close> = telemetry:LiveFeed()
      for i = 1, 100 do report(feed, "open", i % 90, i) end
      local seen = {}
      test.eventually(function() -- connections reach both workers
        local found <const> = assert(server:connect(SERVICE):GetSnapshot { service_name = "open" })
        seen[found.request_count] = (seen[found.request_count] or 0) + 1
        return (seen[100] or 0) >= 8
      end)
    end)

    it("counts every report of streams that report on one service", function()
      local feeds = {}
      for i = 1, 8 do feeds[i] = server:connect(SERVICE):LiveFeed() end
      for _ = 1, 50 do
        for _, feed in ipairs(feeds) do report(feed, "shared", 1, 1) end
      end
      for _, feed in ipairs(feeds) do assert.is_true((feed:finish())) end
      assert.equal(400, telemetry:GetSnapshot({ service_name = "shared" }).request_count)
    end)

    it("keeps the reports of more services than it remembers", function()
      local feed <close> = telemetry:LiveFeed()
      for i = 1, 1100 do report(feed, "many-" .. i, 1, i) end
      assert.is_true((feed:finish()))
      for _, i in ipairs { 1, 1000, 1100 } do
        assert.equal(i, telemetry:GetSnapshot({ service_name = "many-" .. i }).memory_mb)
      end
    end)

    it("raises none at the limit or below", function()
      local feed <close> = telemetry:LiveFeed()
      report(feed, "quiet", 90.0, 4096.0)
      report(feed, "quiet", 0, 0)
      feed:close_send()
      local alert, status = feed:receive()
      assert.is_nil(alert)
      assert.is_nil(status)
    end)

    it("gives a report without a time the present one", function()
      local feed <close> = telemetry:LiveFeed()
      local before = mw.time.now_ms()
      assert.is_true(feed:send { service_name = "untimed", cpu_usage = 91 })
      assert.is_true(feed:receive().timestamp_ms >= before)
    end)
  end)
end)
