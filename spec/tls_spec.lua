-- Mistakes with TLS: `moonwire call` and mw.client name the mistake and the option that corrects it.
local mw = require "moonwire"
local project = require "support.project"
local test = require "moonwire.test"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("a connection that fails for TLS", function()
  local folder, plain, plain_address, tls, tls_address, strict, strict_address

  local function certificate(name, options)
    local make <const> = "cd '%s' && openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.crt -days 2 "
      .. "-subj /CN=localhost %s 2>/dev/null"
    assert(os.execute(make:format(folder.dir, name, name, options or "")))
  end

  local function serve(settings)
    folder:write("moonwire.lua", "return { workers = 1, " .. settings .. " }")
    return test.serve { dir = folder.dir }
  end

  setup(function()
    folder = project.new {
      ["proto/helloworld.proto"] = read "proto/helloworld.proto",
      ["lua/greeter.lua"] = [[
        require "moonwire".service "helloworld.Greeter".SayHello = function(req) return { message = req.name } end]],
    }
    certificate("server", "-addext subjectAltName=IP:127.0.0.1")
    certificate "other"
    plain, plain_address = serve ""
    tls, tls_address = serve "tls = { cert = 'server.crt', key = 'server.key' }"
    strict, strict_address = serve "tls = { cert = 'server.crt', key = 'server.key', client_ca = 'other.crt' }"
  end)

  teardown(function()
    for _, server in pairs { plain, tls, strict } do
      server:kill()
      server:wait()
      server:close()
    end
    folder:__close()
  end)

  -- Asserts the error of `moonwire call` with `options`, and of mw.client with the same options as a table.
  local function fails(expected, address, options, of_client)
    local words <const> = { "call", address, "helloworld.Greeter/SayHello", "{}", table.unpack(options) }
    local process <close> = test.start(words, { cwd = folder.dir })
    assert.are.equal(14, (process:wait()), process.stderr)
    assert.matches(expected, process.stderr, 1, true)
    local reply, status = mw.client(address, of_client):service "helloworld.Greeter":SayHello {}
    assert.is_nil(reply)
    assert.are.equal("UNAVAILABLE", status.code)
    assert.matches(expected, status.message, 1, true)
  end

  local function path(name) return folder.dir .. "/" .. name end

  it("names the CA", function()
    fails("the server's certificate is not signed by a trusted CA, has expired or is not valid yet: give the CA's file "
      .. "(--ca FILE; ca = FILE), or renew the certificate", tls_address, { "--tls", "--ca", "other.crt" },
      { ca = path "other.crt" })
  end)

  it("names the authority", function()
    fails("the server's certificate has another name: call the server by a name that the certificate has, or give that "
      .. "name as the authority (--authority NAME; authority = NAME)", tls_address,
      { "--tls", "--ca", "server.crt", "--authority", "example.org" },
      { ca = path "server.crt", authority = "example.org" })
  end)

  it("names TLS where a plaintext call reaches it", function()
    fails("if the port speaks TLS, call it with TLS (--tls; tls = true)", tls_address, {}, {})
  end)

  it("names plaintext where a TLS call reaches it", function()
    fails("the port does not speak TLS: call it without TLS, or name the TLS port", plain_address,
      { "--tls", "--ca", "server.crt" }, { ca = path "server.crt" })
  end)

  it("names the client's certificate", function()
    fails("if it requires a client certificate, give one that its CA signed (--cert FILE --key FILE; cert = FILE, "
      .. "key = FILE)",
      strict_address, { "--tls", "--ca", "server.crt" }, { ca = path "server.crt" })
  end)

  it("does not fail with all in place", function()
    local words <const> = { "call", strict_address, "helloworld.Greeter/SayHello", '{"name": "x"}', "--tls",
      "--ca", "server.crt", "--cert", "other.crt", "--key", "other.key" }
    local process <close> = test.start(words, { cwd = folder.dir })
    assert.are.equal('{"message":"x"}', process:read_line(), process.stderr)
    assert.are.equal(0, (process:wait()))
  end)
end)
