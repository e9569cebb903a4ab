-- Damage in the store, and removed files, as callers, `moonwire store check` and load balancers see them.
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

-- The Greeter carries "ACTION KEY" to the script and returns its answer. The folder's schema has it too.
local proto = [[
syntax = "proto3";
package helloworld;
service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
message Book { string id = 1; string title = 2; int64 number = 3; }
]]

local script = [[
local mw = require "moonwire"
local books = mw.store.collection { name = "books", message = "helloworld.Book" }
local numbers = mw.store.collection { name = "numbers", message = "helloworld.Book", key = "number" }
local Greeter = mw.service "helloworld.Greeter"
local actions = {}

function actions.fill()
  for _, id in ipairs { "one", "two", "three" } do assert(books:put { id = id, title = "the title of " .. id }) end
  assert(numbers:put { number = 42, title = "the title of 42" })
end
function actions.get(id) return books:get(id) end
function actions.number() return numbers:get(42) end
function actions.update(id) return books:update(id, function(b) return b end) end
function actions.insert(id) return books:insert { id = id } end
function actions.put(id) return books:put { id = id, title = "anew" } end
function actions.delete(id) return books:delete(id) end
function actions.count() return books:count() end
function actions.each()
  local list = {}
  for b in books:each() do list[#list + 1] = b.id end
  return table.concat(list, " ")
end
function actions.after(id)
  local list = {}
  for b in books:each { after = id } do list[#list + 1] = b.id end
  return table.concat(list, " ")
end
function actions.watch()
  for event in books:watch { existing = true } do
    if event.key == "two" then return "got it" end
  end
end
function actions.transaction(id) return mw.store.transaction(function(tx) tx:get(books, id) end) end

function Greeter.SayHello(req)
  local action, id = req.name:match "^(%a+) ?(%a*)$"
  local result, status = actions[action](id)
  if status then return nil, status end
  return { message = tostring(result) }
end
]]

local function serve(folder) return servers.start { dir = folder.dir, data = folder.dir .. "/data" } end

local function damage(folder, text)
  local path = folder.dir .. "/data/store/store.mdb"
  local file <close> = assert(io.open(path, "r+b"))
  local bytes, from, found = file:read "a", 1, false
  while true do
    local at = bytes:find(text, from, true)
    if not at then break end
    file:seek("set", at - 1)
    file:write "T"
    from, found = at + 1, true
  end
  assert.is_true(found)
end

local function store_check(folder)
  local process <close> = test.start { "store", "check", folder.dir }
  local lines = {}
  for line in function() return process:read_line() end do lines[#lines + 1] = folder:short(line) end
  return process:wait(), table.concat(lines, "\n"), folder:short(process.stderr)
end

describe("A store", function()
  it("reports a damaged record with collection and key, and never fewer records than there are", function()
    local folder <close> = project.new { ["proto/greeter.proto"] = proto, ["lua/shelf.lua"] = script }
    local server = serve(folder)
    local shelf = server:connect "helloworld.Greeter"
    assert(shelf:SayHello { name = "fill" })
    local code, out = store_check(folder) -- the server runs meanwhile
    assert.are.equal(0, code, out)
    assert.matches("DIR/data/store: 4 records in %d+ pages, while a server runs; sound", out)
    server:stop()
    damage(folder, "the title of two")
    damage(folder, "the title of 42")

    code, out = store_check(folder)
    assert.are.equal(1, code, out)
    assert.matches("the record of books two is damaged: its checksum does not match", out, 1, true)
    assert.matches("the record of numbers 42 is damaged", out, 1, true)
    assert.matches("4 records in %d+ pages; damaged, 2 of the records", out)

    server = serve(folder)
    shelf = server:connect "helloworld.Greeter"
    local function lost(action, id)
      servers.assert_status("DATA_LOSS", "two is damaged: delete it or put it anew, or restore a backup",
        shelf:SayHello { name = action .. " " .. id })
    end
    assert.matches("the title of one", assert(shelf:SayHello { name = "get one" }).message)
    for _, action in ipairs { "get", "update", "insert", "count" } do lost(action, "two") end
    for _, action in ipairs { "transaction", "each", "watch" } do -- these functions raise the status
      servers.assert_status("INTERNAL", "internal error", shelf:SayHello { name = action .. " two" })
    end
    servers.assert_status("DATA_LOSS", "numbers: the record of 42 is damaged", shelf:SayHello { name = "number" })
    assert.are.equal("", assert(shelf:SayHello { name = "after two" }).message) -- a listing can continue after it
    assert.are.equal("true", assert(shelf:SayHello { name = "delete two" }).message)
    assert.are.equal("one three", assert(shelf:SayHello { name = "each" }).message)
    assert(shelf:SayHello { name = "put two" })
    assert.are.equal("3", assert(shelf:SayHello { name = "count" }).message)
    assert.are.equal(3, select(2, server:stop():gsub("DATA_LOSS: books: the record of two is damaged", "")))
  end)

  it("whose lock is removed takes no writes, and the server is not healthy", function()
    local folder <close> = project.new { ["proto/greeter.proto"] = proto, ["lua/shelf.lua"] = script }
    local server = serve(folder)
    local shelf, health = server:connect "helloworld.Greeter", server:connect "grpc.health.v1.Health"
    assert(shelf:SayHello { name = "fill" })
    local watch <close> = health:Watch { service = "helloworld.Greeter" }
    assert.are.equal("SERVING", watch:receive().status)
    os.remove(folder.dir .. "/data/store/lock")
    assert.are.equal("NOT_SERVING", watch:receive().status)
    assert.are.equal("NOT_SERVING", assert(health:Check {}).status)
    servers.assert_status("UNAVAILABLE", "books: store/lock was removed or replaced while in use",
      shelf:SayHello { name = "put two" })
    assert.matches("the title of one", assert(shelf:SayHello { name = "get one" }).message)
    local process <close> = test.start { "serve", folder.dir, "--listen", "127.0.0.1:0" }
    assert.is_nil(process:read_line())
    assert.are.equal(1, (process:wait()))
    assert.matches("store.mdb: in use by process", process.stderr, 1, true)
    watch:cancel()
    local log = server:stop()
    assert.matches(folder.dir
      .. "/data/store/lock was removed or replaced while in use: put it back if you can, and restart", log, 1, true)
  end)
end)

describe("moonwire store", function()
  local function refuses(expected, code, ...)
    local process <close> = test.start { "store", ... }
    assert.is_nil(process:read_line())
    assert.are.equal(code, (process:wait()))
    assert.matches(expected, process.stderr, 1, true)
  end

  it("names wrong usage, and what is no store", function()
    refuses("moonwire store: expected `check`", 2)
    refuses("moonwire store: expected `check`, got repair", 2, "repair")
    refuses("expected at most one folder, got also b", 2, "check", "a", "b")
    refuses("no option --fast", 2, "check", "--fast")
    local folder <close> = project.new { ["moonwire.lua"] = "return { data = ':memory:' }" }
    refuses("keeps its data in memory: there is no file to check", 1, "check", folder.dir)
    refuses("/none/store/store.mdb: there is no store", 1, "check", "--data", folder.dir .. "/none")
  end)
end)
