-- The commands moonwire status, reload, check, rollback and kill, against a running server.
local project = require "support.project"
local servers = require "support.server"
local mw = require "moonwire"
local test = require "moonwire.test"

-- The Greeter of this folder's proto. A call whose name is "wait" waits.
local proto <const> = [[
  syntax = "proto3";
  package helloworld;
  message HelloRequest { string name = 1; }
  message HelloReply { string message = 1; }
  service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
]]

local function script(answer)
  return ([[
    local mw = require "moonwire"
    local Greeter = mw.service "helloworld.Greeter"
    function Greeter.SayHello(request)
      if request.name == "wait" then
        mw.sleep(3600)
      end
      return { message = %s }
    end
  ]]):format(answer)
end

describe("a running server", function()
  local folder, server, greeter
  before_each(function()
    folder = project.new { ["proto/greeter.proto"] = proto, ["lua/greeter.lua"] = script '"one"' }
    server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "2" } }
    greeter = server:connect "helloworld.Greeter"
  end)
  after_each(function()
    server:stop()
    folder:__close()
  end)

  local function says(text)
    test.eventually(function() return assert(greeter:SayHello {}).message == text end)
  end

  -- Starts a call that waits. Returns its number, and a function that waits for its end and returns its status.
  local function start_waiting()
    local ended
    mw.spawn(function()
      local _, status = greeter:SayHello { name = "wait" }
      ended = status
    end)
    local id
    test.eventually(function()
      local _, shown = folder:run "status"
      id = shown:match "\n(%d+) +helloworld.Greeter/SayHello[^\n]*lua/greeter.lua:5"
      return id
    end)
    return id, function() return test.eventually(function() return ended end) end
  end

  local function run(...)
    local process <close> = test.start { ... }
    local line = process:read_line()
    return process:wait(), line, process.stderr
  end

  local function kill(id) return run("kill", id, folder.dir) end

  it("shows its workers, and each call with the line it waits at", function()
    local id, status = start_waiting()
    local code, shown = folder:run "status"
    assert.are.equal(0, code)
    assert.matches(
      "^moonwire %S+, process " .. server.process.pid .. ", up [%d.]+s, [%d.]+ MiB\ngeneration 1\n",
      shown)
    assert.matches("\nWORKER  GENERATION  CALLS  COROUTINES  LUA MEMORY  C MEMORY\n0 +1 ", shown)
    assert.matches("\n1 +1 +%d", shown)
    assert.matches("\n" .. id
      .. " +helloworld.Greeter/SayHello +[%d.]+s +1 +[01] +ipv4:127.0.0.1:%d+ +%S*lua/greeter.lua:5", shown)
    assert.are.equal(0, (kill(id)))
    status()
  end)

  it("says which call keeps an old generation", function()
    local id, status = start_waiting()
    folder:write("lua/greeter.lua", script '"two"')
    says "two"
    local _, shown = folder:run "status"
    assert.matches("\ngeneration 2, kept for rollback: 1\n", shown)
    assert.matches("\nOLD GENERATION +WORKER[^\n]+\n1 +[01] +[%d.]+s +1 +" .. id .. "\n", shown)
    assert.are.equal(0, (kill(id)))
    status()
  end)

  it("shows jobs, and what calls of old generations have spawned, with the line each waits at", function()
    local jobs = [[
      local mw = require "moonwire"
      mw.every(3600, function() end)
      mw.every(0.1, function()
        mw.sleep(3600)
      end)
      mw.spawn(function()
        for _ in mw.topic("jobs"):subscribe():messages() do end
      end)
    ]]
    folder:write("lua/greeter.lua", script '"one"' :gsub("mw.sleep%(3600%)",
      "mw.spawn(function() mw.spawn(function() mw.sleep(3000) end) mw.sleep(3600) end) %0"))
    test.eventually(function() return server.process.stderr:find "lua/greeter.lua" end)
    local id, status = start_waiting()
    folder:write("lua/greeter.lua", script '"two"')
    says "two"
    folder:write("lua/jobs.lua", jobs)
    local shown
    test.eventually(function()
      shown = select(2, folder:run "status") .. "\n"
      return shown:find "jobs.lua:4"
    end)
    assert.matches("\nJOB +KIND +AGE +GENERATION +WORKER +WAITS AT\n", shown)
    assert.matches("\n%S*lua/jobs.lua:2 +every 1h00m +%- +%d+ +0 +next run in 59m%d%ds\n", shown)
    assert.matches("\n%S*lua/jobs.lua:3 +every 0.1s +[%d.]+s +%d+ +0 +%S*lua/jobs.lua:4\n", shown)
    for worker = 0, 1 do
      assert.matches("\n%S*lua/jobs.lua:6 +spawned +[%d.]+s +%d+ +" .. worker .. " +%S*lua/jobs.lua:7\n", shown)
    end
    local by = " +spawned by call " .. id .. " +[%d.]+s +%d+ +[01] +%S*lua/greeter.lua:5"
    assert.equal(2, select(2, shown:gsub("\n%S*lua/greeter.lua:5" .. by, "")))
    assert.matches("\nOLD GENERATION +WORKER[^\n]+\n%d+ +[01] +[%d.]+s +3 +" .. id .. "\n", shown)
    assert.are.equal(0, (kill(id)))
    status()
    test.eventually(function() return not select(2, folder:run "status"):find "OLD GENERATION" end)
  end)

  it("ends a call that is to be killed, and knows no other", function()
    local id, status = start_waiting()
    local code, line = kill(id)
    assert.are.equal(0, code)
    assert.are.equal(("killed call %s of helloworld.Greeter/SayHello"):format(id), line)
    servers.assert_status("CANCELLED", "killed by the operator", nil, status())
    local again, _, stderr = kill(id)
    assert.are.equal(1, again)
    assert.matches("no call " .. id .. " is live", stderr, 1, true)
  end)

  it("reloads, and says what changed or every error", function()
    local code, shown = folder:run "reload"
    assert.are.equal(0, code)
    assert.are.equal("nothing has changed", shown)
    folder:write("lua/greeter.lua", "local x = = 1")
    folder:write("lua/other.lua", "return )")
    local refused, _, stderr = folder:run "reload"
    assert.are.equal(1, refused)
    assert.matches("moonwire reload: refused\n", stderr, 1, true)
    assert.matches("lua/greeter.lua:1: unexpected symbol", stderr, 1, true)
    assert.matches("lua/other.lua:1: unexpected symbol", stderr, 1, true)
    assert.are.equal("one", assert(greeter:SayHello {}).message)
  end)

  it("takes a breaking edit of a proto only when forced", function()
    folder:write("proto/greeter.proto", (proto:gsub("string message", "int32 message")))
    folder:write("lua/greeter.lua", script "7")
    local refused, _, stderr = folder:run "reload"
    assert.are.equal(1, refused)
    assert.matches("helloworld.HelloReply.message", stderr, 1, true)
    local code, shown = folder:run("reload", "--force")
    assert.are.equal(0, code)
    assert.matches("^generation %d+ is live after [%d.]+ ms: ", shown)
  end)

  it("says what it would do with the folder, and does not do it", function()
    local code, shown = folder:run "check"
    assert.are.equal(0, code)
    assert.are.equal("ok: 1 service, 1 method, 1 script\ngeneration 1 is in force; it is what the folder holds", shown)
    folder:write("lua/greeter.lua", script '"two"')
    folder:write("moonwire.lua", "return {}")
    assert.are.equal(0, (folder:run "reload"))
    local rolled, back = run("rollback", "1", folder.dir)
    assert.are.equal(0, rolled)
    local number <const> = back:match "^generation (%d+)"
    local logged <const> = #server.process.stderr
    code, shown = folder:run "check"
    assert.are.equal(0, code)
    assert.are.equal("ok: 1 service, 1 method, 1 script\ngeneration " .. number
      .. " is in force; the folder would replace it: " .. "changed DIR/lua/greeter.lua; added DIR/moonwire.lua",
      folder:short(shown))
    assert.are.equal("one", assert(greeter:SayHello {}).message)
    assert.matches("\ngeneration " .. number .. ", kept", select(2, folder:run "status"))
    assert.is_nil(server.process.stderr:find("generation %d+ is live", logged))
  end)

  it("says what it would refuse, by the wire rules of what is in force too", function()
    folder:write("proto/greeter.proto", (proto:gsub("string message", "int32 message")))
    folder:write("lua/greeter.lua", script "7")
    test.eventually(function() return server.process.stderr:find "reload refused" end)
    local code, stdout, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.are.equal("", stdout)
    assert.matches("generation 1 is in force; the server would refuse the folder\n"
      .. "DIR/proto/greeter.proto:4: FIELD_[A-Z_]+: helloworld.HelloReply.message: [^\n]+\n"
      .. "to accept an edit that breaks clients, or if none uses yet what it takes away: moonwire reload DIR %-%-force, or serve with %-%-dev\n$", stderr)
    local _, _, refused = folder:run "reload"
    assert.matches("\nto accept an edit that breaks clients, or if none uses yet what it takes away: moonwire reload DIR --force, or serve with --dev\n", refused, 1, true)
    folder:write("lua/greeter.lua", "local x = = 1")
    local broken, _, errors = folder:run "check"
    assert.are.equal(1, broken)
    assert.are.equal(1, select(2, errors:gsub("lua/greeter.lua:1: unexpected symbol", "")))
    assert.matches("\ngeneration 1 is in force; the server would refuse the folder\n$", errors)
    assert.are.equal("one", assert(greeter:SayHello {}).message)
  end)

  it("speaks of its own folder only", function()
    local other <close> = project.new { ["lua/other.lua"] = "return 1" }
    local code, _, stderr = other:run("check", "--data", folder.dir .. "/data")
    assert.are.equal(1, code)
    assert.matches("the server serves another folder, " .. folder.dir, stderr, 1, true)
  end)

  it("brings an earlier generation back under a new number", function()
    folder:write("lua/greeter.lua", script '"two"')
    says "two"
    local code, shown = folder:run "rollback"
    assert.are.equal(0, code)
    assert.matches("^generation 3 is live after [%d.]+ ms: changed %S*lua/greeter.lua$", shown)
    says "one"
    local refused, _, stderr = run("rollback", "99", folder.dir)
    assert.are.equal(1, refused)
    assert.matches("no such generation is kept", stderr, 1, true)
  end)

  it("lets only its owner open the socket, and leaves none behind", function()
    local stat <close> = io.popen(("stat -c '%%a %%F' %s/data/moonwire.sock"):format(folder.dir))
    assert.are.equal("600 socket", stat:read())
    server:stop()
    local rest <close> = io.popen(("ls %s/data"):format(folder.dir))
    assert.is_nil(rest:read "a":find("moonwire.sock", 1, true))
    server = servers.start { dir = folder.dir, data = folder.dir .. "/data" }
  end)

  it("takes the place of one that was killed", function()
    server.process:kill(9)
    server.process:wait()
    local code, _, stderr = folder:run "status"
    assert.are.equal(1, code)
    assert.matches("no server is running on the data folder DIR/data", stderr, 1, true)
    server = servers.start { dir = folder.dir, data = folder.dir .. "/data" }
    assert.are.equal(0, (folder:run "status"))
  end)
end)

describe("without a server", function()
  for _, command in ipairs { "status", "reload", "rollback" } do
    it("moonwire " .. command .. " says so", function()
      local folder <close> = project.new {}
      local code, _, stderr = folder:run(command)
      assert.are.equal(1, code)
      assert.matches(("moonwire %s: no server is running on the data folder DIR/data"):format(command), stderr, 1, true)
    end)
  end

  it("moonwire check needs one only where one is named", function()
    local folder <close> = project.new {}
    assert.are.equal(0, (folder:run "check"))
    local code, _, stderr = folder:run("check", "--data", folder.dir .. "/data")
    assert.are.equal(1, code)
    assert.matches("moonwire check: no server is running on the data folder DIR/data", stderr, 1, true)
  end)

  it("wrong usage is told from it", function()
    local folder <close> = project.new {}
    local function refuses(expected, ...)
      local code, _, stderr = folder:run(...)
      assert.are.equal(2, code)
      assert.matches(expected, stderr, 1, true)
    end
    refuses("moonwire kill: expected the number of a call, got DIR", "kill")
    refuses("moonwire status: no option --force", "status", "--force")
    refuses("moonwire check: no option --force", "check", "--force")
    refuses("moonwire check: expected a value after --data", "check", "--data")
    refuses("moonwire check: expected at most one folder, got also other", "check", "other")
    refuses("moonwire reload: expected a value after --data", "reload", "--data")
    refuses("moonwire rollback: expected at most one folder, got also other", "rollback", "other")
  end)

  it("each command has its help", function()
    for _, command in ipairs { "status", "reload", "check", "rollback", "kill" } do
      local process <close> = test.start { command, "--help" }
      assert.are.equal(0, (process:wait()))
    end
  end)
end)

describe("moonwire serve", function()
  it("serves without a socket where the data folder's name is too long for one", function()
    local folder <close> = project.new {}
    local long = folder.dir .. "/" .. ("x"):rep(120)
    local server <close> = test.serve { dir = folder.dir, data = long }
    server:kill()
    assert.are.equal(0, (server:wait()))
    assert.matches("cannot reach this server: " .. long .. "/moonwire.sock: a socket's path has at most 107 bytes",
      server.stderr, 1, true)
  end)
end)
