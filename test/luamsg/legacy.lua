-- proto2: defaults, required fields, closed enums, packed or not, extensions.

-- An unset field with a declared default reads as the default; rawget returns nil.
local unset = t.decode("legacy.Settings", "")
t.is(unset.retries, 5) t.is(unset.name, "anonymous") t.is(unset.level, "SECOND") t.is(unset.ratio, -1.5)
t.is(unset.salt, "a\0b") t.is(unset.on, true) t.is(unset.plain, nil) t.is(unset.plain_level, nil)
t.is(rawget(unset, "retries"), nil)
t.is(t.encode("legacy.Settings", unset), "")
local zeros = { retries = 0, name = "", ratio = 0.0, salt = "", on = false, plain = 0, unpacked = {}, packed = {},
                levels = {} }
t.same(t.oracle("legacy.Settings", zeros), zeros)
local same_as_default = { retries = 5, level = "SECOND", unpacked = {}, packed = {}, levels = {} }
t.same(t.oracle("legacy.Settings", same_as_default), same_as_default)

-- Closed enums: a number without a name is refused; from the wire it is kept as an unknown field.
t.fails("legacy.Settings", { level = 9 }, "legacy.Settings.level: expected legacy.Level, got 9")
t.fails("legacy.Settings", { levels = { "FIRST", 0 } }, "legacy.Settings.levels[2]: expected legacy.Level, got 0")
t.same(t.round_trip("legacy.Settings", { level = 3 }).level, "FIRST")
local kept = t.decode("legacy.Settings", "\24\9")
t.is(rawget(kept, "level"), nil)
t.is(t.encode("legacy.Settings", kept), "\24\9")

-- Both forms of repeated fields, each as the .proto declares it.
local numbers = { unpacked = { 1, 2 }, packed = { 3, 4 }, levels = { "SECOND", "FIRST" } }
local bytes = t.encode("legacy.Settings", numbers)
t.is(bytes, t.protoc_encode("legacy.Settings", "unpacked: [1, 2] packed: [3, 4] levels: [SECOND, FIRST]"))
t.same(t.decode("legacy.Settings", bytes), numbers)

-- An extension is an unknown field.
bytes = t.protoc_encode("legacy.Settings", 'retries: 1 [legacy.note]: "kept"')
t.is(t.encode("legacy.Settings", t.decode("legacy.Settings", bytes)), bytes)

-- Required fields, at every depth.
local whole = { id = "a", number = 0, child = { id = "", number = 1, children = {} },
                children = { { id = "b", number = 2, children = {} } } }
t.same(t.oracle("legacy.Required", whole), whole)
t.fails("legacy.Required", { id = "a" }, "legacy.Required.number: required, but not set; expected int32")
whole.child.id = nil
t.fails("legacy.Required", whole, "legacy.Required.child.id: required, but not set; expected string")
whole.child = nil
whole.children[1].number = nil
t.fails("legacy.Required", whole, "legacy.Required.children[1].number: required, but not set; expected int32")
local missing, text = t.decode("legacy.Required", "")
t.is(missing, nil)
assert(text:find("legacy.Required.id", 1, true), text)
