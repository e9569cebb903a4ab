-- Services send reports to LiveFeed and receive an alert for each report that breaks a rule of thresholds.lua. Other
-- clients read the latest reports, or this host's own figures.
local mw = require "moonwire"

local SHORTEST_INTERVAL <const> = 500 -- milliseconds

-- The latest report of each service. It is in the store, because the next request may arrive on another worker.
local reports = mw.store.collection {
  name = "telemetry.reports", message = "telemetry.MetricsResponse", key = "service_name",
}
local thresholds = mw.live "thresholds" -- always the newest saved rules, for open streams too
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

local function snapshot(service_name)
  return service_name ~= "" and reports:get(service_name) or host_figures(service_name)
end

local function count(report, earlier)
  return {
    service_name = report.service_name,
    cpu_usage = report.cpu_usage,
    memory_mb = report.memory_mb,
    request_count = earlier + 1,
    timestamp_ms = report.timestamp_ms,
  }
end

-- Stores `report` as the latest of its service, and counts it. Several feeds may report on one service: hence update().
local function keep(report)
  if report.service_name == "" then return end
  local kept, status
  repeat
    kept, status = reports:update(report.service_name, function(last) return count(report, last.request_count) end)
    if not kept and status.code == "NOT_FOUND" then kept, status = reports:insert(count(report, 0)) end
  until kept or status.code ~= "ALREADY_EXISTS"
  if not kept then
    mw.log.warn("a report was not kept", { service_name = report.service_name, status = status })
  end
end

-- Returns the alert that a rule raises for a report, or nil.
local function alert(rule, report)
  local value = report[rule.metric]
  if value <= rule.above then return end
  local figures = { value = ("%.1f"):format(value), above = ("%.1f"):format(rule.above) }
  return {
    alert_type = rule.alert,
    message = rule.message:gsub("{(%w+)}", figures),
    value = value,
    timestamp_ms = report.timestamp_ms,
  }
end

---@param req telemetry.MetricsRequest
---@return telemetry.MetricsResponse
function TelemetryService.GetSnapshot(req)
  return snapshot(req.service_name)
end

---@param req telemetry.MetricsRequest
---@param call moonwire.Call
function TelemetryService.Subscribe(req, call)
  local interval <const> = math.max(req.interval_ms, SHORTEST_INTERVAL) / 1000
  while call:send(snapshot(req.service_name)) do
    mw.sleep(interval) -- ends the call when the client goes
  end
end

---@param call moonwire.Call
function TelemetryService.LiveFeed(call)
  for report in call:messages() do
    if report.timestamp_ms == 0 then report.timestamp_ms = mw.time.now_ms() end
    local listening = true
    for _, rule in ipairs(thresholds) do
      local raised = listening and alert(rule, report)
      if raised then listening = call:send(raised) end
    end
    keep(report) -- last, so that an alert does not wait for the disk
    if not listening then return end
  end
end

-- Checks the rules when they are saved. If one is invalid, the previous rules stay in force.
for number, rule in ipairs(require "thresholds") do
  local function check(condition, words)
    if not condition then error(("lua/thresholds.lua: rule %d: %s"):format(number, words), 0) end
  end
  check(rule.metric == "cpu_usage" or rule.metric == "memory_mb", "metric must be cpu_usage or memory_mb")
  check(math.type(rule.above), "above must be a number")
  check(type(rule.alert) == "string" and type(rule.message) == "string", "alert and message must be texts in quotes")
end
