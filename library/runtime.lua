---@meta moonwire
-- Log, metrics, time, files, topics and host figures, for LuaLS; docs/ has a page on each.

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

---Adds `by`, 1 unless given. A metric without labels takes no table: `counter:inc(by)`.
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

---The sum over all label values; nil when there is no such metric.
---@param name string
---@return number? total
---@return integer? count of a histogram
function metrics.total(name) end

---Everything in the Prometheus text format.
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

---@return number seconds of a clock that never goes back
function time.monotonic() end

---@param t? moonwire.Time now unless given
---@return moonwire.Timestamp
function time.timestamp(t) end

---@param t moonwire.Time
---@return number seconds since 1970
function time.seconds(t) end

---RFC 3339, in UTC.
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

---The next bytes; nil at the end.
---@param n? integer 65536 unless given
---@return string?
---@return moonwire.Status?
function File:read(n) end

---@param bytes string
---@return boolean?
---@return moonwire.Status?
function File:write(bytes) end

---Waits until all that was written is on the disk.
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

---Gives a temporary file its final name, in its folder, and closes it.
---@param name string
---@param options? { replace?: boolean } true unless given
---@return boolean?
---@return moonwire.Status? status ALREADY_EXISTS with `replace = false`
function File:commit(name, options) end

---@class moonwire.FileInfo
---@field type "file"|"folder"|"other"
---@field size integer bytes
---@field modified number seconds since 1970

---@class moonwire.FolderEntry : moonwire.FileInfo
---@field name string

---Relative paths start from `files` in the data folder; absolute ones lead to folders of the setting `files.folders`. All
---others, and links that lead elsewhere, are PERMISSION_DENIED; `..` in a path is INVALID_ARGUMENT.
---@class moonwire.fs
local fs = {}

---@param path string
---@param limit? integer most bytes to read, 64 MiB unless given; never more than limits.memory_bytes
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
---@param mode? string as in C; "r" unless given, "x" for a file that must be new
---@return moonwire.File?
---@return moonwire.Status?
function fs.open(path, mode) end

---A file with a temporary name in the folder; see File:commit.
---@param folder? string
---@return moonwire.File?
---@return moonwire.Status?
function fs.temp(folder) end

---@param from string
---@param to string replaced when it is there
---@return boolean?
---@return moonwire.Status?
function fs.rename(from, to) end

---@param path string a file, or an empty folder
---@return boolean?
---@return moonwire.Status?
function fs.remove(path) end

---Makes a folder, and those above it.
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

---Hands a copy of the value to every subscription. Nil and a RESOURCE_EXHAUSTED status for a value of more than 16 MiB.
---@param value any a message, string, number, boolean or table of these
---@return integer? reached how many subscriptions got it
---@return moonwire.Status?
function Topic:publish(value) end

---@param options? { capacity?: integer } 64 unless given
---@return moonwire.Subscription
function Topic:subscribe(options) end

---An iterator: `for value, dropped in subscription do`, or `subscription()`, which is subscription:receive().
---@class moonwire.Subscription
---@overload fun(): any?, integer
local Subscription = {}

---The next value; nil once it is closed.
---@param timeout? number seconds
---@return any? value
---@return integer|moonwire.Status|nil dropped how many were dropped before it; DEADLINE_EXCEEDED when nothing came in time
function Subscription:receive(timeout) end

---Itself: iterates over values, each with how many were dropped before it, until it is closed.
---@return moonwire.Subscription
function Subscription:messages() end

---Takes no more; what is in the queue can still be received.
function Subscription:close() end

-- ---- host ----

---@class moonwire.host
---@field name string
---@field cpus integer
local host = {}

---Percent of all processors that were busy since the last sample.
---@return number?
---@return moonwire.Status?
function host.cpu_usage() end

---Of the machine, in bytes.
---@return { total: integer, used: integer, available: integer }?
---@return moonwire.Status?
function host.memory() end

---Of this process; memory in bytes.
---@return { pid: integer, memory: integer, cpu_seconds: number }?
---@return moonwire.Status?
function host.process() end

---How many calls the process has served to their end.
---@return integer
function host.requests() end
