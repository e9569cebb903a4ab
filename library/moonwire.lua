---@meta moonwire
-- What the module `moonwire` offers, for LuaLS: completion, types and the words an editor shows.

---@class moonwire
---@field null lightuserdata JSON's null, in google.protobuf.Value and mw.json
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

---The service of that full name. Assign a function to each of its methods while the script loads:
---unary `function(request, call) return reply end`, server streaming `function(request, call)`, client streaming
---`function(call) return reply end`, bidirectional `function(call)`. Calls of a method without one end with UNIMPLEMENTED.
---@param full_name string such as "tasks.TaskService"
---@return table<string, function>
function mw.service(full_name) end

---Wraps handlers in a function, while scripts load: it returns `next()` to go on, or nil and a status. Those
---registered first stand outermost.
---@param name string a service, or "service/Method"; left out for every method, those of health and reflection too
---@param f fun(call: moonwire.Call, next: fun(): any, moonwire.Status?): any, moonwire.Status?
---@overload fun(f: fun(call: moonwire.Call, next: fun(): any, moonwire.Status?): any, moonwire.Status?)
function mw.intercept(name, f) end

---Waits. Other calls run on meanwhile.
---@param seconds number
function mw.sleep(seconds) end

---Runs a function beside the caller: at once until it first waits, or when the program starts if called while it loads. A
---function that was started at once and has not waited yet spawns others for a following turn of the loop.
---@param f fun()
function mw.spawn(f) end

---@class moonwire.JobOptions
---@field name? string 1 to 64 bytes, of one job at most: for logs and `moonwire status`, and to find the job after a save

---Runs a function again and again, on one worker of the process. Only while the script loads. The due time survives
---saves, and a run that is under way finishes.
---@param seconds number the period; the first run is one period later
---@param options moonwire.JobOptions
---@param f fun()
---@overload fun(seconds: number, f: fun())
function mw.every(seconds, options, f) end

---A proxy to the module `name` that always reads its newest committed version.
---@param name string
---@return any
function mw.live(name) end

---A table of this worker that outlives reloads, while scripts load: the same one as long as the version is the same.
---The function makes it, from nothing (both arguments are nil) or from a copy of its last version.
---@generic T: table
---@param name string
---@param version integer
---@param init_or_migrate fun(old: table?, old_version: integer?): T
---@return T
function mw.state(name, version, init_or_migrate) end

---The topic of that name, which all workers share.
---@param name string
---@return moonwire.Topic
function mw.topic(name) end

---A client for outbound calls. Deadline, cancellation and trace context of the current call go along.
---@param target string|moonwire.ClientOptions "HOST:PORT", "unix:PATH", or any name that gRPC resolves
---@param options? moonwire.ClientOptions
---@return moonwire.Client
function mw.client(target, options) end

---The full name of a message's type; nil for anything that is no message.
---@param value any
---@return string?
function mw.type(value) end

---A message of the type: the value, checked as for sending, with defaults filled in.
---@generic T
---@param type_name string
---@param value T
---@return T
function mw.message(type_name, value) end

---The numbers of an enum's values by name, and their names by number; a new table each time.
---@param type_name string such as "tasks.Priority"
---@return table<string|integer, integer|string>
function mw.enum(type_name) end

---The table, marked as a list where a list and an object look alike (Struct, JSON).
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

---A gRPC status: `return nil, status` from a handler, or `error(status)` from any depth. A handler that raises the status of a
---function that has failed, by assert or error, ends its call with INTERNAL.
---@class moonwire.Status
---@field code moonwire.Code
---@field message string
---@field details? google.protobuf.Any[]
local Status = {}

---Adds a detail, of a message or an Any as it is, and returns the status.
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

---A call that is being served.
---@class moonwire.Call
---@field method string the method's name
---@field service string the service's full name
---@field peer string the client's address
---@field metadata table<string, string> the first value of each key; keys ending in -bin carry raw bytes
---@field deadline? number seconds since 1970; nil when the client set none
---@field request_encoding "gzip"|"deflate"|"identity" how the newest message of the request was compressed
---@field vars table for what interceptors and handlers tell each other
---@field trace_id string 32 hex digits: the caller's, or an own id for the log
---@field log moonwire.log
local Call = {}

---Sends a message of the streamed reply; waits while the client does not keep up.
---@param message table
---@param options? { compress: boolean } false leaves this message uncompressed
---@return boolean? sent nil when the client is gone
---@return moonwire.Status? status why it is gone
function Call:send(message, options) end

---The next message of the streamed request.
---@return any? message nil at the client's end
---@return moonwire.Status? status of an end that is not clean: reset, lost connection
function Call:receive() end

---Iterates over the messages of the streamed request; raises at an end that is not clean.
---@return fun(): any?
function Call:messages() end

---For interceptors: the code that the call ends with if its handler returns these values, "INTERNAL" for what cannot be
---sent. Raises when the call has ended.
---@param reply any
---@param status moonwire.Status?
---@return string code
function Call:outcome(reply, status) end

---Adds a header; with a key that is set already, another value of it. Headers are 64 KiB at the most, where each entry counts
---32 bytes more. So are trailers.
---@param key string
---@param value string raw bytes for a key ending in -bin
function Call:set_header(key, value) end

---Adds a trailer, as set_header() does a header.
---@param key string
---@param value string raw bytes for a key ending in -bin
function Call:set_trailer(key, value) end

---How replies are compressed, before the first leaves; without it, as the client's messages were. A client that does not
---accept the one gets the other if it accepts that, or messages as they are.
---@param encoding "gzip"|"deflate"|"identity"
function Call:set_compression(encoding) end

---Sends the headers now rather than with the first message.
function Call:send_headers() end

---All values of a key of the client's metadata.
---@param key string
---@return string[]
function Call:metadata_values(key) end

---@return number? seconds until the deadline, 0 when it has passed; nil without one
function Call:time_remaining() end

---@class moonwire.json
local json = {}

---A value as JSON text. A message, wherever it stands in the value, by the proto3 JSON mapping. Keys come sorted. Raises
---for what has no form in JSON, with the path to it.
---@param value any tables with 1 to n are arrays, as are those of mw.array; others objects; mw.null is null
---@param options? { indent: integer } spaces per level; one line without
---@return string
function json.encode(value, options) end

---The value of JSON text: arrays are marked like mw.array's, null is mw.null, whole numbers that fit are integers.
---With the name of a message type, that message, by the proto3 JSON mapping.
---@param text string
---@param type? string such as "tasks.Task"
---@param options? { ignore_unknown: boolean } skip fields and names of enum values that the schema does not have
---@return any? value
---@return moonwire.Status? status
function json.decode(text, type, options) end

-- ---- outbound calls ----

---@class moonwire.ClientOptions
---@field target? string
---@field tls? boolean
---@field ca? string PEM file of the roots to trust; the system's without it
---@field cert? string PEM file
---@field key? string PEM file
---@field authority? string
---@field load_balancing? "pick_first"|"round_robin"
---@field service_config? moonwire.ServiceConfig|string gRPC's service config, as a table or JSON
---@field wait_for_ready? boolean
---@field max_receive_bytes? integer 4 MiB by default

---@class moonwire.ServiceConfig
---@field methodConfig? moonwire.MethodConfig[]
---@field retryThrottling? { maxTokens: integer, tokenRatio: number } 1 to 1000 tokens; per target
---@field [string] any load balancing and the like

---Settings of the methods that `name` lists: a method, a service's methods, or (with an empty service) all.
---@class moonwire.MethodConfig
---@field name { service?: string, method?: string }[]
---@field timeout? string such as "1.5s"; spans all attempts
---@field waitForReady? boolean
---@field retryPolicy? moonwire.RetryPolicy
---@field hedgingPolicy? moonwire.HedgingPolicy not together with a retryPolicy

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
---@field trace_context? boolean false: leaves out traceparent, tracestate and baggage of the call that is being served
---@field async? boolean true: a unary method returns a moonwire.PendingCall at once

---@class moonwire.CallInfo
---@field headers table<string, string> the first value of each key
---@field trailers table<string, string> the first value of each key
local CallInfo = {}

---All values of a key of the headers.
---@param key string
---@return string[]
function CallInfo:header_values(key) end

---All values of a key of the trailers.
---@param key string
---@return string[]
function CallInfo:trailer_values(key) end

---A unary call with `async = true`. It is cancelled when its `<close>` variable ends or when it is collected.
---@class moonwire.PendingCall
local PendingCall = {}

---Waits for the end. Returns the same values when it is called again.
---@return any? reply
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function PendingCall:wait() end

---Ends the call on this side: wait() returns nil and CANCELLED.
function PendingCall:cancel() end

---@class moonwire.Client
local Client = {}

---The service's methods: `stub:Method(request, options)`, without the request where it is streamed. Unary methods return
---reply, status and info, or with `async = true` a moonwire.PendingCall; others a stream. `tostring(stub)` lists them.
---@param full_name string
---@return table<string, fun(stub: table, ...: any): any, moonwire.Status?, moonwire.CallInfo?>
function Client:service(full_name) end

---A unary call by its path.
---@param path string such as "tasks.TaskService/GetTask"
---@param request table
---@param options? moonwire.CallOptions
---@return any? reply
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function Client:call(path, request, options) end

---A streaming call by its path; the request is left out where it is streamed.
---@param path string
---@param ... table request and options
---@return moonwire.Stream
function Client:stream(path, ...) end

---@class moonwire.Stream
---@overload fun(): any?
local Stream = {}

---Sends a message; waits while the server does not keep up.
---@param message table
---@return boolean? sent nil when the call is over
---@return moonwire.Status? status
function Stream:send(message) end

---No more messages from this side.
function Stream:close_send() end

---@return any? message nil at the end
---@return moonwire.Status? status when the end is not a clean one
function Stream:receive() end

---Itself, as an iterator over the messages; raises the status of an end that is not clean.
---@return moonwire.Stream
function Stream:messages() end

---Sends no more and waits for the end.
---@return any? reply of a client-streaming call, true of others
---@return moonwire.Status? status
---@return moonwire.CallInfo? info
function Stream:finish() end

---Waits for the server's headers: the first value of each key.
---@return table<string, string>
function Stream:headers() end

---Waits for the server's headers: all values of a key.
---@param key string
---@return string[]
function Stream:header_values(key) end

---The first value of each key; empty before the end.
---@return table<string, string>
function Stream:trailers() end

---All values of a key of the trailers; empty before the end.
---@param key string
---@return string[]
function Stream:trailer_values(key) end

---@return moonwire.Status? status nil while the call runs
function Stream:status() end

---Ends the call on this side.
function Stream:cancel() end
