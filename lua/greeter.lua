-- The smallest possible service: one unary method.
local mw = require "moonwire"

local Greeter = mw.service "helloworld.Greeter"

---@param req helloworld.HelloRequest
---@return helloworld.HelloReply
function Greeter.SayHello(req)
  return { message = "Hello " .. req.name .. "!" }
end
