local mw = require "moonwire"
local servers = require "support.server"

describe("helloworld.Greeter", function()
  local server, greeter
  setup(function()
    server = servers.start()
    greeter = mw.client(server.address):service "helloworld.Greeter"
  end)
  teardown(function() server:stop() end)

  it("greets by name", function()
    for _, name in ipairs { "World", "", "Jürgen 👋" } do
      assert.are.equal("Hello " .. name .. "!", assert(greeter:SayHello { name = name }).message)
    end
  end)
end)
