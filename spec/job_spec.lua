-- Work outside calls: mw.sleep, mw.spawn, mw.every, mw.live.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

-- Serves a folder of one script on two workers until `condition(log)` holds. Returns the whole log.
local function log_of(script, condition, files)
  files = files or {}
  files["lua/jobs.lua"] = 'local mw = require "moonwire"\n' .. script
  local folder <close> = project.new(files)
  local server = servers.start { dir = folder.dir, args = { "--workers", "2" } }
  test.eventually(function() return condition(server.process.stderr) end)
  return server:stop()
end

local function times(log, text)
  local n, at = 0, 1
  while true do
    at = log:find(text, at, true)
    if not at then return n end
    n, at = n + 1, at + 1
  end
end

local function seen(text, n)
  return function(log) return times(log, text) >= (n or 1) end
end

describe("mw.sleep", function()
  it("waits", function()
    local started = test.now()
    mw.sleep(0.02)
    assert.is_true(test.now() - started >= 0.02)
    mw.sleep(0)
  end)

  it("takes seconds from 0 to 1e9", function()
    for _, wrong in ipairs { -1, 2e9, 0 / 0 } do
      assert.has_error(function() mw.sleep(wrong) end, "bad argument #1 to 'sleep' (expected seconds from 0 to 1e9)")
    end
    assert.has_error(function() mw.sleep "x" end, "bad argument #1 to 'sleep' (number expected, got string)")
  end)
end)

describe("mw.spawn", function()
  it("runs beside the caller, at once until it first waits", function()
    local order = {}
    mw.spawn(function()
      order[#order + 1] = "spawned"
      mw.sleep(0.001)
      order[#order + 1] = "woken"
    end)
    order[#order + 1] = "caller"
    test.eventually(function() return #order == 3 end)
    assert.are.same({ "spawned", "caller", "woken" }, order)
  end)

  it("runs in a following turn what a function spawns that was spawned itself and has not waited", function()
    local order = {}
    mw.spawn(function()
      mw.spawn(function() order[#order + 1] = "inner" end)
      order[#order + 1] = "outer"
      mw.sleep(0)
      mw.spawn(function() order[#order + 1] = "after a wait" end)
      order[#order + 1] = "woken"
    end)
    order[#order + 1] = "caller"
    test.eventually(function() return #order == 5 end)
    assert.are.same({ "outer", "caller" }, { order[1], order[2] })
    assert.are.same({ "after a wait", "woken" }, { order[#order - 1], order[#order] })
  end)

  it("spawns any number of functions from within each other", function()
    local n = 0
    local function again()
      n = n + 1
      if n < 1000 then mw.spawn(again) end
    end
    mw.spawn(again)
    test.eventually(function() return n == 1000 end)
  end)

  it("runs on each worker once it serves, when it was called while the script loaded", function()
    local log = log_of("mw.spawn(function() mw.sleep(0.001) mw.log.info 'started' end)", seen('msg="started"', 2))
    assert.are.equal(2, times(log, 'msg="started"'))
    assert.are.equal(1, times(log, 'worker=0 msg="started"'))
    assert.are.equal(1, times(log, 'worker=1 msg="started"'))
  end)

  it("logs an error with its traceback", function()
    local log = log_of("mw.spawn(function()\nmw.sleep(0)\nerror 'broken' end)", seen "broken")
    assert.matches('"a job failed: .*/lua/jobs.lua:4: broken.*" job=.*/lua/jobs.lua:%d+', log)
    assert.matches("stack traceback:", log, 1, true)
  end)

  it("takes a function", function()
    assert.has_error(function() mw.spawn(1) end, "bad argument #1 to 'spawn' (function expected, got number)")
  end)

  it("ends with the server: <close> variables run", function()
    local log = log_of([[
      mw.spawn(function()
        local _ <close> = setmetatable({}, { __close = function(_, err)
          mw.sleep(0.001)
          mw.log.info("closed", { err = err })
        end })
        mw.log.info "waits"
        pcall(mw.sleep, 600)
        mw.log.info "went on"
      end)]], seen('msg="waits"', 2))
    assert.are.equal(2, times(log, 'msg="closed" err="UNAVAILABLE: the server stops this job"'))
    assert.are.equal(0, times(log, "went on"))
  end)
end)

describe("mw.every", function()
  it("runs again and again, on one worker", function()
    local log = log_of("mw.every(0.01, function() mw.log.info 'tick' end)", seen('msg="tick"', 5))
    assert.are.equal(times(log, "tick"), times(log, 'worker=0 msg="tick"'))
  end)

  it("runs on after an error", function()
    log_of("mw.every(0.01, function() error 'broken' end)", seen("lua/jobs.lua:2: broken", 3))
  end)

  it("never overlaps its own runs", function()
    log_of([[
      local running, runs = false, 0
      mw.every(0.001, function()
        assert(not running, "overlapped")
        running, runs = true, runs + 1
        mw.sleep(0.01)
        running = false
        mw.log.info("run", { runs = runs })
      end)]], function(log) return assert(not log:find "overlapped", log) and log:find "runs=5" end)
  end)

  it("is for scripts that load, and takes a period", function()
    assert.has_error(function() mw.every(1, print) end,
      "mw.every: jobs are registered while the script loads; use mw.spawn with mw.sleep here")
    assert.has_error(function() mw.every(0, print) end, "bad argument #1 to 'every' (expected at least 0.001 seconds)")
  end)
end)

describe("a script that spawns nothing but spins", function()
  local spins <const> =
    'local mw = require "moonwire" for _ = 1, 1000 do mw.spawn(function() while true do end end) end'

  it("leaves the server to its callers and its operator", function()
    local folder <close> = project.new { ["lua/spins.lua"] = spins, ["lua/good.lua"] = "" }
    local server = servers.start { dir = folder.dir, data = folder.dir .. "/data", args = { "--workers", "1" } }
    local log = server.process
    test.eventually(function() return log.stderr:find("the job ran for more than 100 ms", 1, true) end)

    local health <const> = mw.client(server.address):service "grpc.health.v1.Health"
    assert.are.equal("SERVING", health:Check({}).status)

    local status
    test.eventually(function()
      status = select(2, folder:run "status")
      return status:find("JOBS PAUSE IN GENERATION", 1, true)
    end)
    assert.matches("\n1 +0 +%d+ +%d+.%ds +lua/spins.lua:1\n", folder:short(status):gsub("DIR/", ""))
    assert.matches("jobs of this generation pause for 1 s: too many were cut, the last one here", log.stderr, 1, true)
    assert.matches("lua/spins.lua:1 +spawned +%- +1 +0 +its turn", folder:short(status))

    assert(os.remove(folder.dir .. "/lua/spins.lua"))
    assert.are.equal(0, (folder:run "reload"))
    status = select(2, folder:run "status")
    assert.is_nil(status:find("JOBS PAUSE", 1, true))
    assert.is_nil(status:find("spins", 1, true))

    folder:write("lua/spins.lua", spins)
    folder:run "reload"
    assert.are.equal(0, (folder:run "rollback"))
    server:stop()
  end)
end)

describe("load", function()
  it("returns what its reader raises, and that a source is nested too deep, and logs nothing", function()
    local log = log_of([[
      mw.spawn(function()
        mw.log.info("raised", { err = select(2, load(function() error("no piece", 0) end)) })
        mw.log.info("deep", { err = select(2, load("return " .. ("{"):rep(300))) })
        mw.log.info("end")
      end)]], seen('msg="end"', 2))
    assert.are.equal(2, times(log, 'msg="raised" err="no piece"\n'))
    assert.are.equal(2, times(log, 'msg="deep" err="C stack overflow"\n'))
    assert.is_nil(log:find(" error ", 1, true))
  end)
end)

describe("mw.live", function()
  it("is the module", function()
    assert.are.equal("CPU_HIGH", mw.live("thresholds")[1].alert)
  end)

  it("names a module that is not there", function()
    assert.error_matches(function() mw.live "treshold" end, "module 'treshold' not found", 1, true)
  end)
end)
