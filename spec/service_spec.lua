-- What belongs to the loading of scripts is refused later, in a handler or a job. (What is wrong with handlers is in
-- check_spec.lua; a handler that sets one is in test/projects/inproc.)
local mw = require "moonwire"

describe("after the scripts were loaded", function()
  it("no further service can be registered", function()
    assert.error_matches(function() mw.service "grpc.health.v1.Health" end,
      "mw.service: services are registered while scripts load", 1, true)
  end)

  it("no interceptor can be set", function()
    assert.error_matches(function() mw.intercept(print) end,
      "mw.intercept: interceptors are set while scripts load", 1, true)
  end)
end)
