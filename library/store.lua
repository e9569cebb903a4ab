---@meta moonwire
-- mw.store, for LuaLS; docs/store.md says more.

---@class moonwire.CollectionDefinition
---@field name string 1 to 64 letters, digits, _ - .
---@field message string the full name of the messages it holds
---@field key? string the field they are kept by, a string or an integer; "id" unless given

---@class moonwire.store
local store = {}

---A typed collection. While the script loads; errors name what the schema lacks.
---@param definition moonwire.CollectionDefinition
---@return moonwire.Collection
function store.collection(definition) end

---Writes to several keys, all or nothing. Runs `f` again when a key it read was changed meanwhile. Returns what `f`
---returns, true for nothing; nil or false first writes nothing.
---@param f fun(tx: moonwire.Transaction): ...
---@return any result
---@return any ...
function store.transaction(f) end

---@class moonwire.WriteOptions
---@field ttl? number seconds to live

---@class moonwire.EachOptions
---@field prefix? string of string keys
---@field after? string|integer goes on behind this key
---@field limit? integer
---@field reverse? boolean
---@field snapshot? boolean false: goes on from a new snapshot where the server closes one that is old; else it raises ABORTED

---@class moonwire.WatchOptions
---@field prefix? string of string keys
---@field existing? boolean first what exists, as puts

---@class moonwire.StoreEvent
---@field type "put"|"delete"
---@field key string|integer
---@field message? any nil for a delete

---@class moonwire.Collection
local Collection = {}

---@param key string|integer
---@return any? message nil alone when there is none
---@return moonwire.Status? status when reading failed
function Collection:get(key) end

---ALREADY_EXISTS when the key is there. Waits until it is on disk.
---@param message table
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:insert(message, options) end

---Whether the key is there or not. Waits until it is on disk.
---@param message table
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:put(message, options) end

---Stores what `f` makes of the message; runs it again when another write came in between. NOT_FOUND when there is none.
---`f` may get a message that another write is about to store: it should have no effects other than its result.
---@param key string|integer
---@param f fun(message: any): any?, moonwire.Status? nil writes nothing
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:update(key, f, options) end

---@param key string|integer
---@return boolean? deleted false when there was none
---@return moonwire.Status? status
function Collection:delete(key) end

---An iterator: `for task in it do`, or `it()` for the next message, nil at the end. A `<close>` variable ends it.
---@class moonwire.Scan
---@overload fun(): any?

---Iterates over one moment's messages in key order.
---@param options? moonwire.EachOptions
---@return moonwire.Scan
function Collection:each(options) end

---@param options? { prefix?: string }
---@return integer? count
---@return moonwire.Status? status
function Collection:count(options) end

---The next number of this collection, never given out twice: 1, 2, 3, ...
---@param format? string with one %d or %0Nd; the number itself without
---@return string|integer? id
---@return moonwire.Status? status
function Collection:next_id(format) end

---An iterator: `for event in it do`, or `it()` for the next event, which waits. A `<close>` variable ends it.
---@class moonwire.Watch
---@overload fun(): moonwire.StoreEvent

---Iterates over changes as they come; waits between them.
---@param options? moonwire.WatchOptions
---@return moonwire.Watch
function Collection:watch(options) end

---@class moonwire.Transaction
local Transaction = {}

---@param collection moonwire.Collection
---@param key string|integer
---@return any? message
function Transaction:get(collection, key) end

---Raises ALREADY_EXISTS when the key is there.
---@param collection moonwire.Collection
---@param message table
---@param options? moonwire.WriteOptions
---@return any message as stored
function Transaction:insert(collection, message, options) end

---@param collection moonwire.Collection
---@param message table
---@param options? moonwire.WriteOptions
---@return any message as stored
function Transaction:put(collection, message, options) end

---@param collection moonwire.Collection
---@param key string|integer
---@return boolean deleted
function Transaction:delete(collection, key) end
