---@meta moonwire.test
-- The module that specs have under `moonwire test`, for LuaLS; docs/testing.md has examples.

local test = {}

-- ---- the folder's handlers, without a network ----

---A stub of one of the folder's services over an in-process channel: what `mw.client(...):service(name)` is.
---@param name string "package.Service"
---@return table<string, function>
function test.service(name) end

---A client over an in-process channel of its own: what `mw.client(...)` is.
---@return moonwire.Client
function test.client() end

---Loses the connection under all calls in process: clients see UNAVAILABLE, handlers a client that has vanished.
function test.disconnect() end

---Runs everything that needs no time to pass: calls in process, the store, files.
function test.settle() end

---A module of the folder, as the handlers have it in this test.
---@param name string
---@return any
function test.require(name) end

---@class moonwire.test.Call
---@field method string "package.Service/Method"
---@field at string "FILE:LINE" where its handler waits
---@field received integer messages
---@field sent integer messages
---@field unsent integer messages that the client has not taken
---@field cancelled boolean

---The calls that handlers have now, in the order they came.
---@return moonwire.test.Call[]
function test.calls() end

---The lines of the log since this test began.
---@return string[]
function test.logs() end

-- ---- time ----

---@class moonwire.test.Clock
local Clock = {}

---Stops the clock that scripts and this spec see, at `time` or at now, until the variable is closed or the test ends.
---@param time? moonwire.Time
---@return moonwire.test.Clock
function test.clock(time) end

---Moves on; what is due meanwhile happens, in order.
---@param seconds number
function Clock:advance(seconds) end

---Moves to the next timer and fires it.
---@param limit? number not beyond this time of mw.time.monotonic()
---@return boolean fired
function Clock:step(limit) end

---Runs `f` and lets time pass while it waits, from one timer to the next.
---@generic T
---@param f fun(): T...
---@param seconds? number 3600; an error after that
---@return T...
function Clock:run(f, seconds) end

function Clock:close() end

---Seconds of the machine's monotonic clock, which nothing stops.
---@return number
function test.now() end

---Waits by the machine's clock.
---@param seconds number
function test.pause(seconds) end

---Waits until `condition` returns something true, and returns that; an error after the time, by the machine's clock.
---@generic T
---@param condition fun(): T
---@param seconds? number 30
---@return T
function test.eventually(condition, seconds) end

-- ---- processes ----

---@class moonwire.test.Process
---@field stderr string what it has written there so far
---@field pid integer
local Process = {}

---Starts `moonwire serve` on a free port and waits until it listens.
---@param options? {dir?: string, data?: string, args?: string[], env?: table<string, string>, cwd?: string}
---@return moonwire.test.Process
---@return string address
function test.serve(options) end

---Starts `moonwire ARGS...`, or another program when the first argument has a slash.
---@param args string[]
---@param options? {env?: table<string, string>, cwd?: string}
---@return moonwire.test.Process
function test.start(args, options) end

---@param seconds? number 30
---@return string? line nil at the end of its output or after the time
function Process:read_line(seconds) end

---@param text string
function Process:write(text) end

function Process:close_input() end

---@param signal? integer SIGTERM
function Process:kill(signal) end

---@param seconds? number 30
---@return integer? code nil after the time
---@return integer? signal
function Process:wait(seconds) end

function Process:close() end

return test
