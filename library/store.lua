---@meta moonwire
-- Annotations of mw.store for LuaLS; docs/store.md is the reference.

---@class moonwire.CollectionDefinition
---@field name string 1 to 64 letters, digits, _ - .
---@field message string full name of the type of its messages
---@field key? string the field with the key, a string or an integer; "id" by default

---@class moonwire.store
local store = {}

---Declares a typed collection, while the script loads. Raises if the schema lacks the type or the key's field.
---@param definition moonwire.CollectionDefinition
---@return moonwire.Collection
function store.collection(definition) end

---Writes to several keys, all or nothing. Runs `f` again if a key that it read has changed meanwhile. Returns the
---results of `f`, or true without any. A first result of nil or false writes nothing.
---@param f fun(tx: moonwire.Transaction): ...
---@return any result
---@return any ...
function store.transaction(f) end

---@class moonwire.WriteOptions
---@field ttl? number seconds until the message expires

---@class moonwire.CountOptions
---@field where? table<string, any> by field or path ("owner.id"): a value, up to 1000 values, or mw.null for unset
---@field prefix? string of string keys

---@class moonwire.EachOptions: moonwire.CountOptions
---@field after? string|integer starts after this key
---@field limit? integer
---@field reverse? boolean
---@field snapshot? boolean false continues in a new snapshot when the server closes an old one; else raises ABORTED
---@field packed? boolean true for packed messages in place of tables

---@class moonwire.WatchOptions
---@field prefix? string of string keys
---@field existing? boolean starts with existing messages, as puts
---@field packed? boolean true for packed messages in place of tables

---@class moonwire.StoreEvent
---@field type "put"|"delete"
---@field key string|integer
---@field message? any nil for a delete

---@class moonwire.Collection
local Collection = {}

---@param key string|integer
---@param options? moonwire.PackedOption
---@return any? message nil if there is none, without a status
---@return moonwire.Status? status if reading failed
function Collection:get(key, options) end

---Stores a new message; ALREADY_EXISTS if its key exists. Waits until it is on disk.
---@param message table
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:insert(message, options) end

---Stores a message; replaces one with the same key. Waits until it is on disk.
---@param message table
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:put(message, options) end

---Stores the result of `f` for the stored message; NOT_FOUND if there is none. Runs `f` again if another write came in
---between. `f` may receive a message that another write is about to store, so it must have no side effects.
---@param key string|integer
---@param f fun(message: any): any?, moonwire.Status? nil writes nothing
---@param options? moonwire.WriteOptions
---@return any? message as stored
---@return moonwire.Status? status
function Collection:update(key, f, options) end

---@param key string|integer
---@return boolean? deleted false if there was none
---@return moonwire.Status? status
function Collection:delete(key) end

---An iterator: `for task in it do`. `it()` returns the next message, nil at the end. A `<close>` variable ends it.
---@class moonwire.Scan
---@overload fun(): any?

---Iterates over the messages of one snapshot in key order.
---@param options? moonwire.EachOptions
---@return moonwire.Scan
function Collection:each(options) end

---@param options? moonwire.CountOptions
---@return integer? count
---@return moonwire.Status? status
function Collection:count(options) end

---Returns the next number of this collection: 1, 2, 3, ... No number is issued twice.
---@param format? string with one %d or %0Nd; without it, returns the number
---@return string|integer? id
---@return moonwire.Status? status
function Collection:next_id(format) end

---An iterator: `for event in it do`. `it()` waits for the next event. A `<close>` variable ends it.
---@class moonwire.Watch
---@overload fun(): moonwire.StoreEvent

---Iterates over changes as they are made, and waits for the next one.
---@param options? moonwire.WatchOptions
---@return moonwire.Watch
function Collection:watch(options) end

---@class moonwire.Transaction
local Transaction = {}

---@param collection moonwire.Collection
---@param key string|integer
---@param options? moonwire.PackedOption
---@return any? message
function Transaction:get(collection, key, options) end

---Raises ALREADY_EXISTS if the key exists.
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
