local mw = require "moonwire"
local servers = require "support.server"
local test = require "moonwire.test"

local assert_status = servers.assert_status

local folders = 0

-- Path of a folder below data/files that no other test uses.
local function fresh()
  folders = folders + 1
  local path = ("spec-%d/%d"):format(mw.time.now_ns(), folders)
  assert(mw.fs.mkdir(path))
  return path
end

local function names(folder)
  local out = {}
  for i, entry in ipairs(assert(mw.fs.list(folder))) do out[i] = entry.name end
  return out
end

describe("mw.fs", function()
  it("writes and reads whole files", function()
    local path = fresh() .. "/a/b/c.bin" -- creates the folders
    for _, bytes in ipairs { "", "x", "a\0b\xff\n", ("0123456789"):rep(100000) } do
      assert.is_true(mw.fs.write(path, bytes))
      assert.equal(bytes, mw.fs.read(path))
    end
  end)

  it("reads no more than the limit", function()
    local path = fresh() .. "/f"
    mw.fs.write(path, "12345")
    assert.equal("12345", mw.fs.read(path, 5))
    assert_status("RESOURCE_EXHAUSTED", path .. ": larger than 4 bytes; give mw.fs.read a higher limit",
      mw.fs.read(path, 4))
  end)

  it("leaves the old file when the new one cannot be written", function()
    local folder = fresh()
    mw.fs.mkdir(folder .. "/f/full")
    assert_status("FAILED_PRECONDITION", folder .. "/f: ", mw.fs.write(folder .. "/f", "x"))
    assert.same({ "f" }, names(folder))
  end)

  it("renames, removes and says what exists", function()
    local folder = fresh()
    mw.fs.write(folder .. "/a", "x")
    assert.is_true(mw.fs.exists(folder .. "/a"))
    assert.is_true(mw.fs.rename(folder .. "/a", folder .. "/b"))
    assert.is_false(mw.fs.exists(folder .. "/a"))
    assert.is_false(mw.fs.exists(folder .. "/b/below a file"))
    assert.is_true(mw.fs.remove(folder .. "/b"))
    assert.is_false(mw.fs.exists(folder .. "/b"))
    assert_status("NOT_FOUND", folder .. "/b: no such file or directory", mw.fs.remove(folder .. "/b"))
    assert_status("NOT_FOUND", folder .. "/b to " .. folder .. "/c: no such file or directory",
      mw.fs.rename(folder .. "/b", folder .. "/c"))
    assert.is_true(mw.fs.remove(folder)) -- it is empty
  end)

  it("makes folders, with those above, also when they are there", function()
    local folder = fresh()
    assert.is_true(mw.fs.mkdir(folder .. "/a/b/c"))
    assert.is_true(mw.fs.mkdir(folder .. "/a/b/c/"))
    mw.fs.write(folder .. "/f", "")
    assert_status("FAILED_PRECONDITION", "not a directory", mw.fs.mkdir(folder .. "/f"))
    assert_status("FAILED_PRECONDITION", "not a directory", mw.fs.mkdir(folder .. "/f/g"))
    assert_status("FAILED_PRECONDITION", "directory not empty", mw.fs.remove(folder))
  end)

  it("describes files and folders", function()
    local folder, before = fresh(), mw.time.now()
    mw.fs.write(folder .. "/f", "12345")
    local info = assert(mw.fs.stat(folder .. "/f"))
    assert.equal("file", info.type)
    assert.equal(5, info.size)
    assert.is_true(math.abs(info.modified - before) < 60)
    assert.equal("folder", mw.fs.stat(folder).type)
    assert_status("NOT_FOUND", "no such file or directory", mw.fs.stat(folder .. "/g"))
  end)

  it("lists a folder by name, without what is being written", function()
    local folder = fresh()
    local file <close> = mw.fs.temp(folder)
    mw.fs.write(folder .. "/b", "123")
    mw.fs.write(folder .. "/a", "")
    mw.fs.mkdir(folder .. "/c")
    local list = assert(mw.fs.list(folder))
    assert.same({ "a", "b", "c" }, names(folder))
    assert.equal(3, list[2].size)
    assert.equal("folder", list[3].type)
    assert_status("NOT_FOUND", "no such file or directory", mw.fs.list(folder .. "/d"))
    assert.is_table(mw.fs.list())
  end)

  it("takes no path with .. in it", function()
    for _, path in ipairs { "..", "../x", "a/../../x", "a/..", "a//../x", "/tmp/../x" } do
      assert_status("INVALID_ARGUMENT", path .. ': a path must stay in its folder: ".." is not allowed',
        mw.fs.read(path))
    end
  end)

  it("takes no name of the server's own", function()
    for _, path in ipairs { ".moonwire-root", "a/.moonwire-tmp-0123456789abcdef", ".moonwire-x/y" } do
      assert_status("INVALID_ARGUMENT", path .. ": names that start with .moonwire- are the server's own",
        mw.fs.read(path))
      assert_status("INVALID_ARGUMENT", "names that start with .moonwire- are the server's own", mw.fs.write(path, ""))
    end
    assert_status("NOT_FOUND", "no such file", mw.fs.read "x.moonwire-")
  end)

  it("takes no absolute path without a setting", function()
    for _, path in ipairs { "/", "/etc/passwd", "//etc", "/proc/self/fd/0" } do
      assert_status("PERMISSION_DENIED", path .. ": outside of data/files: absolute paths and links must stay in " ..
        "the folders of the setting files.folders", mw.fs.read(path))
    end
  end)

  it("takes no path that cannot be", function()
    assert_status("INVALID_ARGUMENT", "the path is empty", mw.fs.read "")
    assert_status("INVALID_ARGUMENT", "the path contains a zero byte", mw.fs.read "a\0b")
    assert_status("NOT_FOUND", "no such file", mw.fs.read "..a/b..")
    assert_status("INVALID_ARGUMENT", "name too long", mw.fs.read(("x"):rep(300)))
  end)

  it("waits only where a fiber can", function()
    local ok, err = pcall(table.sort, { 1, 2 }, function() mw.fs.read "x" end)
    assert.is_false(ok)
    assert.matches("mw.fs.read cannot wait here", err)
  end)

  it("lets other fibers run meanwhile", function()
    local ran = false
    mw.spawn(function()
      mw.sleep(0)
      ran = true
    end)
    local path = fresh() .. "/f"
    for _ = 1, 100 do
      mw.fs.write(path, "x")
      if ran then break end
    end
    assert.is_true(ran)
  end)

  it("works in a script's own coroutines", function()
    local path = fresh() .. "/f"
    mw.fs.write(path, "x")
    local read = coroutine.wrap(function()
      coroutine.yield(mw.fs.read(path))
      coroutine.yield(mw.fs.read(path .. "none"))
    end)
    assert.equal("x", read())
    assert_status("NOT_FOUND", "no such file", read())
  end)

  it("keeps what it works on, whatever is collected meanwhile", function()
    local folder, left = fresh(), 20
    for i = 1, left do
      mw.spawn(coroutine.wrap(function()
        local path = ("%s/%d"):format(folder, i)
        assert(mw.fs.write(path, ("x"):rep(100000 + i)))
        assert(#mw.fs.read(path) == 100000 + i)
        left = left - 1
      end))
    end
    test.eventually(function()
      collectgarbage()
      return left == 0
    end)
  end)
end)

describe("a file of mw.fs.open", function()
  it("is read in pieces", function()
    local path = fresh() .. "/f"
    mw.fs.write(path, "12345")
    local file <close> = assert(mw.fs.open(path))
    assert.equal("12", file:read(2))
    assert.equal("345", file:read(10))
    assert.is_nil((file:read(1)))
    assert.equal(0, file:seek "set")
    assert.equal("12345", file:read())
    assert.equal(3, file:seek("end", -2))
    assert.equal("45", file:read())
    assert.equal(5, file:seek())
    assert_status("INVALID_ARGUMENT", path .. ": invalid argument", file:seek("set", -1))
  end)

  it("is written in pieces", function()
    local path = fresh() .. "/f"
    local file = assert(mw.fs.open(path, "w"))
    assert.is_true(file:write "123")
    assert.is_true(file:write "")
    assert.is_true(file:write "45")
    assert.is_true(file:sync())
    assert.is_true(file:close())
    assert.is_true(file:close())
    assert.equal("12345", mw.fs.read(path))
    assert.equal("file " .. path .. " (closed)", tostring(file))
  end)

  it("is opened in the modes of C", function()
    local path = fresh() .. "/f"
    local function use(mode, f)
      local file <close> = assert(mw.fs.open(path, mode))
      f(file)
    end
    assert_status("NOT_FOUND", path .. ": no such file or directory", mw.fs.open(path, "r"))
    use("wx", function(file) file:write "12345" end)
    assert_status("ALREADY_EXISTS", path .. ": file already exists", mw.fs.open(path, "wx"))
    use("a", function(file) file:write "67" end)
    use("r+b", function(file)
      assert.equal("1", file:read(1))
      file:write "x"
    end)
    assert.equal("1x34567", mw.fs.read(path))
    use("rb", function(file) assert_status("FAILED_PRECONDITION", "bad file descriptor", file:write "x") end)
    use("w", function() end)
    assert.equal("", mw.fs.read(path))
    for _, mode in ipairs { "", "q", "rx", "rw", "w?" } do
      local ok, err = pcall(mw.fs.open, path, mode)
      assert.is_false(ok)
      assert.is_truthy(err:find('expected a mode such as "r", "w", "a", "r+" or "wx"', 1, true), err)
    end
  end)

  it("is no folder", function()
    assert_status("FAILED_PRECONDITION", "illegal operation on a directory", mw.fs.open(fresh()))
  end)

  it("cannot be used once it is closed", function()
    local path = fresh() .. "/f"
    local file = assert(mw.fs.open(path, "w"))
    file:close()
    for _, method in ipairs { "read", "write", "sync", "seek", "commit" } do
      local ok, err = pcall(file[method], file, method == "write" and "x" or nil)
      assert.is_false(ok)
      assert.is_truthy(err:find("file:" .. method .. ": the file is closed", 1, true), err)
    end
  end)

  it("takes one operation at a time", function()
    local file <close> = assert(mw.fs.open(fresh() .. "/f", "w"))
    local done
    mw.spawn(function() done = file:write(("x"):rep(1 << 20)) end)
    for _, method in ipairs { "write", "close" } do
      local ok, err = pcall(file[method], file, "x")
      assert.is_false(ok)
      assert.is_truthy(err:find("file:" .. method .. ": another operation on this file is under way", 1, true), err)
    end
    while not done do mw.sleep(0.001) end
  end)

  it("is read by no more than 2^30 bytes", function()
    local file <close> = assert(mw.fs.open(fresh() .. "/f", "w"))
    for _, n in ipairs { 0, -1, (1 << 30) + 1 } do
      local ok, err = pcall(file.read, file, n)
      assert.is_false(ok)
      assert.is_truthy(err:find("expected how many bytes, from 1 to 2^30", 1, true), err)
    end
  end)
end)

describe("a file of mw.fs.temp", function()
  it("gets its name when it is complete", function()
    local folder = fresh()
    do
      local file <close> = assert(mw.fs.temp(folder .. "/made"))
      file:write "123"
      assert.same({}, names(folder .. "/made"))
      file:write "45"
      assert.is_true(file:commit "f")
      assert.same({ "f" }, names(folder .. "/made"))
    end
    assert.equal("12345", mw.fs.read(folder .. "/made/f"))
  end)

  it("replaces a file unless it is told not to", function()
    local folder = fresh()
    mw.fs.write(folder .. "/f", "old")
    do
      local file <close> = assert(mw.fs.temp(folder))
      file:write "new"
      assert_status("ALREADY_EXISTS", "f: file already exists", file:commit("f", { replace = false }))
      assert.equal("old", mw.fs.read(folder .. "/f"))
      assert.is_true(file:commit("g", { replace = false }))
    end
    do
      local file <close> = assert(mw.fs.temp(folder))
      file:write "newer"
      assert.is_true(file:commit "f")
    end
    assert.same({ "f", "g" }, names(folder))
    assert.equal("newer", mw.fs.read(folder .. "/f"))
    assert.equal("new", mw.fs.read(folder .. "/g"))
  end)

  it("leaves nothing behind when it is closed without", function()
    local folder = fresh()
    do
      local file <close> = assert(mw.fs.temp(folder))
      file:write "123"
    end
    assert(mw.fs.temp(folder)):close()
    pcall(function()
      local file <close> = assert(mw.fs.temp(folder))
      error "an upload breaks off"
    end)
    assert.is_true(mw.fs.remove(folder)) -- it is empty
  end)

  it("is committed below its folder only", function()
    local file <close> = assert(mw.fs.temp(fresh()))
    assert_status("INVALID_ARGUMENT", '".." is not allowed', file:commit "../f")
    assert_status("INVALID_ARGUMENT", "the path is empty", file:commit "")
    assert.is_true(file:commit "below/f")
  end)

  it("alone can be committed", function()
    local file <close> = assert(mw.fs.open(fresh() .. "/f", "w"))
    local ok, err = pcall(file.commit, file, "x")
    assert.is_false(ok)
    assert.matches("only a file of mw.fs.temp can be committed", err)
  end)
end)
