local mw = require "moonwire"
local project = require "support.project"

-- What a script logs while `moonwire check` loads it, without the times.
local function logged(script)
  local folder <close> = project.new { ["lua/script.lua"] = 'local mw = require "moonwire"\n' .. script }
  local code, _, stderr = folder:run "check"
  assert.equal(0, code, stderr)
  local lines = {}
  for line in stderr:gmatch "[^\n]+" do
    local rest = line:match "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ (.*)"
    lines[#lines + 1] = rest and rest:gsub("generation=%d+ ", ""):gsub("worker=%d+ ", "") or line
  end
  return lines
end

describe("mw.log", function()
  it("has a function for each level; debug is dropped by default", function()
    assert.same({ 'info  msg="i"', 'warn  msg="w"', 'error msg="e"' }, logged [[
      mw.log.debug "d"
      mw.log.info "i"
      mw.log.warn "w"
      mw.log.error "e"
    ]])
  end)

  it("takes any message that has a text", function()
    assert.same({ 'info  msg="42"', 'info  msg="NOT_FOUND: no task"', [[info  msg="a zero byte: \\0"]] }, logged [[
      mw.log.info(42)
      mw.log.info(mw.status.not_found "no task")
      mw.log.info "a zero byte: \0"
    ]])
  end)

  it("sorts the fields and quotes what needs it", function()
    local expected = [[info  msg="two\nlines" id=1 open=true ratio=0.5 status="NOT_FOUND: no task" zero="a\\0b"]]
    assert.same({ expected }, logged [[
      local status = mw.status.not_found "no task"
      mw.log.info("two\nlines", { ratio = 0.5, id = 1, zero = "a\0b", open = true, status = status })
    ]])
  end)

  it("raises for what is no message or no fields", function()
    local ok, err = pcall(mw.log.info)
    assert.is_false(ok)
    assert.matches("bad argument #1", err)
    ok, err = pcall(mw.log.info, "spec", "text")
    assert.is_false(ok)
    assert.matches("table expected, got string", err)
    ok, err = pcall(mw.log.info, "spec", { "text" })
    assert.is_false(ok)
    assert.matches("expected fields with names: {name = value}", err, 1, true)
  end)

  it("raises for more than 64 fields", function()
    local fields = {}
    for i = 1, 65 do fields["f" .. i] = i end
    local ok, err = pcall(mw.log.info, "spec", fields)
    assert.is_false(ok)
    assert.matches("expected at most 64 fields", err)
    fields.f65 = nil
    mw.log.info("spec: 64 fields", fields)
  end)
end)
