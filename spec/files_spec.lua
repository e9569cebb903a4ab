-- data/files: the files that mw.fs can reach, and the move of files from an older data folder into it.
local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

local assert_status = servers.assert_status

local proto <const> = [[
syntax = "proto3";
package helloworld;
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
]]

local script <const> = [[
local mw = require "moonwire"
local Greeter = mw.service "helloworld.Greeter"
local run = {
  open = function(a, b)
    local file <close>, status = mw.fs.open(a, b)
    if not file then return nil, status end
    return file:read()
  end,
  commit = function(a, b)
    local file <close>, status = mw.fs.temp(a)
    if not file then return nil, status end
    file:write "committed"
    return file:commit(b)
  end,
}
function Greeter.SayHello(req)
  local name, a, b = table.unpack(mw.json.decode(req.name))
  local result, status = (run[name] or mw.fs[name])(a, b)
  if result == nil then return nil, status end
  return { message = type(result) == "table" and mw.json.encode(result) or tostring(result) }
end
]]

local function new(files)
  local folder = project.new { ["proto/files.proto"] = proto, ["lua/files.lua"] = script }
  for path, text in pairs(files or {}) do folder:write(path, text) end
  return folder
end

local function start(folder, args)
  return servers.start { dir = folder.dir, data = folder.dir .. "/data", args = args }
end

-- Returns a function that runs mw.fs[name](a, b) in the server, and returns the result as text, or nil and the status.
local function doer(server)
  local stub = server:connect "helloworld.Greeter"
  return function(...)
    local reply, status = stub:SayHello { name = mw.json.encode { ... } }
    if not reply then return nil, status end
    return reply.message
  end
end

local function shell(folder, command)
  assert(os.execute(("set -e; dir=%s; cd $dir; %s"):format(folder.dir, command)))
end

local function read(folder, path)
  local file <close> = assert(io.open(folder.dir .. "/" .. path))
  return file:read "a"
end

-- Names of the files in a folder, hidden ones too.
local function names(folder, path)
  local list <close> = assert(io.popen(("ls -A %s/%s 2>/dev/null"):format(folder.dir, path)))
  local out = {}
  for name in list:lines() do out[#out + 1] = name end
  return out
end

describe("mw.fs in a server", function()
  local folder, server, run

  setup(function()
    folder = new { ["media/a.txt"] = "a", ["media/sub/b.txt"] = "b", ["outside/secret"] = "secret" }
    folder:write("moonwire.lua",
      ("return { files = { folders = { '%s/media/', '/proc', '/dev' } } }"):format(folder.dir))
    server = start(folder)
    run = doer(server)
    assert.equal("true", run("mkdir", "real"))
    assert.equal("true", run("write", "real/f", "inside"))
    shell(folder, [[
      cd data/files
      ln -s ../../outside out
      ln -s $dir/outside/secret file
      ln -s real/../real near
      ln -s $dir/media media
      ln -s /proc/self/cwd cwd
      ln -s ../store store-link
      ln -s loop loop
      ln -s nowhere nowhere
      cd real && ln -s ../../../outside up && ln -s ../near/f f2
      cd $dir/media && ln -s ../outside away
    ]])
  end)
  teardown(function()
    server:stop()
    folder:__close()
  end)

  it("does not reach the store, its lock or the socket", function()
    for _, path in ipairs { "store/store.mdb", "store/lock", "moonwire.sock" } do
      assert_status("NOT_FOUND", path .. ": no such file or directory", run("read", path))
      for _, whole in ipairs { folder.dir .. "/data/" .. path, "//" .. folder.dir .. "/./data/" .. path } do
        assert_status("PERMISSION_DENIED", whole .. ": outside of data/files", run("read", whole))
        assert_status("PERMISSION_DENIED", "the setting files.folders", run("write", whole, "x"))
        assert_status("PERMISSION_DENIED", "", run("remove", whole))
        assert_status("PERMISSION_DENIED", "", run("rename", whole, "mine"))
        assert_status("PERMISSION_DENIED", "", run("rename", "real/f", whole))
      end
    end
    assert.equal("true", run("write", "store/store.mdb", "x")) -- an ordinary file below data/files
    assert.is_true(#read(folder, "data/store/store.mdb") > 1000)
    assert.equal("true", run("remove", "store/store.mdb"))
    assert.is_nil(run("list", "."):find(".moonwire-", 1, true))
  end)

  it("follows links that stay inside", function()
    assert.equal("inside", run("read", "near/f"))
    assert.equal("inside", run("open", "real/f2"))
    assert.matches('"size":6', run("stat", "real/f2"), 1, true)
    assert.equal("true", run("commit", "near", "committed"))
    assert.equal("committed", read(folder, "data/files/real/committed"))
    assert.equal("true", run("mkdir", "near"))
    assert.matches('"name":"f2"', run("list", "near"), 1, true)
    assert.equal("true", run("remove", "real/f2")) -- removes the link, not its target
    assert.equal("inside", run("read", "real/f"))
    assert_status("INVALID_ARGUMENT", "too many symbolic links", run("read", "loop"))
    assert_status("INVALID_ARGUMENT", "too many symbolic links", run("read", "loop/x"))
  end)

  it("follows no link that leads out", function()
    local words =
      "outside of data/files: absolute paths and links must stay in the folders of the setting files.folders"
    local function refused(...) assert_status("PERMISSION_DENIED", words, run(...)) end
    for _, link in ipairs { "out", "real/up", "near/up", "cwd", "store-link", "media/away" } do
      for _, name in ipairs { "read", "stat", "exists", "list", "mkdir", "open", "write", "remove" } do
        refused(name, link .. "/x", name == "write" and "b" or nil)
      end
      refused("commit", link, "x")
      refused("commit", ".", link .. "/x")
      refused("rename", "real/f", link .. "/x")
      refused("rename", link .. "/x", "mine")
      refused("list", link)
      refused("stat", link)
      refused("mkdir", link)
    end
    for _, mode in ipairs { "r", "w", "a", "r+", "w+", "a+" } do refused("open", "file", mode) end
    refused("read", "file")
    assert_status("ALREADY_EXISTS", "file: file already exists", run("open", "file", "wx"))
    assert.equal("secret", read(folder, "outside/secret"))
    assert.same({ "secret" }, names(folder, "outside"))
    local list = run("list", ".")
    assert.matches('"name":"file"', list, 1, true)
    assert.is_nil(list:find('"size":6', 1, true)) -- size of the link's target
    assert.equal("true", run("write", "file", "replaced")) -- replaces the link, not its target
    assert.equal("secret", read(folder, "outside/secret"))
  end)

  it("reaches the folders that a setting names", function()
    local media = folder.dir .. "/media"
    assert.equal("a", run("read", media .. "/a.txt"))
    assert.equal("a", run("read", "media/a.txt")) -- through a link that the operator made
    assert.equal("true", run("write", media .. "/new/c.txt", "c"))
    assert.equal("true", run("rename", media .. "/new/c.txt", "media/sub/c.txt"))
    assert.equal("c", read(folder, "media/sub/c.txt"))
    assert.equal("true", run("commit", media, "d.txt"))
    assert.equal("true", run("commit", ".", media .. "/e.txt"))
    assert.same({ "a.txt", "away", "d.txt", "e.txt", "new", "sub" }, names(folder, "media"))
    assert_status("PERMISSION_DENIED", "outside of data/files", run("read", media .. "x/a.txt"))
    assert.matches("^%d", run("read", "/proc/uptime")) -- the kernel reports no size for it
    assert.matches('"type":"other"', run("stat", "/dev/null"), 1, true)
  end)

  it("follows no link of the kernel's", function()
    for _, path in ipairs { "/proc/self/cwd/outside/secret", "/proc/self/root/etc/passwd", "/proc/self/exe" } do
      assert_status("PERMISSION_DENIED", "outside of data/files", run("read", path))
    end
  end)
end)

describe("a data folder from before", function()
  local function expect_moved(folder, n)
    local server = start(folder)
    local log = server:stop()
    local words = "files of scripts were moved from the data folder to files in it, where mw.fs starts"
    if n then
      assert.matches(('%s" moved=%d '):format(words, n), log, 1, true)
    else
      assert.is_nil(log:find(words, 1, true))
    end
  end

  -- Makes a data folder look as older versions left it.
  local function make_old(folder)
    start(folder):stop()
    shell(folder, "rm -r data/files")
  end

  it("has its files moved, once, and nothing of the server's own", function()
    local folder <close> = new()
    make_old(folder)
    shell(folder, [[
      cd data && mkdir -p uploads/sub lost+found && echo -n 1 > uploads/sub/f && echo -n 2 > .hidden && ln -s uploads link
      echo -n x > .moonwire-tmp-0123456789abcdef && mkfifo pipe && cp store/store.mdb ../before
    ]])
    expect_moved(folder, 3)
    assert.same({ ".hidden", ".moonwire-root", "link", "uploads" }, names(folder, "data/files"))
    assert.equal("1", read(folder, "data/files/link/sub/f"))
    assert.same({ ".moonwire-tmp-0123456789abcdef", "files", "lost+found", "pipe", "store" }, names(folder, "data"))
    shell(folder, "echo -n 3 > data/later")
    expect_moved(folder)
    assert.equal("3", read(folder, "data/later"))
  end)

  it("may have a folder of that name", function()
    local folder <close> = new()
    make_old(folder)
    shell(folder, "mkdir data/files && echo -n 1 > data/files/f")
    expect_moved(folder, 1)
    assert.equal("1", read(folder, "data/files/files/f"))
    expect_moved(folder)
  end)

  it("has the rest moved after a crash in the middle", function()
    local folder <close> = new()
    make_old(folder)
    shell(folder, "cd data && mkdir -p .moonwire-files files && echo -n 1 > .moonwire-files/a && echo -n 2 > files/b")
    expect_moved(folder, 1)
    assert.equal("1", read(folder, "data/files/a"))
    assert.equal("2", read(folder, "data/files/files/b"))
    assert.same({ "files", "store" }, names(folder, "data"))

    make_old(folder)
    shell(folder, "cd data && mkdir .moonwire-files && cd .moonwire-files && echo -n 1 > a && touch .moonwire-root")
    expect_moved(folder)
    assert.equal("1", read(folder, "data/files/a"))
  end)

  it("keeps everything where it was when a file cannot be moved", function()
    local folder <close> = new()
    make_old(folder)
    shell(folder, "cd data && mkdir -p .moonwire-files/b && mkdir a b c && echo -n 1 > b/f")
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0")
    assert.equal(1, code)
    assert.matches(
      "moonwire: cannot move DIR/data/b to DIR/data/files/b, where mw.fs looks for it: File exists: move it " ..
      "yourself", stderr, 1, true)
    assert.same({ ".moonwire-files", "a", "b", "c", "store" }, names(folder, "data"))
    assert.same({ "b" }, names(folder, "data/.moonwire-files"))
    shell(folder, "rmdir data/.moonwire-files/b")
    expect_moved(folder, 3)
    assert.equal("1", read(folder, "data/files/b/f"))
  end)

  it("is left alone by a second server", function()
    local folder <close> = new()
    local server = start(folder)
    shell(folder, "cd data && rm files/.moonwire-root && mkdir theirs")
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0")
    assert.equal(1, code)
    assert.matches("in use by process", stderr, 1, true)
    assert.same({ "files", "moonwire.sock", "store", "theirs" }, names(folder, "data"))
    server:stop()
  end)

  it("keeps the certificates that the server reads, by whatever links", function()
    local folder <close> = new { ["elsewhere/key.pem"] = "none" }
    make_old(folder)
    folder:write("moonwire.lua", [[return { tls = {
      cert = 'data/tls/server.pem', key = 'data/link/key.pem', client_ca = 'ca.pem' } }]])
    shell(folder, [[
      cd data && mkdir tls ca && ln -s ../elsewhere link && ln -s ../../elsewhere/key.pem tls/server.pem && touch other ca/ca.pem
      cd .. && ln -s data/ca/ca.pem ca.pem
      openssl req -x509 -newkey rsa:2048 -nodes -keyout elsewhere/key.pem -out elsewhere/cert.pem -days 2 -subj /CN=localhost 2>/dev/null
      cat elsewhere/cert.pem >> elsewhere/key.pem && cp elsewhere/cert.pem data/ca/ca.pem
    ]])
    local code, _, stderr = folder:run("serve", "--listen", "192.0.2.1:1")
    assert.equal(1, code)
    assert.matches("cannot listen on 192.0.2.1:1", stderr, 1, true) -- fails after the move
    assert.same({ "ca", "files", "link", "store", "tls" }, names(folder, "data"))
    assert.same({ ".moonwire-root", "other" }, names(folder, "data/files"))
  end)

  it("cannot have a file in the place of the folder", function()
    local folder <close> = new { ["data/files"] = "" }
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0")
    assert.equal(1, code)
    assert.matches("moonwire: cannot open DIR/data/files, for the files of scripts: Not a directory", stderr, 1, true)
  end)

  it("is not moved out of a project folder", function()
    local folder <close> = new()
    local function serve() return servers.start { dir = folder.dir, data = folder.dir } end
    serve():stop()
    shell(folder, "rm -r files")
    local code, _, stderr = folder:run("serve", "--listen", "127.0.0.1:0", "--data", folder.dir)
    assert.equal(1, code)
    assert.matches(
      "moonwire: the data folder DIR holds the project folder: make DIR/files and move the files of scripts " ..
      "there, where mw.fs looks for them", stderr, 1, true)
    shell(folder, "mkdir files")
    serve():stop()
    assert.same({ "files", "lua", "proto", "store" }, names(folder, "."))
  end)
end)

describe("the setting files.folders", function()
  local function refused(words, text)
    local folder <close> = new { ["moonwire.lua"] = text }
    local code, _, stderr = folder:run "check"
    assert.equal(1, code)
    assert.matches(words, stderr, 1, true)
  end

  it("names absolute paths", function()
    local words = 'DIR/moonwire.lua:1: files.folders: expected an absolute path, or a list of at most 16, without ".."'
    for _, value in ipairs { "'media'", "''", "{ '/srv/../etc' }", "{ '/srv/..' }", "5", "{ 5 }" } do
      refused(words, ("return { files = { folders = %s } }"):format(value))
    end
    refused(words, "local t = {} for i = 1, 17 do t[i] = '/x' .. i end return { files = { folders = t } }")
  end)

  it("names no folder that has to do with the data folder", function()
    local folder <close> = new()
    local function refuses(words, path)
      folder:write("moonwire.lua", ("return { files = { folders = '%s' } }"):format(path))
      for _, command in ipairs { "check", "serve" } do
        local code, _, stderr = folder:run(command,
          table.unpack(command == "serve" and { "--listen", "127.0.0.1:0" } or {}))
        assert.equal(1, code)
        assert.matches(words, stderr, 1, true)
      end
    end
    shell(folder, "mkdir data && ln -s data other")
    refuses("files.folders: / holds the data folder DIR/data: expected a folder apart from it", "/")
    refuses("files.folders: DIR holds the data folder DIR/data", folder.dir)
    refuses("files.folders: DIR/other is the data folder DIR/data", folder.dir .. "/other")
    refuses("files.folders: DIR/data/store lies in the data folder DIR/data", folder.dir .. "/data/store")
    refuses("files.folders: DIR/other/x lies in the data folder DIR/data", folder.dir .. "/other/x")
  end)

  it("may be empty", function()
    local folder <close> = new { ["moonwire.lua"] = "return { files = { folders = {} } }" }
    assert.equal(0, (folder:run "check"))
  end)
end)
