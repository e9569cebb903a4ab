-- `moonwire check`: mistakes in the settings, each by its name and line.
local project = require "support.project"
local test = require "moonwire.test"

describe("moonwire check of settings", function()
  it("refuses settings that are wrong, all at once", function()
    local folder <close> = project.new { ["lua/broken.lua"] = "return )", ["moonwire.lua"] = [[
-- grace = 1
local limits <const> = {
  grace_of = 1, message_byte = 1,
}
return {
  wrkers = 2, ["grace"] = -1,
  limits = limits,
  tls = 5, reload = { specs = 1, protoc_seconds = 0 },
  keepalive = { time = -1, timeout = 0, min_time = "1", permit_without_stream = 1, max_connection_age = 1e7 },
  [1] = 2,
}
]] }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("DIR/moonwire.lua:6: wrkers: no such setting; did you mean workers", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:6: grace: expected seconds from 0 to 86400", stderr, 1, true)
    assert.matches("DIR/moonwire.lua: limits.message_byte: no such setting; did you mean message_bytes",
      stderr, 1, true) -- the group that it belongs to is set on another line
    assert.matches("DIR/moonwire.lua:8: tls: expected a table", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:8: reload.specs: expected true or false", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:8: reload.protoc_seconds: expected seconds from 1 to 86400", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.time: expected seconds from 0 (never) to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.timeout: expected seconds from 0.01 to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.min_time: expected seconds from 0 (no limit) to 1e6", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.permit_without_stream: expected true or false", stderr, 1, true)
    assert.matches("DIR/moonwire.lua:9: keepalive.max_connection_age: expected seconds from 0 (no limit) to 1e6",
      stderr, 1, true)
    assert.matches("DIR/moonwire.lua: [...]: settings have names", stderr, 1, true)
    assert.matches("DIR/lua/broken.lua:1: unexpected symbol", stderr, 1, true)
  end)

  it("refuses TLS without a certificate or a key", function()
    local function missing(tls, name)
      local folder <close> = project.new { ["moonwire.lua"] = ("return { tls = { %s } }"):format(tls) }
      local code, _, stderr = folder:run "check"
      assert.are.equal(1, code)
      assert.matches(("DIR/moonwire.lua: tls.%s: expected a PEM file, as tls has other settings"):format(name), stderr,
        1, true)
    end
    missing('cert = "a.pem"', "key")
    missing('key = "a.pem"', "cert")
    missing('client_ca = "a.pem"', "cert")
    missing('client_ca = "a.pem"', "key")
  end)

  describe("limits in the settings", function()
    -- name -> smallest value, largest value, their form in the error
    local limits <const> = {
      message_bytes = { 1, 2147483647, "bytes from 1 to 2147483647" },
      metadata_bytes = { 1024, 16777216, "bytes from 1024 to 16777216" },
      unpack_bytes = { 4096, 1e12, "bytes from 4096 to 1e12" },
      unsent_messages = { 1, 1000000, "an integer from 1 to 1000000" },
      slice_ms = { 0, 3600000, "milliseconds from 0 to 3600000" },
      memory_bytes = { 0, 1e12, "bytes from 0 to 1e12" },
      weak_keys = { 0, 1e9, "an integer from 0 to 1e9" },
      connections = { 1, 1000000, "an integer from 1 to 1000000" },
      streams = { 1, 1000000, "an integer from 1 to 1000000" },
      stream_resets = { 1, 1e9, "an integer from 1 to 1e9" },
      control_frames = { 100, 1e9, "an integer from 100 to 1e9" },
      handshake_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      message_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      send_seconds = { 0.01, 86400, "seconds from 0.01 to 86400" },
      buffer_bytes = { 65536, 1e12, "bytes from 65536 to 1e12" },
    }

    -- Checks a folder whose moonwire.lua sets each limit, on a line of its own, to the Lua text that `value` returns.
    local function check_limits(value)
      local lines, names = { "return { limits = {" }, {}
      for name, limit in pairs(limits) do
        names[#names + 1] = name
        local whole = limit[3]:find "^an integer" or limit[3]:find "^bytes"
        lines[#lines + 1] = ("%s = %s,"):format(name, value(limit, whole))
      end
      lines[#lines + 1] = "} }"
      local folder <close> = project.new { ["moonwire.lua"] = table.concat(lines, "\n") }
      local code, _, stderr = folder:run "check"
      return code, stderr, names
    end

    local function refuses_each(value)
      local code, stderr, names = check_limits(value)
      assert.are.equal(1, code, stderr)
      for i, name in ipairs(names) do
        local words = ("DIR/moonwire.lua:%d: limits.%s: expected %s\n"):format(i + 1, name, limits[name][3])
        assert.is_truthy((stderr .. "\n"):find(words, 1, true), ("expected %q in %q"):format(words, stderr))
      end
    end

    it("may have their smallest and their largest value", function()
      assert.are.equal(0, (check_limits(function(limit) return limit[1] end)))
      assert.are.equal(0, (check_limits(function(limit) return ("%.0f"):format(limit[2]) end)))
    end)

    it("are refused below and above, each by its name", function()
      refuses_each(function(limit) return limit[1] - (limit[1] < 1 and 0.001 or 1) end)
      refuses_each(function(limit) return ("%.0f"):format(limit[2] + 1) end)
      refuses_each(function() return -1 end)
      refuses_each(function() return "0/0" end)
    end)

    it("are refused when they are no number, or no whole one where it takes that", function()
      refuses_each(function(limit) return ("'%s'"):format(limit[1]) end)
      refuses_each(function() return "true" end)
      refuses_each(function(limit, whole) return whole and limit[1] + 0.5 or "{}" end)
    end)
  end)

  local function refuses_settings(expected, text)
    local folder <close> = project.new { ["moonwire.lua"] = text }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches(expected, stderr, 1, true)
  end

  it("refuses settings that do not compile or raise, with file and line", function()
    refuses_settings("DIR/moonwire.lua:2: unexpected symbol near '='", "return {\n grace = = 1 }")
    refuses_settings("DIR/moonwire.lua:2: no", "\nerror 'no'")
    refuses_settings("assignment to undefined global 'port'", "port = 50051")
    refuses_settings("DIR/moonwire.lua: attempt to load a binary chunk", "\27Lua")
    refuses_settings("DIR/moonwire.lua: C stack overflow", "return " .. ("{"):rep(300) .. ("}"):rep(300))
  end)

  describe("what serve would refuse in the settings", function()
    -- Asserts that `check` and `serve` refuse the folder with the same words.
    local function refuses(words, settings, files)
      files = files or {}
      files["moonwire.lua"] = settings
      local folder <close> = project.new(files)
      for _, command in ipairs { "check", "serve" } do
        local code, _, stderr = folder:run(command)
        assert.are.equal(1, code, stderr)
        assert.is_truthy(stderr:find(words, 1, true), ("%s: expected %q in %q"):format(command, words, stderr))
      end
    end

    it("is an address that is none", function()
      local form = ": expected HOST:PORT with a port from 0 to 65535, like 127.0.0.1:50051 or [::1]:50051, or unix:PATH"
      refuses("DIR/moonwire.lua:2: listen: localhost" .. form, "return {\n listen = 'localhost' }")
      refuses("DIR/moonwire.lua:2: listen: 127.0.0.1:70000" .. form,
        "return {\n listen = { '127.0.0.1:0', '127.0.0.1:70000' } }")
      refuses("DIR/moonwire.lua:1: listen: unix:: expected unix:PATH with a path of 1 to 107 bytes",
        "return { listen = 'unix:' }")
      refuses("DIR/moonwire.lua:1: listen: expected \"HOST:PORT\" or \"unix:PATH\", or a list of at most 16",
        "return { listen = 50051 }")
    end)

    it("is an address that cannot be had", function()
      refuses("DIR/moonwire.lua:2: listen: cannot listen on 192.0.2.1:50051: Cannot assign requested address",
        "return {\n listen = '192.0.2.1:50051' }")
      refuses("DIR/moonwire.lua:2: listen: cannot listen on unix:DIR/no/socket: No such file or directory",
        "return {\n listen = 'unix:no/socket' }")
      refuses(
        "DIR/moonwire.lua:1: listen: cannot listen on unix:DIR/a: there is a file of that name which is no socket",
        "return { listen = 'unix:a' }", { a = "" })
      refuses("DIR/moonwire.lua:1: listen: cannot listen on no.such.host.invalid:1: ",
        "return { listen = 'no.such.host.invalid:1' }")
    end)

    it("is no port in use", function()
      local server <close>, address = test.serve()
      local folder <close> = project.new { ["moonwire.lua"] = ("return { listen = %q }"):format(address) }
      local code, _, stderr = folder:run "check"
      assert.are.equal(0, code, stderr)
      server:kill()
      assert.are.equal(0, (server:wait()))
    end)

    it("is a certificate, a key or an authority that cannot be used", function()
      local path <const> = os.tmpname()
      local make =
        "cd $(mktemp -d) && for i in a b; do openssl req -x509 -newkey rsa:2048 -nodes -keyout $i.key -out $i.crt " ..
        "-days 2 -subj /CN=localhost 2>/dev/null || exit 1; done; cat a.key a.crt b.key b.crt > " .. path
      assert(os.execute(make))
      local pem <close> = assert(io.open(path))
      local key, cert, other_key =
        pem:read "a":match "^(.-END PRIVATE KEY%-+\n)(.-END CERTIFICATE%-+\n)(.-END PRIVATE KEY%-+\n)"
      os.remove(path)
      local settings = "return { tls = {\n cert = 'a.crt',\n key = 'a.key',\n client_ca = 'ca.crt' } }"
      local function refuses_file(words, files) refuses("DIR/moonwire.lua:" .. words, settings, files) end
      refuses_file("2: tls.cert: TLS certificate: DIR/a.crt: No such file or directory", {})
      refuses_file('2: tls.cert: TLS certificate: DIR/a.crt: not a PEM file (no "-----BEGIN" line)',
        { ["a.crt"] = "x" })
      refuses_file("2: tls.cert: TLS certificate: DIR/a.crt: ", { ["a.crt"] = key, ["a.key"] = key, ["ca.crt"] = cert })
      refuses_file("3: tls.key: TLS key: DIR/a.key: No such file or directory", { ["a.crt"] = cert })
      refuses_file("3: tls.key: TLS key: DIR/a.key: is not the key of the certificate DIR/a.crt",
        { ["a.crt"] = cert, ["a.key"] = other_key, ["ca.crt"] = cert })
      refuses_file("4: tls.client_ca: TLS CA certificates: DIR/ca.crt: No such file or directory",
        { ["a.crt"] = cert, ["a.key"] = key })
      refuses_file("4: tls.client_ca: TLS CA certificates: DIR/ca.crt: ",
        { ["a.crt"] = cert, ["a.key"] = key, ["ca.crt"] = cert:gsub("\n%w", "\n!") })
    end)

    it("is a path that cannot be", function()
      refuses("DIR/moonwire.lua:2: data: cannot make the data folder DIR/file/data: Not a directory",
        "return {\n data = 'file/data' }", { file = "" })
      refuses("DIR/moonwire.lua:1: data: expected a folder or \":memory:\"", "return { data = '' }")
      refuses("DIR/moonwire.lua:1: tls.cert: expected a PEM file", "return { tls = { cert = '', key = 'k' } }")
      refuses("DIR/moonwire.lua:1: files.folders: / holds the data folder DIR/data: expected a folder apart from it",
        "return { files = { folders = '/' } }")
    end)

    it("is no default data folder, as there is --data", function()
      local folder <close> = project.new { ["data"] = "a file" }
      assert.are.equal(0, (folder:run "check"))
      assert.are.equal(1, (folder:run "serve"))
    end)

    it("is reported all at once, and touches nothing", function()
      local folder <close> = project.new { ["moonwire.lua"] = [[return {
        listen = { "192.0.2.1:1", "unix:no/socket" },
        tls = { cert = "a.crt", key = "a.key" },
        data = "some/where",
        files = { folders = "/" },
      }]] }
      local code, _, stderr = folder:run "serve"
      assert.are.equal(1, code)
      local _, _, checked = folder:run "check"
      for _, words in ipairs {
        "moonwire.lua:2: listen: cannot listen on 192.0.2.1:1", "moonwire.lua:2: listen: cannot listen on unix",
        "moonwire.lua:3: tls.cert:", "moonwire.lua:5: files.folders:",
      } do
        assert.matches(words, stderr, 1, true)
        assert.matches(words, checked, 1, true)
      end
      assert(not os.rename(folder.dir .. "/some", folder.dir .. "/other"))
    end)
  end)

  it("reports every setting that is wrong at once, each with its line", function()
    local folder <close> = project.new { ["moonwire.lua"] = [[return {
      listen = { "localhost", "192.0.2.1:1", 5 },
      workers = 0, grcae = 1,
      tls = { cert = 5, client_ca = "ca.pem" },
      files = { folders = { "relative", "/x/../y" } },
      proto = { "nope", "absent" },
      data = "file/data",
    }]], file = "" }
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    for _, words in ipairs {
      "moonwire.lua:2: listen: localhost: expected HOST:PORT", "moonwire.lua:2: listen: cannot listen on 192.0.2.1:1",
      'moonwire.lua:2: listen: expected "HOST:PORT"', "moonwire.lua:3: workers: expected",
      "moonwire.lua:3: grcae: no such setting", "moonwire.lua:4: tls.cert: expected a PEM file\n",
      "moonwire.lua: tls.key: expected a PEM file, as tls has other settings",
      "moonwire.lua:5: files.folders: expected an absolute path", "moonwire.lua:6: proto: DIR/nope: No such file",
      "moonwire.lua:6: proto: DIR/absent: No such file",
      "moonwire.lua:7: data: cannot make the data folder DIR/file/data: Not a directory",
    } do
      assert.is_truthy(stderr:find(words, 1, true), ("expected %q in %q"):format(words, stderr))
    end
    assert.are.equal(2, select(2, stderr:gsub("files%.folders", "")))
    assert.is_nil(stderr:find("tls.cert: expected a PEM file, as", 1, true))
  end)

  it("waits for no settings in a FIFO", function()
    local folder <close> = project.new {}
    assert(os.execute("mkfifo " .. folder.dir .. "/moonwire.lua"))
    local code, _, stderr = folder:run "check"
    assert.are.equal(1, code)
    assert.matches("moonwire.lua: not a regular file", stderr, 1, true)
  end)

  it("ends settings that run away", function()
    local words = "DIR/moonwire.lua:1: the script ran for more than 1000 ms while it was loaded"
    refuses_settings(words, "while true do end")
    refuses_settings(words, "while true do pcall(function() while true do end end) end")
    refuses_settings(words, "return coroutine.wrap(function() while true do end end)()")
    refuses_settings("the script ran for more than 1000 ms",
      "return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))")
    refuses_settings("DIR/moonwire.lua:1: the settings used up 67108864 bytes of memory",
      "local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end")
  end)

  it("lets settings read the environment, and nothing else", function()
    local folder <close> = project.new { ["moonwire.lua"] = "return { workers = tonumber(os.getenv 'SPEC_WORKERS') }" }
    for workers, code in pairs { ["2"] = 0, ["0"] = 1 } do
      local process <close> = test.start({ "check", folder.dir }, { env = { SPEC_WORKERS = workers } })
      assert.are.equal(code, (process:wait()))
    end
    refuses_settings("io.open is not available to scripts", "io.open 'x'")
    refuses_settings("os.exit is not available to scripts", "os.exit()")
  end)

  it("refuses a settings file that returns no table", function()
    local folder <close> = project.new { ["moonwire.lua"] = "return 5" }
    local _, _, stderr = folder:run "check"
    assert.matches("expected the file to return a table of settings, got number", stderr, 1, true)
  end)
end)
