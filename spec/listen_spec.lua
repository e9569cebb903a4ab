-- `moonwire serve --listen unix:PATH`: ownership of the socket file, and calls through it.
local mw = require "moonwire"
local project = require "support.project"
local test = require "moonwire.test"

-- A folder whose Greeter returns the peer of the call.
local function new_folder(settings)
  local file <close> = assert(io.open "proto/helloworld.proto")
  return project.new {
    ["proto/helloworld.proto"] = file:read "a",
    ["lua/greeter.lua"] = [[
      local mw = require "moonwire"
      local Greeter = mw.service "helloworld.Greeter"
      function Greeter.SayHello(_, call) return { message = call.peer } end
    ]],
    ["moonwire.lua"] = settings or "return {}",
  }
end

local function listens_on(server) return (server:read_line() or server.stderr):match "listening on (%S+)" end

local function exists(path)
  local file = io.popen("test -e " .. path .. " && echo yes")
  return file:read "l" == "yes" and file:close() ~= nil
end

local function peer_at(address)
  local reply, status = mw.client(address):service "helloworld.Greeter":SayHello { name = "x" }
  assert.is_nil(status)
  return reply.message
end

describe("a Unix socket", function()
  local function serve(folder, ...)
    return test.start { "serve", folder.dir, "--data", ":memory:", "--workers", "3", ... }
  end

  it("takes calls, on all workers, and has no file when the server has ended", function()
    local folder <close> = new_folder()
    local path <const> = folder.dir .. "/socket"
    local server <close> = serve(folder, "--listen", "unix:" .. path, "--listen", "127.0.0.1:0")
    assert.are.equal("unix:" .. path, listens_on(server))
    local port = listens_on(server)
    for _ = 1, 20 do assert.are.equal("unix:", peer_at("unix:" .. path)) end
    assert.matches("^ipv4:127.0.0.1:%d+$", peer_at(port))
    local call <close> = test.start { "call", "unix:" .. path, "helloworld.Greeter/SayHello", '{"name": "x"}' }
    assert.are.equal('{"message":"unix:"}', call:read_line())
    assert.are.equal(0, (call:wait()))
    assert.is_true(exists(path))
    server:kill()
    assert.are.equal(0, (server:wait()))
    assert.is_false(exists(path))
  end)

  it("that a killed server has left is replaced, one in use is not", function()
    local folder <close> = new_folder()
    local address <const> = "unix:" .. folder.dir .. "/socket"
    local killed <close> = serve(folder, "--listen", address)
    assert.are.equal(address, listens_on(killed))
    local code, _, stderr = folder:run("serve", "--data", ":memory:", "--listen", address)
    assert.are.equal(1, code)
    local words = "unix:DIR/socket: the socket is in use: stop the server there, or choose another with --listen"
    assert.matches(words, stderr, 1, true)
    killed:kill(9)
    killed:wait()
    local server <close> = serve(folder, "--listen", address)
    assert.are.equal(address, listens_on(server))
    assert.are.equal("unix:", peer_at(address))
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  it("may be named in moonwire.lua, from the folder on", function()
    local folder <close> = new_folder [[return { listen = { "unix:socket", "127.0.0.1:0" } }]]
    local server <close> = serve(folder)
    assert.are.equal("unix:" .. folder.dir .. "/socket", listens_on(server))
    assert.are.equal("unix:", peer_at("unix:" .. folder.dir .. "/socket"))
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  it("does not replace a file", function()
    local folder <close> = new_folder()
    local code, _, stderr = folder:run("serve", "--data", ":memory:", "--listen",
      "unix:" .. folder.dir .. "/moonwire.lua")
    assert.are.equal(1, code)
    assert.matches("cannot listen on unix:DIR/moonwire.lua: there is a file of that name which is no socket", stderr, 1,
      true)
  end)
end)
