---@meta moonwire.test
-- Annotations of the module `moonwire.test`, for specs under `moonwire test`; docs/testing.md has examples.

local test = {}

-- ---- the folder's handlers, without a network ----

---Returns a stub of one of the folder's services over an in-process channel, like `mw.client(...):service(name)`.
---@param name string "package.Service"
---@return table<string, function>
function test.service(name) end

---Returns a client over an in-process channel of its own, like `mw.client(...)`.
---@return moonwire.Client
function test.client() end

---Drops the connection of all in-process calls: clients get UNAVAILABLE, handlers lose their client.
function test.disconnect() end

---Runs all work that needs no time to pass: in-process calls, the store, files.
function test.settle() end

---Returns a module of the folder: the same instance that the handlers use in this test.
---@param name string
---@return any
function test.require(name) end

---@class moonwire.test.Call
---@field method string "package.Service/Method"
---@field at string "FILE:LINE" at which its handler waits
---@field received integer messages
---@field sent integer messages
---@field unsent integer messages that the client has not received
---@field cancelled boolean

---Returns the live calls, in order of arrival.
---@return moonwire.test.Call[]
function test.calls() end

---Returns the lines logged since this test began.
---@return string[]
function test.logs() end

-- ---- time ----

---@class moonwire.test.Clock
local Clock = {}

---Stops the clock of scripts and of this spec, at `time` or now, until the variable is closed or the test ends.
---@param time? moonwire.Time
---@return moonwire.test.Clock
function test.clock(time) end

---Advances the clock and fires the timers that become due, in order.
---@param seconds number
function Clock:advance(seconds) end

---Advances the clock to the next timer and fires it.
---@param limit? number latest time, by mw.time.monotonic()
---@return boolean fired
function Clock:step(limit) end

---Runs `f`. While it waits, advances the clock from one timer to the next.
---@generic T
---@param f fun(): T...
---@param seconds? number greatest advance, 3600 by default; raises after it
---@return T...
function Clock:run(f, seconds) end

function Clock:close() end

---Returns seconds of the machine's monotonic clock, which never stops.
---@return number
function test.now() end

---Waits by the machine's clock.
---@param seconds number
function test.pause(seconds) end

---Waits until `condition` returns a true value, and returns it. Raises after `seconds` of the machine's clock.
---@generic T
---@param condition fun(): T
---@param seconds? number 30 by default
---@return T
function test.eventually(condition, seconds) end

-- ---- processes ----

---@class moonwire.test.Process
---@field stderr string standard error so far
---@field pid integer
local Process = {}

---Starts `moonwire serve` on a free port and waits until it listens.
---@param options? {dir?: string, data?: string, args?: string[], env?: table<string, string>, cwd?: string}
---@return moonwire.test.Process
---@return string address
function test.serve(options) end

---Starts `moonwire ARGS...`, or another program if the first argument has a slash.
---@param args string[]
---@param options? {env?: table<string, string>, cwd?: string}
---@return moonwire.test.Process
function test.start(args, options) end

---@param seconds? number 30 by default
---@return string? line nil at the end of its output or after `seconds`
function Process:read_line(seconds) end

---@param text string
function Process:write(text) end

function Process:close_input() end

---@param signal? integer SIGTERM by default
function Process:kill(signal) end

---@param seconds? number 30 by default
---@return integer? code nil if it still runs after `seconds`
---@return integer? signal
function Process:wait(seconds) end

function Process:close() end

return test
