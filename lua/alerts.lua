-- The rules of thresholds.lua as one function, made again with each save of them. It returns the alerts that a report
-- raises, or nil. Wrong rules are refused when they are saved: the previous ones stay in force.
local rules <const> = require "thresholds"

for number, rule in ipairs(rules) do
  local function check(condition, words)
    if not condition then error(("lua/thresholds.lua: rule %d: %s"):format(number, words), 0) end
  end
  check(rule.metric == "cpu_usage" or rule.metric == "memory_mb", "metric must be cpu_usage or memory_mb")
  check(math.type(rule.above), "above must be a number")
  check(type(rule.alert) == "string" and type(rule.message) == "string", "alert and message must be texts in quotes")
end

-- The lowest limit of each metric: a report below both raises nothing.
local lowest <const> = { cpu_usage = math.huge, memory_mb = math.huge }
for _, rule in ipairs(rules) do lowest[rule.metric] = math.min(lowest[rule.metric], rule.above) end
local lowest_cpu <const>, lowest_memory <const> = lowest.cpu_usage, lowest.memory_mb

local function alert(rule, value, time)
  local figures = { value = ("%.1f"):format(value), above = ("%.1f"):format(rule.above) }
  return {
    alert_type = rule.alert,
    message = rule.message:gsub("{(%w+)}", figures),
    value = value,
    timestamp_ms = time,
  }
end

---@param cpu number
---@param memory number
---@param time integer milliseconds since 1970
---@return telemetry.AlertResponse[]?
return function(cpu, memory, time)
  if cpu <= lowest_cpu and memory <= lowest_memory then return nil end
  local raised = {}
  for _, rule in ipairs(rules) do
    local value = rule.metric == "cpu_usage" and cpu or memory
    if value > rule.above then raised[#raised + 1] = alert(rule, value, time) end
  end
  return raised
end
