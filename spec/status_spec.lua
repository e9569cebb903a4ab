-- mw.status: statuses as values. (Specs of the echo project test statuses that handlers return.)
local mw = require "moonwire"

local codes = {
  "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
  "DATA_LOSS", "UNAUTHENTICATED",
}

describe("mw.status", function()
  it("has a constructor for each code", function()
    for _, code in ipairs(codes) do
      local status = mw.status[code:lower()] "words"
      assert.are.equal(code, status.code)
      assert.are.equal("words", status.message)
      assert.is_nil(status.details)
    end
    for name, words in pairs {
      ok = "mw.status has no ok", notfound = "mw.status has no notfound (did you mean not_found?)",
    } do
      assert.are.equal(words, select(2, pcall(function() return mw.status[name] end)):match ": (.*)$")
    end
  end)

  it("takes the code as a name or a number too", function()
    for number, code in ipairs(codes) do
      assert.are.equal(code, mw.status(code).code)
      assert.are.equal(code, mw.status(number, "x").code)
    end
    for _, wrong in ipairs { 0, 17, -1, "NOTFOUND", "OK", "" } do
      assert.has_error(function() mw.status(wrong) end,
        'bad argument #1 to \'status\' (expected a status code such as "NOT_FOUND")')
    end
  end)

  it("formats its message when there is something to put into it", function()
    assert.are.equal("no 5 of 10", mw.status.not_found("no %d of %s", 5, 10).message)
    assert.are.equal("100 % as it is %d", mw.status.internal("100 % as it is %d").message)
    assert.are.equal("", mw.status.internal().message)
    assert.has_error(function() mw.status.internal {} end)
    assert.has_error(function() mw.status.internal("%d", "x") end)
  end)

  it("prints as code and message", function()
    assert.are.equal("NOT_FOUND: no task", tostring(mw.status.not_found "no task"))
  end)

  it("carries details, and says what is wrong with one", function()
    local status = mw.status.invalid_argument "x"
    assert.are.equal(status, status:with_details("google.rpc.ErrorInfo", { reason = "R", metadata = { a = "b" } }))
    status:with_details("google.rpc.RetryInfo", { retry_delay = 1.5 })
    assert.are.equal(2, #status.details)
    assert.are.equal("R", mw.any.unpack(status.details[1]).reason)
    assert.are.equal("b", mw.any.unpack(status.details[1]).metadata.a)
    assert.are.equal(1.5, mw.any.unpack(status.details[2]).retry_delay:number())
    assert.error_matches(function() status:with_details("google.rpc.Nothing", {}) end,
      "with_details: no message type google.rpc.Nothing in the schema", 1, true)
    assert.error_matches(function() status:with_details("google.rpc.ErrorInfo", { reson = "R" }) end,
      'google.rpc.ErrorInfo.reson: no such field (did you mean "reason"?)', 1, true)
    assert.are.equal(2, #status.details)
  end)

  it("takes a detail that is an Any", function()
    local any = mw.any.pack("google.rpc.ErrorInfo", { reason = "R" })
    local status = mw.status.aborted "x"
    assert.are.equal(status, status:with_details(any))
    assert.are.equal("R", mw.any.unpack(status.details[1]).reason)
    any.value = "changed later"
    assert.are.equal("R", mw.any.unpack(status.details[1]).reason)
    for wrong, words in pairs {
      [{}] = "with_details: google.protobuf.Any.type_url is empty, expected a type URL",
      [{ type_url = 5 }] = "google.protobuf.Any.type_url: expected string, got 5",
      [mw.message("google.rpc.ErrorInfo", {})] =
        "google.protobuf.Any: expected google.protobuf.Any, got google.rpc.ErrorInfo",
    } do
      assert.error_matches(function() status:with_details(wrong) end, words, 1, true)
    end
    assert.has_error(function() status:with_details(5, {}) end)
    assert.are.equal(1, #status.details)
  end)
end)
