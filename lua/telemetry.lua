-- Services send reports to LiveFeed and receive an alert for each report that breaks a rule of thresholds.lua. Other
-- clients read the latest reports, or this host's own figures.
local mw = require "moonwire"

local SHORTEST_INTERVAL <const> = 500 -- milliseconds
local SAMPLE_INTERVAL <const> = 100 -- milliseconds, for which subscribers share a sample of this host
local WRITE_INTERVAL <const> = 0.1 -- seconds, between two writes of a service's newest report
local MOST_UNSTORED <const> = 1000 -- services; with more, a stream waits for the write of its report

-- The latest report of each service. It is in the store, because the next request may arrive on another worker.
local reports = mw.store.collection {
  name = "telemetry.reports", message = "telemetry.MetricsResponse", key = "service_name",
}
local alerts = mw.live "alerts" -- always the newest saved rules, for open streams too
local TelemetryService = mw.service "telemetry.TelemetryService"

local function host_figures(service_name)
  return {
    service_name = service_name,
    cpu_usage = mw.host.cpu_usage(),
    memory_mb = mw.host.memory().used / (1 << 20),
    request_count = mw.host.requests(),
    timestamp_ms = mw.time.now_ms(),
  }
end

-- The same, packed, by the name that was asked for: one sample for all subscribers.
local sampled_at, samples = 0, {}

local function shared_figures(service_name)
  local now <const> = mw.time.now_ms()
  if math.abs(now - sampled_at) >= SAMPLE_INTERVAL then sampled_at, samples = now, {} end
  local figures = samples[service_name]
  if not figures then
    figures = mw.pack("telemetry.MetricsResponse", host_figures(service_name))
    samples[service_name] = figures
  end
  return figures
end

-- Reports that this worker has not stored yet, by service: the newest one, packed, with its `time`, the `count` since
-- the last write, whether a write `is_due`, and the number of `writes` under way. Streams do not wait for the disk.
local unstored, n_unstored = {}, 0

-- Returns a service's newest report, with the number of all.
local function merge(news, count)
  local report <const> = news.report
  return {
    service_name = report.service_name,
    cpu_usage = report.cpu_usage,
    memory_mb = report.memory_mb,
    request_count = count,
    timestamp_ms = news.time,
  }
end

-- Stores the newest report of a service, and counts all since the last write. Other workers may write it too: hence
-- update(). After a conflict its function runs again, with the report that is the newest then.
local function write(service)
  local news <const> = unstored[service]
  if not news or news.count == 0 then return end
  local count <const> = news.count
  news.count, news.writes = 0, news.writes + 1
  local stored, status
  repeat
    stored, status = reports:update(service, function(last) return merge(news, last.request_count + count) end)
    if not stored and status.code == "NOT_FOUND" then stored, status = reports:insert(merge(news, count)) end
  until stored or status.code ~= "ALREADY_EXISTS"
  news.writes = news.writes - 1
  if not stored then
    news.count = news.count + count
    mw.log.warn("reports are not stored yet", { service_name = service, reports = news.count, status = status })
  end
end

local function forget(service)
  local news <const> = unstored[service]
  if not news or news.is_due or news.count > 0 or news.writes > 0 then return end
  unstored[service] = nil
  n_unstored = n_unstored - 1
end

local function write_later(service, news)
  mw.sleep(WRITE_INTERVAL)
  news.is_due = false
  write(service)
  forget(service)
end

local function keep(service, report, time)
  if service == "" then return end
  local news = unstored[service]
  if not news then
    news = { count = 0, writes = 0 }
    unstored[service] = news
    n_unstored = n_unstored + 1
  end
  news.report, news.time, news.count = report, time, news.count + 1
  if news.is_due then return end
  if n_unstored > MOST_UNSTORED then
    write(service)
    forget(service)
  else
    news.is_due = true
    mw.spawn(function() write_later(service, news) end)
  end
end

-- Returns the latest report of a service, or what `host` returns for its name.
local function snapshot(service_name, host)
  local stored <const> = service_name ~= "" and reports:get(service_name)
  local news <const> = unstored[service_name]
  if news and news.count > 0 then return merge(news, (stored and stored.request_count or 0) + news.count) end
  return stored or host(service_name)
end

---@param req telemetry.MetricsRequest
---@return telemetry.MetricsResponse
function TelemetryService.GetSnapshot(req)
  return snapshot(req.service_name, host_figures)
end

---@param req telemetry.MetricsRequest
---@param call moonwire.Call
function TelemetryService.Subscribe(req, call)
  local interval <const> = math.max(req.interval_ms, SHORTEST_INTERVAL) / 1000
  while call:send(snapshot(req.service_name, shared_figures)) do
    mw.sleep(interval) -- ends the call when the client goes
  end
end

local written_at_the_end <const> = {
  __close = function(services)
    for service in pairs(services) do write(service) end
  end,
}

---@param call moonwire.Call
function TelemetryService.LiveFeed(call)
  local services <close> = setmetatable({}, written_at_the_end)
  for report in call:messages { packed = true } do
    local service <const>, time = report.service_name, report.timestamp_ms
    if time == 0 then time = mw.time.now_ms() end
    services[service] = true
    keep(service, report, time)
    local raised <const> = alerts(report.cpu_usage, report.memory_mb, time)
    if raised and not call:send_all(raised) then return end
  end
end
