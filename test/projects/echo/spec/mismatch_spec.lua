-- A client and a server with different contracts, as when one of them is older: the client's error describes the
-- message that came instead of a reply.
local echo = require "support.echo"
local folders = require "support.folder"

local proto = [[
syntax = "proto3";
package echo;
service Echo {
  rpc Unary(Message) returns (stream Message);
  rpc Expand(Message) returns (stream Message);
  rpc Collect(Message) returns (Message);
}
message Message { string what = 1; bytes text = 2; }
]]

local script = [[
local mw = require "moonwire"
local Echo = mw.service "echo.Echo"
local replies = { two = 2, none = 0, bytes = 1 }
function Echo.Unary(req, call)
  for _ = 1, replies[req.what] do call:send { text = "\xff" } end
end
Echo.Expand = Echo.Unary
function Echo.Collect(req) return req end
]]

describe("a client of another contract", function()
  local server, folder
  setup(function()
    folder = folders.with_other(proto, script)
    server = echo.start { dir = folder.dir }
  end)
  teardown(function()
    server:stop()
    folder:close()
  end)

  it("wants one reply", function()
    echo.assert_status("UNIMPLEMENTED", "the server sent more than one reply, the method has one", server:unary "two")
    echo.assert_status("UNIMPLEMENTED", "the server sent no reply, the method has one", server:unary "none")
  end)

  it("says what is wrong with a reply", function()
    echo.assert_status("INTERNAL", "the reply of /echo.Echo/Unary: echo.Message.text: ", server:unary "bytes")
    local stream <close> = server.echo:Expand { what = "bytes" }
    echo.assert_status("INTERNAL", "a message of /echo.Echo/Expand: echo.Message.text: ", stream:receive())
  end)

  it("gets a status when the server wants one request only", function()
    local stream <close> = server.echo:Collect()
    stream:send { what = "a" }
    stream:send { what = "b" }
    local reply, status = stream:finish()
    assert.is_true(reply ~= nil or status ~= nil)
  end)
end)
