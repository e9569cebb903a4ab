-- `moonwire check`: mistakes in protos, and the folders of their imports.
local check = require "support.check"
local project = require "support.project"

describe("moonwire check of protos", function()
  it("shows a proto error as protoc gives it", function()
    check.assert_error('DIR/proto/greet.proto:2:23: "Strin" is not defined', "", {
      ["proto/greet.proto"] = 'syntax = "proto3"; package greet;\nmessage Request {     Strin name = 1; }\n',
    })
  end)

  it("names the limit that a schema is too large for", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; message A { string text = 1; }',
      ["moonwire.lua"] = "return { limits = { memory_bytes = 65536 } }",
    }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches(
      "not enough memory for the schema, which has %d+ message types: expected larger limits.memory_bytes, "
      .. "or fewer types", stderr)
  end)

  it("refuses what is no list of folders of protos", function()
    for _, wrong in ipairs { "5", "{}", "''", "{ 'proto', 1 }", "{ '' }", "{" .. ("'a',"):rep(17) .. "}" } do
      local folder <close> = project.new { ["moonwire.lua"] = "return {\n proto = " .. wrong .. " }" }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches("DIR/moonwire.lua:2: proto: expected a folder, or a list of 1 to 16", stderr, 1, true)
    end
  end)

  it("looks up imports in the folders of the setting proto, and names the one that has a finding", function()
    local files = {
      ["contract/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }',
      ["third=party/b.proto"] = 'syntax = "proto3"; message B {}',
      ["third=party/unused.proto"] = "no proto",
      ["moonwire.lua"] = "return { proto = { 'contract', 'third=party' } }",
    }
    local folder <close> = project.new(files)
    assert.are.equal(0, (folder:run "check"))
    files["third=party/b.proto"] = 'syntax = "proto3"; message B { Nix x = 1; }'
    local broken <close> = project.new(files)
    local code, _, stderr = broken:run "check"
    assert.are.equal(1, code)
    assert.matches('DIR/third=party/b.proto:1:32: "Nix" is not defined.', stderr, 1, true)
    files["moonwire.lua"] = "return {\n proto = { 'contrct', 'moonwire.lua' } }"
    local missing <close> = project.new(files)
    code, _, stderr = missing:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/contrct: No such file or directory", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/moonwire.lua: Not a directory", stderr, 1, true)
  end)

  it("looks up imports in the folders of protos also when other settings are wrong", function()
    local files = {
      ["contract/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }',
      ["third/b.proto"] = 'syntax = "proto3"; message B {}',
      ["lua/a.lua"] = 'nope()',
    }
    local function assert_findings(settings, ...)
      files["moonwire.lua"] = "return {\n proto = { " .. settings .. " }"
      local folder <close> = project.new(files)
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      for _, finding in ipairs { ... } do assert.matches(finding, stderr, 1, true) end
      assert.is_nil(stderr:find("b.proto", 1, true), stderr)
      return select(2, stderr:gsub("moonwire%.lua:", ""))
    end
    local script <const> = "DIR/lua/a.lua:1: attempt to call a nil value (global 'nope')"
    assert.are.equal(1, assert_findings("'contract', 'third' },\n lisen = 1", "DIR/moonwire.lua:3: lisen: ", script))
    assert_findings("'contract', 'third' },\n tls = { cert = 'nope', key = 'nope' }", "DIR/moonwire.lua:3: tls.cert: ",
      script)
    for _, wrong in ipairs { "lisen = 1", "tls = { cert = 'nope', key = 'nope' }" } do
      local missing <const> = "DIR/moonwire.lua:2: proto: DIR/thrd: No such file or directory"
      assert_findings("'contract', 'thrd' },\n " .. wrong, "DIR/moonwire.lua:3: " .. wrong:match "%a+", missing)
    end
  end)

  it("refuses a folder of imports within the one that is compiled", function()
    local folder <close> = project.new {
      ["proto/a.proto"] = 'syntax = "proto3"; import "t.proto"; message A { T t = 1; }',
      ["proto/third/t.proto"] = 'syntax = "proto3"; message T {}',
      ["proto2/u.proto"] = 'syntax = "proto3"; message U {}',
      ["moonwire.lua"] = "return {\n proto = { 'proto', 'proto2', 'proto/third' } }",
    }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:2: proto: DIR/proto/third lies in DIR/proto, whose files are compiled: " ..
      "expected a folder apart from it", stderr, 1, true)
  end)

  it("refuses files in UTF-16 or UTF-32 in one line each", function()
    local function wide(text, width, head)
      return head .. text:gsub(".", "%0" .. ("\0"):rep(width - 1))
    end
    for name, encode in pairs {
      ["UTF-16"] = function(text) return wide(text, 2, "\xff\xfe") end,
      ["UTF-32"] = function(text) return wide(text, 4, "") end,
    } do
      local text = encode('syntax = "proto3"; message B {}\n')
      local folder <close> = project.new {
        ["proto/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }', ["other/b.proto"] = text,
        ["moonwire.lua"] = "return { proto = { 'proto', 'other' } }",
      }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches("DIR/other/b.proto: expected UTF-8, got " .. name .. "\n", stderr, 1, true)
      folder:write("moonwire.lua", encode "return {}")
      folder:write("proto/a.proto", text)
      folder:write("lua/a.lua", encode "local a = 1")
      _, _, stderr = folder:run "check"
      assert.are.equal(
        ("DIR/moonwire.lua: expected UTF-8, got %s\nDIR/proto/a.proto: expected UTF-8, got %s\n"):format(name, name),
        stderr)
      folder:write("proto/a.proto", "")
      _, _, stderr = folder:run "check"
      assert.matches("DIR/lua/a.lua: expected UTF-8, got " .. name, stderr, 1, true)
    end
  end)

  it("bounds the errors of one proto file", function()
    local fields = {}
    for i = 1, 500 do fields[i] = ("Nope%d f%d = %d;"):format(i, i, i) end
    local files = { ["proto/a.proto"] = 'syntax = "proto3"; message A {\n' .. table.concat(fields, "\n") .. "\n}" }
    local folder <close> = project.new(files)
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.are.equal(21, select(2, stderr:gsub("\n", "")))
    assert.matches('DIR/proto/a.proto:21:1: "Nope20" is not defined.\nDIR/proto/a.proto: 480 more errors\n', stderr, 1,
      true)
  end)
end)
