-- Rules that raise alerts. Every incoming report is compared with each rule below.
--
-- Change a number or add a rule, and save: it applies from the next report on, on open streams too.
--
--   metric    the figure to compare: cpu_usage (in percent) or memory_mb
--   above     the limit: a greater figure raises the alert
--   alert     the alert's type
--   message   the alert's text; {value} is the figure, {above} the limit

return {
  { metric = "cpu_usage", above = 90.0, alert = "CPU_HIGH",
    message = "CPU at {value} %, the limit is {above} %" },
  { metric = "memory_mb", above = 4096.0, alert = "MEMORY_HIGH",
    message = "Memory at {value} MB, the limit is {above} MB" },
}
