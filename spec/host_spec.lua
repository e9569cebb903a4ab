local mw = require "moonwire"

describe("mw.host", function()
  it("names the machine and counts its processors", function()
    assert.is_true(#mw.host.name > 0)
    assert.is_true(mw.host.cpus >= 1)
  end)

  it("measures the processors in percent", function()
    mw.sleep(0.11)
    local busy = mw.host.cpu_usage()
    assert.equal("float", math.type(busy))
    assert.is_true(busy >= 0 and busy <= 100)
  end)

  it("gives samples in quick succession the same figure", function()
    mw.sleep(0.11)
    assert.equal(mw.host.cpu_usage(), mw.host.cpu_usage())
  end)

  it("measures memory in bytes", function()
    local memory = mw.host.memory()
    assert.is_true(memory.used > 0 and memory.available > 0)
    assert.equal(memory.total, memory.used + memory.available)
  end)

  it("measures this process", function()
    local process = mw.host.process()
    assert.is_true(process.pid > 0)
    assert.is_true(process.memory > 100000)
    assert.is_true(process.cpu_seconds > 0)
  end)

  it("reads memory and process figures at most ten times a second", function()
    mw.sleep(0.11)
    local first <const>, garbage = mw.host.process(), 0
    while os.clock() < first.cpu_seconds + 0.02 do garbage = garbage + 1 end
    assert.same(first, mw.host.process())
    assert.same(mw.host.memory(), mw.host.memory())
    mw.sleep(0.11)
    assert.is_true(mw.host.process().cpu_seconds > first.cpu_seconds)
  end)

  it("counts the calls served", function()
    assert.equal("integer", math.type(mw.host.requests()))
  end)
end)
