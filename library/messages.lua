---@meta moonwire
-- Annotations of messages and of mw.any, mw.base64 and mw.u64 for LuaLS; docs/messages.md is the reference.

---A google.protobuf.Timestamp. Timestamps compare by time. The difference of two is a Duration; a Timestamp plus or
---minus a Duration or a number of seconds is a Timestamp.
---@class moonwire.Timestamp
---@field seconds integer since 1970 UTC
---@field nanos integer 0 to 999999999, counting forward
---@operator add(moonwire.Duration|number): moonwire.Timestamp
---@operator sub(moonwire.Timestamp): moonwire.Duration
---@operator sub(moonwire.Duration|number): moonwire.Timestamp
local Timestamp = {}

---Returns seconds since 1970 UTC.
---@return number
function Timestamp:number() end

---Formats the time as RFC 3339, in UTC, as tostring does.
---@return string
function Timestamp:iso() end

---A google.protobuf.Duration. Durations compare by length; sums and differences take Durations and numbers of seconds.
---@class moonwire.Duration
---@field seconds integer
---@field nanos integer -999999999 to 999999999, with the sign of `seconds`
---@operator add(moonwire.Duration|number): moonwire.Duration
---@operator sub(moonwire.Duration|number): moonwire.Duration
---@operator unm: moonwire.Duration
local Duration = {}

---Returns the length in seconds.
---@return number
function Duration:number() end

---A message that stays encoded: its fields read as those of the table, and cannot be set. Nested messages are packed.
---@class moonwire.Packed
---@field [string] any
---@operator len: integer
local Packed = {}

---Returns the message as a table.
---@return table
function Packed:unpack() end

---@class moonwire.PackedOption
---@field packed? boolean true for packed messages in place of tables

---@class google.protobuf.Any
---@field type_url string
---@field value string

---@class moonwire.any
local any = {}

---Packs a message into an Any. The message is checked as for sending.
---@param type_name string such as "google.rpc.ErrorInfo"
---@param value any
---@return google.protobuf.Any
function any.pack(type_name, value) end

---Unpacks the message in an Any. Fails if the schema lacks its type or the bytes are malformed.
---@param packed google.protobuf.Any
---@return any? message
---@return moonwire.Status? status
function any.unpack(packed) end

---Base64 (RFC 4648).
---@class moonwire.base64
local base64 = {}

---@param bytes string
---@param alphabet? "standard"|"url" "standard", with padding, by default; "url" has no padding
---@return string
function base64.encode(bytes, alphabet) end

---Decodes either alphabet, with or without padding. Returns nil and a status for other text.
---@param text string
---@return string? bytes
---@return moonwire.Status? status INVALID_ARGUMENT
function base64.decode(text) end

---Arithmetic for uint64. A number above 2^63-1 is the negative Lua integer with the same bits.
---@class moonwire.u64
---@field max integer 2^64-1
local u64 = {}

---@param n integer
---@param base? 10|16
---@return string digits
function u64.to_string(n, base) end

---Parses decimal digits, or "0x" and hexadecimal ones. Returns nil and a status for other text.
---@param text string
---@return integer? n
---@return moonwire.Status? status
function u64.parse(text) end

---@param a integer
---@param b integer
---@return -1|0|1
function u64.compare(a, b) end

---@param a integer
---@param b integer
---@return boolean
function u64.lt(a, b) end

---@param a integer
---@param b integer
---@return boolean
function u64.le(a, b) end

---@param a integer
---@param b integer
---@return integer
function u64.div(a, b) end

---@param a integer
---@param b integer
---@return integer
function u64.rem(a, b) end

---Returns the nearest float.
---@param n integer
---@return number
function u64.to_number(n) end

---Converts a float. Raises unless it is whole and in range.
---@param x number
---@return integer
function u64.from_number(x) end
