-- mw.base64: both alphabets, padding, invalid input.
local mw = require "moonwire"

local encode, decode = mw.base64.encode, mw.base64.decode

describe("mw.base64", function()
  it("encodes and decodes the vectors of RFC 4648", function()
    for bytes, text in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy" } do
      assert.are.equal(text, encode(bytes))
      assert.are.equal(text, encode(bytes, "standard"))
      assert.are.equal(bytes, decode(text))
      local url = text:gsub("=", "")
      assert.are.equal(url, encode(bytes, "url"))
      assert.are.equal(bytes, decode(url))
    end
  end)

  it("has the alphabet for URLs", function()
    assert.are.equal("+/+/", encode "\xfb\xff\xbf")
    assert.are.equal("-_-_", encode("\xfb\xff\xbf", "url"))
    assert.are.equal("\xfb\xff\xbf", decode "+/+/")
    assert.are.equal("\xfb\xff\xbf", decode "-_-_")
  end)

  it("returns any bytes as they were, of any length", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = table.concat(all):rep(1000)
    for n = #bytes - 4, #bytes do
      local part = bytes:sub(1, n)
      assert.is_true(decode(encode(part)) == part)
      assert.is_true(decode(encode(part, "url")) == part)
    end
    for n = 49150, 49154 do -- around the size of a piece
      local part = bytes:sub(1, n)
      assert.is_true(decode(encode(part)) == part)
    end
  end)

  local function refused(text, words)
    local bytes, status = decode(text)
    assert.is_nil(bytes)
    assert.are.equal("INVALID_ARGUMENT", status.code)
    assert.are.equal("base64: " .. words, status.message)
  end

  it("says where a text is none", function()
    local digits <const> = ", must be one of A-Z a-z 0-9 + / - _"
    refused("Zm9v!", "byte 0x21 at 5" .. digits)
    refused("Zm 9v", "byte 0x20 at 3" .. digits)
    refused("Zm9v\n", "byte 0x0a at 5" .. digits)
    refused("Zg==\n", "byte 0x0a at 5" .. digits)
    refused("Zm9\0", "byte 0x00 at 4" .. digits)
    refused(("Zm9v"):rep(20000) .. "*AAA", "byte 0x2a at 80001" .. digits)
  end)

  it("refuses what is cut short or padded wrongly", function()
    for _, text in ipairs { "Z", "Zm9vY", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zm8=Zm8=" } do
      refused(text, ("%d characters, cut short or padded wrongly"):format(#text))
    end
    local late = ("Zm9v"):rep(12287) .. "Zg==" .. "Zm9v" -- the padding ends a piece
    refused(late, ("%d characters, cut short or padded wrongly"):format(#late))
  end)

  it("takes strings only", function()
    assert.has_error(function() encode() end, "bad argument #1 to 'encode' (string expected, got no value)")
    assert.has_error(function() encode("x", "hex") end, "bad argument #2 to 'encode' (invalid option 'hex')")
    assert.has_error(function() decode {} end, "bad argument #1 to 'decode' (string expected, got table)")
  end)
end)
