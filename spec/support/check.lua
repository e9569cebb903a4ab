-- `moonwire check` of temporary folders, for the specs of its findings.
local assert = require "luassert"
local project = require "support.project"

local check = {}

-- The schema of the folders: greet.Greeter with two unary methods.
check.proto = [[
syntax = "proto3";
package greet;
service Greeter {
  rpc Hello(Request) returns (Reply);
  rpc Goodbye(Request) returns (Reply);
}
message Request { string name = 1; }
message Reply { string text = 1; }
]]

--- Checks a folder with lua/greet.lua and `files`, which may have another proto/greet.proto.
---@param script string
---@param files? table<string, string>
---@return integer code
---@return string stderr
function check.run(script, files)
  files = files or {}
  files["proto/greet.proto"] = files["proto/greet.proto"] or check.proto
  files["lua/greet.lua"] = script
  local folder <close> = project.new(files)
  local code, _, stderr = folder:run "check"
  return code, stderr
end

--- Asserts that the check of such a folder fails, and that stderr has `expected`.
function check.assert_error(expected, script, files)
  local code, stderr = check.run(script, files)
  assert.are.equal(1, code, stderr)
  assert.is_truthy(stderr:find(expected, 1, true), ("expected %q in %q"):format(expected, stderr))
end

return check
