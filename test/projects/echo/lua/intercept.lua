-- Interceptors around the echo service, for specs: the reply's trailers and status show the effect of each.
local mw = require "moonwire"

mw.intercept(function(call, next)
  if call.metadata["x-deny"] then return nil, mw.status.unauthenticated("denied by the first") end
  call:set_trailer("x-order", "outer")
  return next()
end)

mw.intercept("echo.Echo", function(call, next)
  mw.sleep(0.001) -- interceptors may wait
  call:set_trailer("x-order", "inner")
  return next()
end)

mw.intercept("echo.Echo/Collect", function(call, next)
  if call.metadata["x-swap"] then return { text = "from the interceptor" } end
  return next()
end)
