-- `moonwire serve`: output, refused arguments, shutdown.
local project = require "support.project"
local test = require "moonwire.test"

local function run(...)
  local process <close> = test.start { ... }
  local first = process:read_line()
  return process:wait(), first, process.stderr
end

describe("moonwire", function()
  it("shows its help and version", function()
    local code, first = run "--help"
    assert.are.equal(0, code)
    assert.matches("^Moonwire serves gRPC services", first)
    for _, word in ipairs { "--version", "-v", "version" } do
      assert.are.same({ 0, "moonwire 0.1.0", "" }, { run(word) })
    end
    for _, command in ipairs { "serve", "check", "test", "call" } do
      assert.are.equal(0, (run(command, "--help")))
    end
  end)

  it("exits with 2 for wrong usage, and says what would be right", function()
    local code, _, stderr = run "sreve"
    assert.are.equal(2, code)
    assert.matches("no command sreve; did you mean serve?", stderr, 1, true)
    assert.are.equal(2, (run()))
  end)
end)

describe("moonwire serve", function()
  local function refuses(expected, code, ...)
    local folder <close> = project.new {}
    local got, _, stderr = folder:run("serve", ...)
    assert.are.equal(code, got, stderr)
    assert.matches(expected, stderr, 1, true)
  end

  it("refuses wrong flags", function()
    refuses("no option --lisen", 2, "--lisen")
    refuses("--workers x: expected a number from 1 to 256", 2, "--workers", "x")
    refuses("--engine warp: expected http or core", 2, "--engine", "warp")
    refuses("--log-level loud: expected debug, info, warn, error or off", 2, "--log-level", "loud")
    refuses("expected a value after --listen", 2, "--listen")
    refuses("expected at most one folder, got also another", 2, "another")
    refuses('--data "": expected a folder or :memory:\nTry moonwire serve --help.', 2, "--data", "", "--listen",
      "127.0.0.1:0")
  end)

  it("refuses addresses that cannot be", function()
    refuses("moonwire serve: --listen localhost: expected HOST:PORT", 2, "--listen", "localhost")
    refuses("--listen 127.0.0.1:70000: expected HOST:PORT with a port from 0", 2, "--listen", "127.0.0.1:70000")
    refuses("cannot listen on 192.0.2.1:50051", 1, "--listen", "192.0.2.1:50051", "--data", ":memory:")
  end)

  it("refuses a port in use", function()
    local server <close>, address = test.serve()
    refuses(address .. ": the port is in use", 1, "--listen", address, "--data", ":memory:")
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  it("refuses a data folder in use", function()
    local folder <close> = project.new {}
    local server <close> = test.serve { dir = folder.dir, data = folder.dir .. "/data" }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0")
    assert.are.equal(1, code)
    assert.matches("in use", stderr, 1, true)
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  it("refuses more addresses than it takes", function()
    local arguments = {}
    for _ = 1, 17 do table.move({ "--listen", "127.0.0.1:0" }, 1, 2, #arguments + 1, arguments) end
    refuses("--listen 127.0.0.1:0: at most 16 addresses", 2, table.unpack(arguments))
  end)

  it("refuses a folder that is none", function()
    local folder <close> = project.new { ["file"] = "" }
    folder.dir = folder.dir .. "/file"
    local code, _, stderr = folder:run "serve"
    assert.are.equal(1, code)
    assert.matches("DIR: not a folder", stderr, 1, true)
  end)

  it("refuses a data folder that is none, or holds something else", function()
    refuses("cannot make the data folder /dev/null/data: Not a directory", 1, "--data", "/dev/null/data")
    refuses('--data "": expected a folder or :memory:', 2, "--data", "")
    local folder <close> = project.new { ["data/store/store.mdb"] = ("not a store"):rep(1000) }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0")
    assert.are.equal(1, code)
    assert.matches("DIR/data/store/store.mdb: not a Moonwire store", stderr, 1, true)
  end)

  it("refuses TLS files that are none", function()
    local folder <close> = project.new {
      ["moonwire.lua"] = 'return { tls = { cert = "cert.pem", key = "key.pem" } }',
      ["cert.pem"] = "x",
      ["key.pem"] = "x",
    }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0", "--data", ":memory:")
    assert.are.equal(1, code)
    assert.matches('cert.pem: not a PEM file (no "-----BEGIN" line)', stderr, 1, true)
  end)

  it("says that it needs protoc", function()
    local folder <close> = project.new { ["proto/a.proto"] = 'syntax = "proto3";' }
    local process <close> = test.start({ "check", folder.dir }, { env = { PATH = "/nonexistent" } })
    assert.are.equal(1, (process:wait()))
    local words = "protoc, the protobuf compiler, is not in PATH (Debian package protobuf-compiler)"
    assert.matches(words, process.stderr, 1, true)
  end)

  it("listens on several addresses and prints a line for each", function()
    local folder <close> = project.new {}
    local server <close>, first = test.serve { dir = folder.dir, args = { "--listen", "[::1]:0" } }
    assert.matches("^127%.0%.0%.1:%d+$", first)
    assert.matches("^moonwire: listening on %[::1%]:%d+$", server:read_line())
    server:kill()
    assert.are.equal(0, (server:wait()))
  end)

  it("takes settings from moonwire.lua, and options over them", function()
    local folder <close> = project.new { ["moonwire.lua"] = 'return { listen = "[::1]:0", data = ":memory:" }' }
    local server <close> = test.start { "serve", folder.dir }
    assert.matches("listening on %[::1%]:%d+$", server:read_line())
    server:kill()
    local other <close> = test.start { "serve", folder.dir, "--listen", "127.0.0.1:0" }
    assert.matches("listening on 127.0.0.1:%d+$", other:read_line())
    other:kill()
    assert.are.equal(0, (server:wait()))
    assert.are.equal(0, (other:wait()))
  end)

  it("stops on SIGTERM and SIGINT with exit code 0", function()
    for _, signal in ipairs { 15, 2 } do
      local server <close> = test.serve()
      server:kill(signal)
      assert.are.equal(0, (server:wait()))
    end
  end)

  it("refuses an engine in moonwire.lua that there is none of", function()
    local folder <close> = project.new { ["moonwire.lua"] = 'return { engine = "warp" }' }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0", "--data", ":memory:")
    assert.are.equal(1, code)
    assert.matches("moonwire.lua:1: engine: expected http or core", stderr, 1, true)
  end)

  it("looks at the folder on SIGHUP", function()
    local folder <close> = project.new {}
    local server <close> = test.serve { dir = folder.dir }
    folder:write("lua/new.lua", "local x = = 1")
    server:kill(1)
    test.eventually(function() return server.stderr:find("lua/new.lua:1: unexpected symbol", 1, true) end)
    folder:write("lua/new.lua", "return {}")
    server:kill(1)
    test.eventually(function() return server.stderr:find("generation %d+ is live") end)
    server:kill(15)
    assert.are.equal(0, (server:wait()))
  end)

  it("removes the temporary folder of a server that was killed", function()
    local folder <close> = project.new { ["tmp/other"] = "" }
    local options = { dir = folder.dir, data = ":memory:", env = { TMPDIR = folder.dir .. "/tmp" } }
    local function list()
      local pipe <close> = assert(io.popen("ls " .. folder.dir .. "/tmp"))
      return pipe:read "a"
    end
    local killed <close> = test.serve(options)
    local before = list()
    assert.matches("^moonwire%-tmp%-......\nother\n$", before)
    killed:kill(9)
    killed:wait()
    assert.are.equal(before, list())
    local server <close> = test.serve(options)
    assert.matches("^moonwire%-tmp%-......\nother\n$", list())
    assert.are_not.equal(before, list())
    server:kill()
    assert.are.equal(0, (server:wait()))
    assert.are.equal("other\n", list())
  end)

  it("opens /dev/null for standard descriptors that are closed", function()
    local folder <close> = project.new {}
    local command = "$(readlink /proc/$PPID/exe) serve %s --listen unix:%s/socket <&- >&- 2>&- & echo $!"
    local shell <close> = assert(io.popen(command:format(folder.dir, folder.dir)))
    local pid <const> = shell:read "n"
    test.eventually(function() return os.execute(("test -S %s/data/moonwire.sock"):format(folder.dir)) end)
    local links <close> = assert(io.popen(("readlink /proc/%d/fd/0 /proc/%d/fd/1 /proc/%d/fd/2"):format(pid, pid, pid)))
    assert.are.equal(("/dev/null\n"):rep(3), links:read "a")
    assert(os.execute("kill " .. pid))
    test.eventually(function() return not os.execute(("kill -0 %d 2>/dev/null"):format(pid)) end)
  end)

  it("warns of a folder without scripts", function()
    local folder <close> = project.new {}
    local server <close> = test.serve { dir = folder.dir }
    server:kill()
    server:wait()
    local where <const> = "no scripts in " .. folder.dir .. "/lua: "
    assert.matches(where .. "nothing but the built-in services is served", server.stderr, 1, true)
    folder:write("moonwire.lua", "return { health = false, reflection = false }")
    local bare <close> = test.serve { dir = folder.dir }
    bare:kill()
    bare:wait()
    assert.matches(where .. "nothing is served", bare.stderr, 1, true)
  end)
end)

describe("moonwire test", function()
  it("refuses an engine that there is none of", function()
    local folder <close> = project.new {}
    local process <close> = test.start({ "test", folder.dir }, { env = { MOONWIRE_TEST_ENGINE = "warp" } })
    assert.are.equal(1, (process:wait()))
    assert.matches("engine warp: no such engine; expected http or core", process.stderr, 1, true)
  end)
end)
