-- Functions that are allowed while scripts load are refused later, in handlers and jobs. (check_script_spec.lua tests
-- mistakes with handlers; test/projects/inproc has a handler that registers one.)
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
