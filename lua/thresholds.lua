-- When to raise an alert. Every report that comes in is held against each rule below.
--
-- Change a number, add a line, save: it counts from the next report on, for everybody already connected too.
--
--   metric    what is looked at: cpu_usage (in percent) or memory_mb
--   above     the alert goes out when the figure is larger than this
--   alert     the alert's type
--   message   what it says; {value} is the figure, {above} the limit

return {
  { metric = "cpu_usage", above = 90.0, alert = "CPU_HIGH",
    message = "CPU at {value} %, the limit is {above} %" },
  { metric = "memory_mb", above = 4096.0, alert = "MEMORY_HIGH",
    message = "Memory at {value} MB, the limit is {above} MB" },
}
