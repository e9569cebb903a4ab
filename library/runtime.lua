---@meta moonwire
-- Annotations of log, metrics, time, files, topics and host figures for LuaLS; docs/ has a page on each.

-- ---- log ----

---@class moonwire.log
local log = {}

---@param message any
---@param fields? table<string, any> | any any other value, and what follows, is part of the message
---@param ... any
function log.debug(message, fields, ...) end

---@param message any
---@param fields? table<string, any> | any any other value, and what follows, is part of the message
---@param ... any
function log.info(message, fields, ...) end

---@param message any
---@param fields? table<string, any> | any any other value, and what follows, is part of the message
---@param ... any
function log.warn(message, fields, ...) end

---@param message any
---@param fields? table<string, any> | any any other value, and what follows, is part of the message
---@param ... any
function log.error(message, fields, ...) end

-- ---- metrics ----

---@alias moonwire.Labels table<string, string|number|boolean>

---@class moonwire.Counter
local Counter = {}

---Adds `by`, 1 by default. A metric without labels takes no table: `counter:inc(by)`.
---@param labels? moonwire.Labels
---@param by? number not negative
---@overload fun(self: moonwire.Counter, by?: number): nil, moonwire.Status?
---@return nil
---@return moonwire.Status? status RESOURCE_EXHAUSTED: too many combinations of labels
function Counter:inc(labels, by) end

---@param labels? moonwire.Labels
---@return number
function Counter:value(labels) end

---@class moonwire.Gauge
local Gauge = {}

---@param labels moonwire.Labels
---@param value number
---@overload fun(self: moonwire.Gauge, value: number): nil, moonwire.Status?
---@return nil
---@return moonwire.Status? status
function Gauge:set(labels, value) end

---@param labels moonwire.Labels
---@param by number
---@overload fun(self: moonwire.Gauge, by: number): nil, moonwire.Status?
---@return nil
---@return moonwire.Status? status
function Gauge:add(labels, by) end

---@param labels? moonwire.Labels
---@return number
function Gauge:value(labels) end

---@class moonwire.Histogram
local Histogram = {}

---@param labels moonwire.Labels
---@param value number
---@overload fun(self: moonwire.Histogram, value: number): nil, moonwire.Status?
---@return nil
---@return moonwire.Status? status
function Histogram:observe(labels, value) end

---@param labels? moonwire.Labels
---@return number sum
---@return integer count
function Histogram:value(labels) end

---@class moonwire.MetricDefinition
---@field name string
---@field help? string
---@field labels? string[]

---@class moonwire.HistogramDefinition : moonwire.MetricDefinition
---@field buckets? number[] ascending upper bounds

---@class moonwire.metrics
local metrics = {}

---@param definition moonwire.MetricDefinition
---@return moonwire.Counter
function metrics.counter(definition) end

---@param definition moonwire.MetricDefinition
---@return moonwire.Gauge
function metrics.gauge(definition) end

---@param definition moonwire.HistogramDefinition
---@return moonwire.Histogram
function metrics.histogram(definition) end

---Returns the sum over all label values; nil if there is no such metric.
---@param name string
---@return number? total
---@return integer? count for a histogram
function metrics.total(name) end

---Returns all metrics in the Prometheus text format.
---@return string
function metrics.text() end

-- ---- time ----

---@alias moonwire.Time number|string|{ seconds: integer, nanos?: integer }

---@class moonwire.time
local time = {}

---@return number seconds since 1970
function time.now() end

---@return integer milliseconds since 1970
function time.now_ms() end

---@return integer nanoseconds since 1970
function time.now_ns() end

---@return number seconds of a monotonic clock
function time.monotonic() end

---@param t? moonwire.Time now by default
---@return moonwire.Timestamp
function time.timestamp(t) end

---@param t moonwire.Time
---@return number seconds since 1970
function time.seconds(t) end

---Formats a time as RFC 3339, in UTC.
---@param t moonwire.Time
---@return string
function time.format(t) end

---@param text string RFC 3339
---@return moonwire.Timestamp?
---@return moonwire.Status? status INVALID_ARGUMENT
function time.parse(text) end

-- ---- files ----

---@class moonwire.File
local File = {}

---Reads at most `n` bytes; nil at the end of the file.
---@param n? integer 65536 by default
---@return string?
---@return moonwire.Status?
function File:read(n) end

---@param bytes string
---@return boolean?
---@return moonwire.Status?
function File:write(bytes) end

---Waits until all written bytes are on disk.
---@return boolean?
---@return moonwire.Status?
function File:sync() end

---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer? position
---@return moonwire.Status?
function File:seek(whence, offset) end

---@return boolean?
---@return moonwire.Status?
function File:close() end

---Renames a temporary file to its final name, in its folder, and closes it.
---@param name string
---@param options? { replace?: boolean } true by default
---@return boolean?
---@return moonwire.Status? status ALREADY_EXISTS with `replace = false`
function File:commit(name, options) end

---@class moonwire.FileInfo
---@field type "file"|"folder"|"other"
---@field size integer bytes
---@field modified number seconds since 1970

---@class moonwire.FolderEntry : moonwire.FileInfo
---@field name string

---Relative paths start at `files` in the data folder; absolute ones must be in a folder of the setting `files.folders`.
---Other paths, and links to other places, fail with PERMISSION_DENIED; paths with `..` fail with INVALID_ARGUMENT.
---@class moonwire.fs
local fs = {}

---@param path string
---@param limit? integer greatest size in bytes, 64 MiB by default; limits.memory_bytes bounds it too
---@return string?
---@return moonwire.Status?
function fs.read(path, limit) end

---Writes a file, all or nothing.
---@param path string
---@param bytes string
---@return boolean?
---@return moonwire.Status?
function fs.write(path, bytes) end

---@param path string
---@param mode? string as in C; "r" by default, "x" for a file that must be new
---@return moonwire.File?
---@return moonwire.Status?
function fs.open(path, mode) end

---Creates a file with a temporary name in the folder; see File:commit.
---@param folder? string
---@return moonwire.File?
---@return moonwire.Status?
function fs.temp(folder) end

---@param from string
---@param to string replaced if it exists
---@return boolean?
---@return moonwire.Status?
function fs.rename(from, to) end

---@param path string a file, or an empty folder
---@return boolean?
---@return moonwire.Status?
function fs.remove(path) end

---Makes a folder and its missing parents.
---@param path string
---@return boolean?
---@return moonwire.Status?
function fs.mkdir(path) end

---@param path string
---@return moonwire.FileInfo?
---@return moonwire.Status?
function fs.stat(path) end

---@param path string
---@return boolean?
---@return moonwire.Status?
function fs.exists(path) end

---@param folder? string
---@return moonwire.FolderEntry[]? sorted by name
---@return moonwire.Status?
function fs.list(folder) end

-- ---- topics ----

---@class moonwire.Topic
local Topic = {}

---Sends a copy of the value to every subscription. A value of more than 16 MiB fails with RESOURCE_EXHAUSTED.
---@param value any a message, string, number, boolean or table of these
---@return integer? reached number of subscriptions that received it
---@return moonwire.Status?
function Topic:publish(value) end

---@param options? { capacity?: integer, packed?: boolean } values in its queue, 64 by default; packed messages
---@return moonwire.Subscription
function Topic:subscribe(options) end

---An iterator: `for value, dropped in subscription do`. `subscription()` is subscription:receive().
---@class moonwire.Subscription
---@overload fun(): any?, integer
local Subscription = {}

---Waits for the next value. Returns nil once the subscription is closed, and nil and DEADLINE_EXCEEDED after `timeout`.
---@param timeout? number seconds
---@return any? value
---@return integer|moonwire.Status|nil dropped number of values dropped before this one
function Subscription:receive(timeout) end

---Returns the subscription itself: an iterator over values, each with the number dropped before it, until it is closed.
---@return moonwire.Subscription
function Subscription:messages() end

---Closes the subscription to new values. Values in its queue can still be received.
function Subscription:close() end

-- ---- host ----

---@class moonwire.host
---@field name string
---@field cpus integer
local host = {}

---Returns the load of all processors since the last sample, in percent.
---@return number?
---@return moonwire.Status?
function host.cpu_usage() end

---Returns the machine's memory, in bytes.
---@return { total: integer, used: integer, available: integer }?
---@return moonwire.Status?
function host.memory() end

---Returns figures of this process; memory in bytes.
---@return { pid: integer, memory: integer, cpu_seconds: number }?
---@return moonwire.Status?
function host.process() end

---Returns the number of calls that the process has finished.
---@return integer
function host.requests() end
