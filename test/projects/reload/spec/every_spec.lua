-- mw.every across saves: a job keeps its due times, and no run is doubled, cut or lost.
local copy = require "support.copy"
local test = require "moonwire.test"

describe("mw.every across saves", function()
  -- A job each of whose runs lasts until a value is published.
  local function gated(name, options)
    return ([[
local mw = require "moonwire"
mw.every(0.02, %sfunction()
  local gate <close> = mw.topic("gate"):subscribe()
  mw.log.info "begins %s"
  gate:receive()
  mw.log.info "ends %s"
end)
]]):format(options or "", name, name)
  end

  local function serve(jobs, settings)
    return copy.serve(nil, {
      ["lua/reload.lua"] = copy.evaluates, ["lua/jobs.lua"] = jobs,
      ["moonwire.lua"] = settings or "return { workers = 2 }",
    })
  end

  -- Ends the runs under way. Returns their number.
  local function open_gate(folder) return copy.ask(folder, "return mw.topic('gate'):publish(1)") end

  -- Seconds until the next run of the job at `place`, read from `moonwire status`.
  local function due(folder, place)
    local _, shown = folder:admin "status"
    local minutes, seconds = shown:match(place:gsub("%p", "%%%0") .. " [^\n]*next run in (%d+)m(%d+)s")
    return minutes and minutes * 60 + seconds or 3600
  end

  it("keeps its due times: saves that are more frequent than the period do not put it off", function()
    local function job(name)
      return ('require "moonwire".every(1, function() require "moonwire".log.info "runs %s" end)'):format(name)
    end
    local folder <close> = serve(job "g1")
    local limit <const>, generation = test.now() + 30, 1
    repeat
      generation = generation + 1
      folder:commit("lua/jobs.lua", job("g" .. generation))
    until folder:count 'msg="runs g' == 3 or test.now() > limit
    assert.equal(3, folder:count 'msg="runs g')
  end)

  it("knows a job by its name, and without one by its file, period and order there", function()
    local folder <close> = serve [[
local mw = require "moonwire"
mw.every(3600, { name = "named" }, print)
mw.every(3590, function() end)
mw.every(3580, function() end)
mw.every(3570, function() end)
]]
    local before
    test.eventually(function()
      before = { named = due(folder, "named"), [3590] = due(folder, "lua/jobs.lua:3") }
      return before.named < 3599
    end)
    folder:commit("lua/jobs.lua", [[
local mw = require "moonwire"
mw.every(3500, function() end)
mw.every(3570, function() end)
mw.every(3590, { name = "other" }, function() end)
mw.every(3600, { name = "named" }, function() end)
]])
    assert.is_true(due(folder, "named") <= before.named)
    assert.is_true(due(folder, "other") <= before[3590])
    assert.is_true(due(folder, "lua/jobs.lua:2") <= before[3590] - 90) -- the new period counts from the last due time
  end)

  it("finishes a run in its generation; the next one follows in the newest", function()
    local folder <close> = serve(gated "g1")
    test.eventually(function() return folder:count "begins g1" == 1 end)
    folder:commit("lua/jobs.lua", gated "g2")
    folder:expect("a job waits for its run of generation 1, which has taken [%d.]+ s; the setting generation_age " ..
      'limits that" job=%S*lua/jobs.lua:2 at=%S*lua/jobs.lua:5\n', function()
        folder:commit("lua/jobs.lua", gated "g3")
      end)
    local _, shown = folder:admin "status"
    assert.matches("\n%S*lua/jobs.lua:2 +every 0.0s +[%d.]+s +1 +0 +%S*lua/jobs.lua:5\n", shown)
    assert.matches("\n%S*lua/jobs.lua:2 +every 0.0s +%- +3 +0 +the run of generation 1$", shown)
    assert.matches("\n1 +0 +[%d.]+s +1 +%(1 run of mw.every%)\n", shown)
    assert.equal("1", open_gate(folder))
    test.eventually(function() return folder:count "begins g3" == 1 end)
    assert.equal(1, folder:count "ends g1")
    assert.equal(0, folder:count "begins g2")
    test.eventually(function() return not select(2, folder:admin "status"):find("OLD GENERATION", 1, true) end)
    open_gate(folder)
    test.eventually(function() return folder:count "begins g3" >= 2 end)
    assert.equal(1, folder:count "begins g1")
    assert.equal(0, folder:count "was cut")
    open_gate(folder)
  end)

  it("finishes a run across a rollback too", function()
    local folder <close> = serve(gated "g1")
    test.eventually(function() return folder:count "begins g1" == 1 end)
    folder:commit("lua/jobs.lua", gated "g2")
    assert.equal(0, (folder:admin "rollback"))
    assert.equal("1", open_gate(folder))
    test.eventually(function() return folder:count "begins g1" == 2 end)
    assert.equal(1, folder:count "ends g1")
    assert.equal(0, folder:count "begins g2")
    open_gate(folder)
  end)

  it("finishes a run with what it has spawned, and ends that with it", function()
    local folder <close> = serve [[
local mw = require "moonwire"
mw.every(0.02, function()
  local gate <close> = mw.topic("gate"):subscribe()
  local answers <close> = mw.topic("answers"):subscribe()
  mw.spawn(function()
    mw.log.info "helper begins"
    while true do
      gate:receive()
      mw.topic("answers"):publish "helped"
      local ending <close> = setmetatable({}, { __close = function() mw.log.info "helper ends" end })
      mw.sleep(3600)
    end
  end)
  mw.log.info((answers:receive()))
end)
]]
    test.eventually(function() return folder:count "helper begins" == 1 end)
    folder:expect("generation %d+ is live", function() folder:delete "lua/jobs.lua" end)
    assert.equal(0, folder:count "helper ends")
    assert.equal("1", open_gate(folder))
    test.eventually(function() return folder:count 'msg="helped"' == 1 and folder:count "helper ends" == 1 end)
    test.eventually(function() return not select(2, folder:admin "status"):find("OLD GENERATION", 1, true) end)
  end)

  it("is cut at the age that generation_age allows, with a line that names the job, its place and its time", function()
    local settings <const> = "return { workers = 2, generation_age = 0.05 }"
    local folder <close> = serve(gated("g1", '{ name = "gated" }, '), settings)
    test.eventually(function() return folder:count "begins g1" == 1 end)
    local log = folder:expect("begins g2", function()
      folder:write("lua/jobs.lua", gated("g2", '{ name = "gated" }, '))
    end)
    assert.matches('warn [^\n]*msg="a run of generation 1 was cut after [%d.]+ s" job=gated at=%S*lua/jobs.lua:5\n',
      log)
    assert.equal(0, folder:count "ends g1")
    open_gate(folder)
  end)

  it("is cut by the end of the server, with such a line", function()
    local folder <close> = serve(gated "g1")
    test.eventually(function() return folder:count "begins g1" == 1 end)
    folder.server:kill()
    folder.server:wait()
    assert.matches('msg="a run of generation 1 was cut after [%d.]+ s" job=%S*lua/jobs.lua:2 at=%S*lua/jobs.lua:5\n',
      folder.server.stderr)
  end)

  it("takes each name once", function()
    local folder <close> = serve ""
    folder:refused("lua/jobs.lua", [[
local mw = require "moonwire"
mw.every(1, { name = "twice" }, print)
mw.every(1, { name = "twice" }, print)
]], "lua/jobs.lua:3: mw.every: a job named twice is registered already; a name stands for one job")
    folder:refused("lua/jobs.lua", 'require "moonwire".every(1, { name = "\t" }, print)',
      "name: expected 1 to 64 bytes without control characters")
    folder:refused("lua/jobs.lua", 'require "moonwire".every(1, { nmae = "x" }, print)',
      "mw.every: unknown option nmae %(expected name%)")
    folder:refused("lua/jobs.lua", 'for _ = 1, 1001 do require "moonwire".every(1, print) end',
      "mw.every: expected at most 1000 jobs in the lua folder: combine several into one")
  end)
end)
