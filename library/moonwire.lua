---@meta moonwire
-- Annotations of the module `moonwire` for LuaLS: completion, types and the descriptions that an editor shows.

---@class moonwire
---@field null lightuserdata JSON's null, for google.protobuf.Value and mw.json
---@field status moonwire.StatusModule
---@field store moonwire.store
---@field any moonwire.any
---@field u64 moonwire.u64
---@field base64 moonwire.base64
---@field fs moonwire.fs
---@field log moonwire.log
---@field metrics moonwire.metrics
---@field json moonwire.json
---@field time moonwire.time
---@field host moonwire.host
---@field env table<string, string?> the process's environment; read only
local mw = {}

---Returns the table of a service's handlers. Assign a function to each method while the script loads: unary
---`function(request, call) return reply end`, server streaming `function(request, call)`, client streaming
---`function(call) return reply end`, bidirectional `function(call)`. Methods without a function are UNIMPLEMENTED.
---@param full_name string such as "tasks.TaskService"
---@return table<string, function>
function mw.service(full_name) end

---Wraps handlers in a function, which returns `next()` to go on, or nil and a status. Call it while the script loads.
---The interceptor registered first is the outermost.
---@param name string a service, or "service/Method"; without it, every method, health and reflection included
---@param f fun(call: moonwire.Call, next: fun(): any, moonwire.Status?): any, moonwire.Status?
---@overload fun(f: fun(call: moonwire.Call, next: fun(): any, moonwire.Status?): any, moonwire.Status?)
function mw.intercept(name, f) end

---Waits; other calls run meanwhile.
---@param seconds number
function mw.sleep(seconds) end

---Runs a function concurrently with its caller: at once until it first waits, or when the program starts if spawned
---while it loads. Functions that it spawns before its own first wait run in a later turn of the loop.
---@param f fun()
function mw.spawn(f) end

---@class moonwire.JobOptions
---@field name? string 1 to 64 bytes, unique: for logs, `moonwire status`, and to match the job after a save

---Runs a function periodically, on one worker of the process. Call it while the script loads. A save keeps the due
---time, and a run in progress finishes.
---@param seconds number the period; the first run is one period later
---@param options moonwire.JobOptions
---@param f fun()
---@overload fun(seconds: number, f: fun())
function mw.every(seconds, options, f) end

---Returns a proxy for the module `name` that always reads its newest committed version.
---@param name string
---@return any
function mw.live(name) end

---Returns a table of this worker that survives reloads while its version stays the same. Call it while the script
---loads. The function makes the table: from nothing (both arguments are nil), or from a copy of an earlier version.
---@generic T: table
---@param name string
---@param version integer
---@param init_or_migrate fun(old: table?, old_version: integer?): T
---@return T
function mw.state(name, version, init_or_migrate) end

---Returns the topic of that name, which all workers share.
---@param name string
---@return moonwire.Topic
function mw.topic(name) end

---Returns a client for outbound calls. They inherit deadline, cancellation and trace context of the current call.
---@param target string|moonwire.ClientOptions "HOST:PORT", "unix:PATH", or any name that gRPC resolves
---@param options? moonwire.ClientOptions
---@return moonwire.Client
function mw.client(target, options) end

---Returns the full name of a message's type; nil for a value that is not a message.
---@param value any
---@return string?
function mw.type(value) end

---Returns a message made from the value: checked as for sending, with defaults filled in.
---@generic T
---@param type_name string
---@param value T
---@return T
function mw.message(type_name, value) end

---Returns the value, a table or a packed message, as a packed message.
---@param type_name string
---@param value table|moonwire.Packed
---@return moonwire.Packed
function mw.pack(type_name, value) end

---Returns a new table of an enum's numbers by name and names by number.
---@param type_name string such as "tasks.Priority"
---@return table<string|integer, integer|string>
function mw.enum(type_name) end

---Marks a table as a list and returns it, for Struct and JSON, where an empty table is ambiguous.
---@generic T
---@param list? T[]
---@return T[]
function mw.array(list) end

-- ---- statuses ----

---@alias moonwire.Code
---| "OK"
---| "CANCELLED"
---| "UNKNOWN"
---| "INVALID_ARGUMENT"
---| "DEADLINE_EXCEEDED"
---| "NOT_FOUND"
---| "ALREADY_EXISTS"
---| "PERMISSION_DENIED"
---| "RESOURCE_EXHAUSTED"
---| "FAILED_PRECONDITION"
---| "ABORTED"
---| "OUT_OF_RANGE"
---| "UNIMPLEMENTED"
---| "INTERNAL"
---| "UNAVAILABLE"
---| "DATA_LOSS"
---| "UNAUTHENTICATED"

---A gRPC status. A handler ends its call with it by `return nil, status`, or by `error(status)` at any depth. If the
---handler raises the status that a failed function returned, by assert or error, the call ends with INTERNAL.
---@class moonwire.Status
---@field code moonwire.Code
---@field message string
---@field details? google.protobuf.Any[]
local Status = {}

---Adds a detail, packed from a message or given as an Any. Returns the status.
---@param type_name string such as "google.rpc.BadRequest"
---@param message table
---@return moonwire.Status
---@overload fun(self: moonwire.Status, any: google.protobuf.Any): moonwire.Status
function Status:with_details(type_name, message) end

---Makes statuses: `mw.status.not_found("task %s not found", id)`, or `mw.status("NOT_FOUND", ...)`.
---@class moonwire.StatusModule
---@overload fun(code: moonwire.Code|integer, format?: string, ...: any): moonwire.Status
---@field cancelled fun(format?: string, ...: any): moonwire.Status
---@field unknown fun(format?: string, ...: any): moonwire.Status
---@field invalid_argument fun(format?: string, ...: any): moonwire.Status
---@field deadline_exceeded fun(format?: string, ...: any): moonwire.Status
---@field not_found fun(format?: string, ...: any): moonwire.Status
---@field already_exists fun(format?: string, ...: any): moonwire.Status
---@field permission_denied fun(format?: string, ...: any): moonwire.Status
---@field resource_exhausted fun(format?: string, ...: any): moonwire.Status
---@field failed_precondition fun(format?: string, ...: any): moonwire.Status
---@field aborted fun(format?: string, ...: any): moonwire.Status
---@field out_of_range fun(format?: string, ...: any): moonwire.Status
---@field unimplemented fun(format?: string, ...: any): moonwire.Status
---@field internal fun(format?: string, ...: any): moonwire.Status
---@field unavailable fun(format?: string, ...: any): moonwire.Status
---@field data_loss fun(format?: string, ...: any): moonwire.Status
---@field unauthenticated fun(format?: string, ...: any): moonwire.Status

-- ---- calls ----

---A call on the server.
---@class moonwire.Call
---@field method string the method's name
---@field service string the service's full name
---@field peer string the client's address
---@field metadata table<string, string> the first value of each key; keys ending in -bin carry raw bytes
---@field deadline? number seconds since 1970; nil if the client set none
---@field request_encoding "gzip"|"deflate"|"identity" compression of the last message received
---@field vars table for values that interceptors and handlers share
---@field trace_id string 32 hex digits: the caller's, or a new one for the log
---@field log moonwire.log
local Call = {}

---Sends a message of the streamed reply. Waits while the client is slower.
---@param message table|moonwire.Packed
---@param options? { compress: boolean } false sends this message uncompressed
---@return boolean? sent nil if the client is gone
---@return moonwire.Status? status the reason
function Call:send(message, options) end

---Sends the messages of a list, or those that an iterator returns until nil. Waits while the client is slower. Closes
---the iterator.
---@param source any[]|fun(): any?
---@return boolean? sent nil if the client is gone
---@return moonwire.Status? status the reason
function Call:send_all(source) end

---Waits for the next message of the streamed request.
---@param options? moonwire.PackedOption
---@return any? message nil at the end of the stream
---@return moonwire.Status? status if the stream was reset or the connection lost
function Call:receive(options) end

---Iterates over the messages of the streamed request. Raises if the stream is reset or the connection lost.
---@param options? moonwire.PackedOption
---@return fun(): any?
function Call:messages(options) end

---For interceptors: returns the code of the call if its handler returns these values, "INTERNAL" if they cannot be
---sent. Raises if the call has ended.
---@param reply any
---@param status moonwire.Status?
---@return string code
function Call:outcome(reply, status) end

---Adds a header. A key that is already set gets another value. All headers together take at most 64 KiB, counting 32
---bytes more for each; the same limit applies to trailers.
---@param key string
---@param value string raw bytes for a key ending in -bin
function Call:set_header(key, value) end

---Adds a trailer. As set_header().
---@param key string
---@param value string raw bytes for a key ending in -bin
function Call:set_trailer(key, value) end

---Sets the compression of replies, before the first one; by default, that of the client's messages. A client that does
---not accept the encoding gets the other one if it accepts that, else uncompressed messages.
---@param encoding "gzip"|"deflate"|"identity"
function Call:set_compression(encoding) end

---Sends the headers now instead of with the first message.
function Call:send_headers() end

---Returns all values of a key of the client's metadata.
---@param key string
---@return string[]
function Call:metadata_values(key) end

---@return number? seconds until the deadline, 0 once it has passed; nil without one
function Call:time_remaining() end

---@class moonwire.json
local json = {}

---Encodes a value as JSON text. Messages in it follow the proto3 JSON mapping. Keys are sorted. Raises, with the path,
---for a value without a form in JSON.
---@param value any tables with keys 1 to n and those of mw.array are arrays; others objects; mw.null is null
---@param options? { indent: integer } spaces per level; without it, one line
---@return string
function json.encode(value, options) end

---Decodes JSON text. Arrays are marked as by mw.array, null is mw.null, whole numbers that fit are integers. With the
---name of a message type, returns that message, by the proto3 JSON mapping.
---@param text string
---@param type? string such as "tasks.Task"
---@param options? { ignore_unknown: boolean } skip fields and enum names that the schema lacks
---@return any? value
---@return moonwire.Status? status
function json.decode(text, type, options) end

-- ---- outbound calls ----

---@class moonwire.ClientOptions
---@field target? string
---@field tls? boolean
---@field ca? string PEM file of trusted roots; without it, the system's
---@field cert? string PEM file
---@field key? string PEM file
---@field authority? string
---@field load_balancing? "pick_first"|"round_robin"
---@field service_config? moonwire.ServiceConfig|string gRPC's service config, as a table or JSON
---@field wait_for_ready? boolean
---@field max_receive_bytes? integer 4 MiB by default

---@class moonwire.ServiceConfig
---@field methodConfig? moonwire.MethodConfig[]
---@field retryThrottling? { maxTokens: integer, tokenRatio: number } 1 to 1000 tokens, for each target
---@field [string] any other settings, such as load balancing

---Settings of the methods in `name`: one method, a service's methods, or (with an empty service) all.
---@class moonwire.MethodConfig
---@field name { service?: string, method?: string }[]
---@field timeout? string such as "1.5s"; spans all attempts
---@field waitForReady? boolean
---@field retryPolicy? moonwire.RetryPolicy
---@field hedgingPolicy? moonwire.HedgingPolicy excludes a retryPolicy

---@class moonwire.RetryPolicy
---@field maxAttempts integer 2 or more, the first one included; more than 5 count as 5
---@field initialBackoff string such as "0.1s"
---@field maxBackoff string
---@field backoffMultiplier number
---@field retryableStatusCodes (string|integer)[]

---@class moonwire.HedgingPolicy
---@field maxAttempts integer 2 or more; more than 5 count as 5
---@field hedgingDelay? string such as "0.05s"; without it all attempts start at once
---@field nonFatalStatusCodes? (string|integer)[] an empty list is mw.array {}

---@class moonwire.CallOptions
---@field deadline? number seconds from now
---@field metadata? table<string, string|string[]>
---@field compression? "gzip"|"deflate"
---@field wait_for_ready? boolean
---@field trace_context? boolean false omits traceparent, tracestate and baggage of the current call
---@field async? boolean true makes a unary method return a moonwire.PendingCall at once

---@class moonwire.CallInfo
---@field headers table<string, string> the first value of each key
---@field trailers table<string, string> the first value of each key
local CallInfo = {}

---Returns all values of a key of the headers.
---@param key string
---@return string[]
function CallInfo:header_values(key) end

---Returns all values of a key of the trailers.
---@param key string
---@return string[]
function CallInfo:trailer_values(key) end

---A unary call with `async = true`. The end of its `<close>` variable, or garbage collection, cancels it.
---@class moonwire.PendingCall
local PendingCall = {}

---Waits for the end of the call. A second wait() returns the same values.
---@return any? reply
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function PendingCall:wait() end

---Cancels the call: wait() returns nil and CANCELLED.
function PendingCall:cancel() end

---@class moonwire.Client
local Client = {}

---Returns a stub: `stub:Method(request, options)`, without the request if it is streamed. Unary methods return reply,
---status and info, or a moonwire.PendingCall with `async = true`; others a stream. `tostring(stub)` lists the methods.
---@param full_name string
---@return table<string, fun(stub: table, ...: any): any, moonwire.Status?, moonwire.CallInfo?>
function Client:service(full_name) end

---Makes a unary call by path.
---@param path string such as "tasks.TaskService/GetTask"
---@param request table
---@param options? moonwire.CallOptions
---@return any? reply
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function Client:call(path, request, options) end

---Makes a streaming call by path. Omit the request if it is streamed.
---@param path string
---@param ... table request and options
---@return moonwire.Stream
function Client:stream(path, ...) end

---@class moonwire.Stream
---@overload fun(): any?
local Stream = {}

---Sends a message. Waits while the server is slower.
---@param message table
---@return boolean? sent nil if the call has ended
---@return moonwire.Status? status
function Stream:send(message) end

---Half-closes the stream: no more messages follow from this side.
function Stream:close_send() end

---@param options? moonwire.PackedOption
---@return any? message nil at the end
---@return moonwire.Status? status unless the call ended with OK
function Stream:receive(options) end

---Returns the stream itself, an iterator over the messages. Raises the status unless the call ends with OK.
---@param options? moonwire.PackedOption
---@return moonwire.Stream
function Stream:messages(options) end

---Half-closes the stream and waits for the end of the call.
---@return any? reply for a client-streaming call; true for others
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function Stream:finish() end

---Waits for the server's headers. Returns the first value of each key.
---@return table<string, string>
function Stream:headers() end

---Waits for the server's headers. Returns all values of a key.
---@param key string
---@return string[]
function Stream:header_values(key) end

---Returns the first value of each key of the trailers; empty before the end of the call.
---@return table<string, string>
function Stream:trailers() end

---Returns all values of a key of the trailers; empty before the end of the call.
---@param key string
---@return string[]
function Stream:trailer_values(key) end

---@return moonwire.Status? status nil until the call ends
function Stream:status() end

---Cancels the call.
function Stream:cancel() end
