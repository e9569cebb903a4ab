-- `moonwire test` itself: output and exit status. (test/projects/inproc tests the functions for specs.)
local project = require "support.project"
local test = require "moonwire.test"

local proto <const> = [[
syntax = "proto3";
package p;
service P { rpc Call(Empty) returns (Empty); }
message Empty {}
]]

local function folder_of(lua, spec)
  return project.new { ["proto/p.proto"] = proto, ["lua/p.lua"] = lua, ["spec/p_spec.lua"] = spec }
end

describe("moonwire test", function()
  it("exits with 0 when all pass", function()
    local folder <close> = folder_of("", "it('passes', function() end)")
    local code, out = folder:run("test", "--output=TAP")
    assert.are.equal(0, code)
    assert.matches("ok 1 - passes", out, 1, true)
  end)

  it("exits with 1 when one fails", function()
    local folder <close> = folder_of("", "it('passes', function() end) it('fails', function() error 'x' end)")
    local code, out = folder:run("test", "--output=TAP")
    assert.are.equal(1, code)
    assert.matches("not ok 2 - fails", out, 1, true)
  end)

  it("reports a spec that does not compile as TAP, and runs the others", function()
    local folder <close> = folder_of("", "it('passes', function() end)")
    folder:write("spec/broken_spec.lua", "\nlocal x = = 1")
    local code, out, err = folder:run("test", "--output=TAP")
    assert.are.equal(1, code)
    assert.matches("not ok 1 - spec/broken_spec.lua\n# spec/broken_spec.lua @ 2\n" ..
      "# Failure message: spec/broken_spec.lua:2: unexpected symbol near '='\nok 2 - passes\n1..2", out, 1, true)
    assert.is_nil(err:find("stack traceback", 1, true), err)
  end)

  it("reports a folder without specs as TAP", function()
    local folder <close> = folder_of("", "")
    assert(os.remove(folder.dir .. "/spec/p_spec.lua"))
    local code, out, err = folder:run("test", "--output=TAP")
    assert.are.equal(1, code)
    assert.matches("not ok 1 - specs\n# busted @ 0\n# Failure message: No test files found", out, 1, true)
    assert.is_nil(err:find("stack traceback", 1, true), err)
  end)

  it("exits with 1 when a script does not load", function()
    local folder <close> = folder_of("local x =", "it('passes', function() end)")
    local code, _, err = folder:run "test"
    assert.are.equal(1, code)
    assert.matches("lua/p.lua:1: unexpected symbol near <eof>", err, 1, true)
  end)

  it("exits with 2 without such a folder", function()
    local process <close> = test.start { "test", "/no/such/folder" }
    assert.are.equal(2, (process:wait()))
    assert.are.equal("moonwire test: /no/such/folder: No such file or directory\n", process.stderr)
  end)

  it("shows what a handler logs", function()
    local folder <close> = folder_of([[
      local mw = require "moonwire"
      mw.service("p.P").Call = function() mw.log.info "from the handler" return {} end
    ]], "local test = require 'moonwire.test' it('x', function() test.service('p.P'):Call {} end)")
    local code, _, err = folder:run "test"
    assert.are.equal(0, code)
    assert.matches('msg="from the handler"', err, 1, true)
  end)

  it("fails a test that leaves a call or a function behind which does not end", function()
    local folder <close> = folder_of([[
      local mw = require "moonwire"
      mw.service("p.P").Call = function()
        local _ <close> = setmetatable({}, { __close = function() mw.sleep(8) end })
        mw.sleep(600)
      end
    ]], [[
      local mw, test = require "moonwire", require "moonwire.test"
      it("leaves", function()
        mw.spawn(function() test.service("p.P"):Call {} end)
        mw.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() mw.sleep(8) end })
          mw.sleep(600)
        end)
        test.settle()
      end)
    ]])
    local code, out = folder:run "test"
    assert.are.equal(1, code)
    assert.matches("the call of p.P/Call outlives the test: it waits at lua/p.lua:3", out, 1, true)
    assert.matches("1 jobs or spawned functions outlive the test", out, 1, true)
  end)

  it("fails a test that waits for ever, at once, with its name and place, and runs the others", function()
    local folder <close> = folder_of([[
      local mw = require "moonwire"
      mw.service("p.P").Call = function()
        for _ in mw.topic("never"):subscribe() do end
      end
    ]], [[
      local mw, test = require "moonwire", require "moonwire.test"
      it("listens", function()
        mw.topic("never"):subscribe():receive()
      end)
      it("calls", function()
        test.service("p.P"):Call {}
      end)
      it("waits in a coroutine", function()
        coroutine.wrap(function()
          mw.topic("never"):subscribe():receive()
        end)()
      end)
      it("stops the clock", function()
        local clock <close> = test.clock()
        mw.sleep(1)
      end)
      it("passes", function()
        mw.sleep(0.02)
        assert.is_false(pcall(function() mw.topic("never"):subscribe():receive() end))
        assert.are.same({}, test.calls())
      end)
    ]])
    local code, out = folder:run("test", "--output=TAP")
    local words <const> = ": waits forever: no timer, call or other work can end the wait"
    assert.are.equal(1, code)
    for _, line in ipairs {
      "spec/p_spec.lua:3" .. words .. "\n",
      "spec/p_spec.lua:6" .. words .. "; the call of p.P/Call waits at lua/p.lua:3\n",
      "spec/p_spec.lua:10" .. words .. "\n",
      "spec/p_spec.lua:15" .. words .. "; the clock is stopped: clock:run() lets time pass while a function waits\n",
      "not ok 1 - listens", "not ok 2 - calls", "not ok 3 - waits in a coroutine", "not ok 4 - stops the clock",
      "ok 5 - passes",
    } do
      assert.matches(line, out .. "\n", 1, true)
    end
  end)

  describe("with a folder that always has something due", function()
    local lua <const> = 'local mw = require "moonwire" mw.every(0.05, function() end)'

    it("fails a test that waits longer than its limit, with its place, and runs the others", function()
      local folder <close> = folder_of(lua, [[
        local mw, test = require "moonwire", require "moonwire.test"
        it("listens", function()
          mw.topic("never"):subscribe():receive()
        end)
        it("pauses", function()
          test.pause(600)
        end)
        it("asks again and again", function()
          while true do test.settle() end
        end)
        it("passes", function() mw.sleep(0.01) end)
      ]])
      local words <const> =
        ": the test has taken more than 0.3 s, the limit (--timeout, or the setting test.seconds), and waits here"
      for _, by in ipairs { "flag", "setting" } do
        if by == "setting" then folder:write("moonwire.lua", "return { test = { seconds = 0.3 } }") end
        local code, out, err = folder:run("test", "--output=TAP", by == "flag" and "--timeout=0.3" or nil)
        assert.are.equal(1, code, err)
        for _, line in ipairs {
          "spec/p_spec.lua:3" .. words, "spec/p_spec.lua:6" .. words, "spec/p_spec.lua:9" .. words,
          "not ok 1 - listens", "not ok 2 - pauses", "not ok 3 - asks again and again", "ok 4 - passes",
        } do
          assert.matches(line, out, 1, true)
        end
      end
    end)

    it("ends a test that runs longer than its limit without waiting", function()
      local folder <close> = folder_of(lua, '\nit("spins", function()\nwhile true do end end)')
      local code, _, err = folder:run("test", "--timeout=0.3")
      assert.are.equal(1, code)
      assert.matches('moonwire test: "spins" (spec/p_spec.lua:2) runs on at spec/p_spec.lua:3: ', err, 1, true)
      assert.matches("ran for more than 300 ms without waiting", err, 1, true)
    end)

    it("names the test and its place at SIGINT", function()
      for body, verb in pairs {
        ['mw.topic("never"):subscribe():receive()'] = "waits", ['test.pause(600)'] = "waits",
        ['while true do end'] = "runs",
      } do
        local folder <close> = folder_of(lua, ([[
          local mw, test = require "moonwire", require "moonwire.test"
          it("hangs", function()
            io.stdout:write "begun\n" io.stdout:flush()
            %s
          end)
        ]]):format(body))
        local process <close> = test.start { "test", folder.dir, "--output=TAP" }
        test.eventually(function() return process:read_line() == "begun" end)
        process:kill(2)
        assert.are.equal(130, (process:wait()), body)
        assert.matches('moonwire test: interrupted in "hangs" (spec/p_spec.lua:2), which ' .. verb
          .. " at spec/p_spec.lua:4", process.stderr, 1, true)
      end
    end)

    it("refuses a limit that is none", function()
      local folder <close> = folder_of(lua, "")
      for _, value in ipairs { "x", "-1", "nan", "1e9" } do
        local code, _, err = folder:run("test", "--timeout", value)
        assert.are.equal(2, code)
        assert.are.equal("moonwire test: --timeout: expected seconds from 0 (no limit) to 86400, got " .. value ..
          "\nTry moonwire test --help.\n", err)
      end
    end)
  end)

  it("lets a test wait for what comes from elsewhere", function()
    local folder <close> = folder_of([[
      local mw = require "moonwire"
      mw.service("p.P").Call = function() mw.sleep(0.1) return {} end
    ]], [[
      local mw, test = require "moonwire", require "moonwire.test"
      it("a server", function()
        local server <close>, address = test.serve()
        assert(mw.client(address):service("p.P"):Call {})
      end)
      it("the end of a message's time", function()
        local infos = mw.store.collection { name = "infos", message = "google.rpc.ErrorInfo", key = "reason" }
        local watch <close> = infos:watch()
        infos:put({ reason = "x" }, { ttl = 0.1 })
        assert.are.equal("put", watch().type)
        assert.are.equal("delete", watch().type)
      end)
    ]])
    local code, out = folder:run("test", "--output=TAP")
    assert.are.equal(0, code, out)
  end)

  it("fails a test whose scripts do not load again", function()
    local folder <close> = folder_of([[
      local mw = require "moonwire"
      local loads = mw.metrics.counter { name = "loads_total" }
      loads:inc()
      if loads:value() > 1 then error "once is enough" end
    ]], "it('passes', function() end)")
    local code, out = folder:run "test"
    assert.are.equal(1, code)
    assert.matches("lua/p.lua:4: once is enough", out, 1, true)
  end)
end)
