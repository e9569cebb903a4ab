-- The fresh state with which each test begins.
local mw = require "moonwire"
local test = require "moonwire.test"

describe("a test", function()
  local inproc = test.service "inproc.Inproc"
  local notes = mw.store.collection { name = "notes", message = "inproc.Message", key = "what" }

  -- Runs the same tests twice: neither sees data of the other.
  for _, name in ipairs { "begins", "also begins" } do
    it(name .. " with an empty store, and shares it with the handlers", function()
      assert.is_nil((notes:get "a"))
      assert.are.equal(1, inproc:Unary({ what = "next_id" }).count)
      inproc:Unary { what = "put", text = "a" }
      assert.are.equal("kept", notes:get("a").text)
      for note in notes:each() do -- an open scan does not keep the store alive
        assert.are.equal("a", note.what)
        break
      end
    end)

    it(name .. " with the health of its own store", function() -- the store before was written to and is closed
      assert.are.equal("SERVING", assert(test.service "grpc.health.v1.Health":Check {}).status)
    end)

    it(name .. " with fresh locals of modules", function()
      local counters = test.require "counters"
      assert.are.equal(0, counters.sent)
      counters.sent = 1
    end)

    it(name .. " with fresh states", function()
      assert.are.equal(1, inproc:Unary({ what = "visit" }).count)
      assert.are.equal(2, inproc:Unary({ what = "visit" }).count)
    end)

    it(name .. " without the calls, functions and the clock of the one before", function()
      assert.are.same({}, test.calls())
      assert.is_true(mw.time.now() > 1000000)
      local stream = inproc:Expand { what = "ticks", count = 3, seconds = 600 } -- collection would cancel it
      mw.spawn(function() mw.sleep(600) end)
      test.clock(1000)
      test.settle()
      assert.are.equal(1, #test.calls())
      assert.is_nil(stream:status())
    end)
  end

  it("has nothing that came later", function()
    local stream <close> = inproc:Expand { what = "count", count = 1 }
    assert.are.equal(1, stream:receive().count)
    assert.are.same({}, test.calls())
  end)

  describe("with before_each", function()
    before_each(function() inproc:Unary { what = "put", text = "from before_each" } end)

    it("has what that has made", function()
      assert.are.equal("kept", inproc:Unary({ what = "get", text = "from before_each" }).text)
    end)
  end)
end)
