---@meta moonwire
-- What messages offer beside their fields, for LuaLS; docs/messages.md is the reference.

---A google.protobuf.Timestamp. Compares with others; minus a Timestamp it is a Duration; plus or minus a Duration, or
---that many seconds, a Timestamp.
---@class moonwire.Timestamp
---@field seconds integer since 1970 UTC
---@field nanos integer 0 to 999999999, counting forward
---@operator add(moonwire.Duration|number): moonwire.Timestamp
---@operator sub(moonwire.Timestamp): moonwire.Duration
---@operator sub(moonwire.Duration|number): moonwire.Timestamp
local Timestamp = {}

---Seconds since 1970 UTC.
---@return number
function Timestamp:number() end

---RFC 3339, in UTC; tostring gives the same.
---@return string
function Timestamp:iso() end

---A google.protobuf.Duration. Compares with others, and adds up with them and with numbers of seconds.
---@class moonwire.Duration
---@field seconds integer
---@field nanos integer of the same sign
---@operator add(moonwire.Duration|number): moonwire.Duration
---@operator sub(moonwire.Duration|number): moonwire.Duration
---@operator unm: moonwire.Duration
local Duration = {}

---Seconds.
---@return number
function Duration:number() end

---@class google.protobuf.Any
---@field type_url string
---@field value string

---@class moonwire.any
local any = {}

---An Any of a message, which is checked as for sending.
---@param type_name string such as "google.rpc.ErrorInfo"
---@param value any
---@return google.protobuf.Any
function any.pack(type_name, value) end

---The message in an Any; nil and a status when the schema has no such type or the bytes are not one.
---@param packed google.protobuf.Any
---@return any? message
---@return moonwire.Status? status
function any.unpack(packed) end

---Base64 (RFC 4648).
---@class moonwire.base64
local base64 = {}

---@param bytes string
---@param alphabet? "standard"|"url" "standard", with padding, unless given; "url" is without
---@return string
function base64.encode(bytes, alphabet) end

---Of either alphabet, with or without padding; nil and a status for other text.
---@param text string
---@return string? bytes
---@return moonwire.Status? status INVALID_ARGUMENT
function base64.decode(text) end

---Help with uint64 above 2^63-1, which is the negative integer with the same bits.
---@class moonwire.u64
---@field max integer 2^64-1
local u64 = {}

---@param n integer
---@param base? 10|16
---@return string digits
function u64.to_string(n, base) end

---The number of decimal digits, or of "0x" and hexadecimal ones; nil and a status for other text.
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

---The nearest float.
---@param n integer
---@return number
function u64.to_number(n) end

---The number is whole and in range; raises otherwise.
---@param x number
---@return integer
function u64.from_number(x) end
