local mw = require "moonwire"

-- What a line looks like is tested in C (test/log_test.c); these are the ways to call it.
describe("mw.log", function()
  it("has a function for each level", function()
    for _, level in ipairs { "debug", "info", "warn", "error" } do
      mw.log[level]("spec: one line of each level", { level = level })
    end
  end)

  it("takes any message that has a text", function()
    mw.log.info(42)
    mw.log.warn(mw.status.not_found "spec: nothing")
    mw.log.info "spec: a zero byte: \0"
  end)

  it("takes fields of any type that has a text", function()
    mw.log.info("spec: fields", { id = 1, ratio = 0.5, open = true, status = mw.status.not_found "nothing", zero = "a\0b" })
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
