local mw = require "moonwire"
local project = require "support.project"
local test = require "moonwire.test"

-- The log lines of a script that `moonwire check` loads, without their times.
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

  it("writes each name once: a field takes the place of the line's own value", function()
    local expected <const> = { 'info  msg="m" call=7 method=mine msg_=again trace_id=t',
      'info  msg="m" generation=g worker=w' }
    assert.same(expected, logged [[
      mw.log.info("m", { method = "mine", msg = "again", call = 7, trace_id = "t" })
      mw.log.info("m", { generation = "g", worker = "w" })
    ]])
  end)

  it("sorts the fields and quotes what needs it", function()
    local expected = [[info  msg="two\nlines" id=1 open=true ratio=0.5 status="NOT_FOUND: no task" zero="a\\0b"]]
    assert.same({ expected }, logged [[
      local status = mw.status.not_found "no task"
      mw.log.info("two\nlines", { ratio = 0.5, id = 1, zero = "a\0b", open = true, status = status })
    ]])
  end)

  it("raises without a message", function()
    local ok, err = pcall(mw.log.info)
    assert.is_false(ok)
    assert.matches("bad argument #1", err)
  end)

  it("takes any other arguments into the message", function()
    assert.same({ 'info  msg="spec text"', 'info  msg="spec { \\"text\\" }"', 'info  msg="spec NOT_FOUND: x"',
      'info  msg="a 1 nil true"',
      'info  msg="spec"', 'info  msg="a { x = 1 } b"', 'info  msg="spec { 1, x = 2 }"' }, logged [[
      mw.log.info("spec", "text")
      mw.log.info("spec", { "text" })
      mw.log.info("spec", mw.status.not_found "x")
      mw.log.info("a", 1, nil, true)
      mw.log.info("spec", nil)
      mw.log.info("a", { x = 1 }, "b")
      mw.log.info("spec", { 1, x = 2 })
    ]])
  end)

  it("takes 64 fields; a table with more is part of the message", function()
    local fields = {}
    for i = 1, 65 do fields["f" .. i] = i end
    mw.log.info("spec: 65 fields", fields)
    fields.f65 = nil
    mw.log.info("spec: 64 fields", fields)
    local lines = test.logs()
    assert.matches('msg="spec: 65 fields { f%d+ = %d+, .*, %.%.%. }"', lines[#lines - 1])
    assert.matches('msg="spec: 64 fields" f1=1 f10=10 ', lines[#lines], 1, true)
  end)

  it("shows tables, in messages, in fields and by print", function()
    local expected = '{ 1, \\"two\\", { ok = true }, [\\"a b\\"] = false, at = 1.5, name = \\"x\\" }'
    assert.same({ ('info  msg="%s"'):format(expected), ('info  msg="fields" t="%s"'):format(expected),
      ('info  msg="print:\\t%s"'):format(expected), 'info  msg="{}"' }, logged [[
      local t = { 1, "two", { ok = true }, name = "x", at = 1.5, ["a b"] = false }
      mw.log.info(t)
      mw.log.info("fields", { t = t })
      print("print:", t)
      mw.log.info {}
    ]])
  end)
end)

describe("a table in the log", function()
  local function shown(t)
    mw.log.info(t)
    local lines = test.logs()
    return lines[#lines]:match 'msg="?(.-)"?$'
  end

  it("has four levels, and no table within itself", function()
    assert.equal("{ { { { {...} } } } }", shown { { { { { 1 } } } } })
    local t = { x = {} }
    t.self = t
    t.x.up = t
    assert.equal("{ self = {...}, x = { up = {...} } }", shown(t))
  end)

  it("has 64 entries of a sequence or by name, and 8 KiB", function()
    local long, wide, big = {}, {}, {}
    for i = 1, 65 do
      long[i], wide["k" .. i], big[i] = i, i, ("x"):rep(200)
    end
    assert.matches("^{ 1, 2, .*, 64, %.%.%. }$", shown(long))
    assert.matches(", %.%.%. }$", shown(wide))
    assert.matches("%.%.%.$", shown(big))
    assert.equal(('{ %s, \\"%s...\\" }'):format(1, ("y"):rep(256)), shown { 1, ("y"):rep(1000) })
  end)

  it("has what tostring makes of objects, and keys of any type", function()
    assert.equal("{ NOT_FOUND: x, [2.5] = <me>, [true] = tasks.Task", (shown {
      mw.status.not_found "x", [2.5] = setmetatable({}, { __tostring = function() return "<me>" end }),
    } .. ", [true] = tasks.Task"):gsub(" }, ", ", "))
    assert.matches("{ [false] = ", shown { [false] = print }, 1, true)
    assert.matches("tasks.Task", shown { mw.message("tasks.Task", { title = "x" }) }, 1, true)
  end)

  it("is safe from a __tostring that changes it", function()
    local t = { a = 1, c = 3 }
    t.b = setmetatable({}, { __tostring = function()
      for i = 1, 100 do t["n" .. i] = i end
      t.c = nil
      return "b"
    end })
    assert.equal("{ a = 1, b = b, c = nil }", shown(t))
  end)

  it("without metamethods of its own is read raw", function()
    assert.equal("{ x = 1 }", shown(setmetatable({ x = 1 }, { __index = error, __pairs = error, __len = error })))
  end)

  it("is searched past its empty places", function()
    local t = {}
    for i = 1, 10000 do t[i] = i end
    for i = 1, 9999 do t[i] = nil end
    assert.equal("{ [10000] = 10000 }", shown(t))
  end)
end)

describe("an error that is a table", function()
  it("is readable where a script raises it while it loads", function()
    local folder <close> = project.new { ["lua/a.lua"] = "\nerror { code = 7 }", ["lua/b.lua"] = "\n\nerror(nil)" }
    local code, _, stderr = folder:run "check"
    assert.equal(1, code)
    assert.matches("DIR/lua/a.lua:2: { code = 7 }\n", stderr, 1, true)
    assert.matches("DIR/lua/b.lua:3: nil\n", stderr, 1, true)
  end)

  it("is readable where a handler raises it", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; package a; message M {} service S { rpc Get(M) returns (M); }',
      ["lua/a.lua"] = "require 'moonwire'.service 'a.S'.Get = function()\nerror { code = 7 }\nend" }
    local server <close>, address = test.serve { dir = folder.dir }
    local call <close> = test.start({ "call", address, "a.S/Get" }, { cwd = "/" })
    assert.equal(13, (call:wait()))
    test.eventually(function() return server.stderr:find("lua/a.lua:2: { code = 7 }", 1, true) end)
    server:kill()
    assert.equal(0, (server:wait()))
  end)

  it("is readable where a job raises it", function()
    mw.spawn(function() error { code = 7 } end)
    test.eventually(function()
      return table.concat(test.logs(), "\n"):find("a job failed: [^\n]*spec/log_spec.lua:%d+: { code = 7 }")
    end)
  end)
end)
