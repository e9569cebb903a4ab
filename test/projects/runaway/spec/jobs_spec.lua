-- Jobs that run away: the server goes on, and stops on request.
local mw = require "moonwire"
local beside = require "support.beside"
local test = require "moonwire.test"

describe("calls go on beside", function()
  for _, what in ipairs {
    "jobs", "jobs that wake together", "a job that spawns itself", "jobs that spawn two each",
    "waiting jobs that spawn two each", "sleeps that end together",
  } do
    it(what, function()
      local server <close>, address = test.serve()
      local client = mw.client(address):service "runaway.Runaway"
      for _ = 1, 100 do client:Ping {} end
      local calls = beside.new(server, client)
      local pinger = calls:start()
      local till <const> = test.now() + 3
      assert.is_table((client:Run { what = what }))
      test.eventually(function() return test.now() > till end)
      calls:finish(pinger)
      calls:check(what)
      server:kill()
      assert.equal(0, (server:wait()))
    end)
  end
end)
