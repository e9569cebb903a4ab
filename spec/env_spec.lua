local mw = require "moonwire"

describe("mw.env", function()
  it("reads a variable as a field", function()
    assert.equal("string", type(mw.env.PATH))
  end)

  it("is nil for what is not set", function()
    assert.is_nil(mw.env.MOONWIRE_NO_SUCH_VARIABLE)
  end)

  it("takes a default when called", function()
    assert.equal("8080", mw.env("MOONWIRE_NO_SUCH_VARIABLE", "8080"))
    assert.equal(mw.env.PATH, mw.env("PATH", "unused"))
    assert.is_nil(mw.env "MOONWIRE_NO_SUCH_VARIABLE")
  end)

  it("cannot be written", function()
    local ok, err = pcall(function() mw.env.PATH = "x" end)
    assert.is_false(ok)
    assert.matches("mw.env.PATH cannot be set: the environment belongs to the whole process", err)
  end)
end)
