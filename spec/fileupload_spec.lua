local mw = require "moonwire"
local project = require "support.project"
local servers = require "support.server"
local test = require "moonwire.test"

describe("fileupload.FileUploadService", function()
  local server, client, folder
  setup(function()
    folder = project.new {}
    -- A small quarantine, so that freed memory that AddressSanitizer keeps does not count as the server's.
    local env = { ASAN_OPTIONS = "quarantine_size_mb=4:" .. (os.getenv "ASAN_OPTIONS" or "") }
    server = servers.start { data = folder.dir, args = { "--workers", "2" }, env = env }
    client = mw.client(server.address):service "fileupload.FileUploadService"
  end)
  teardown(function()
    server:stop()
    folder:__close()
  end)

  -- Names of the files in the upload folder, hidden ones too.
  local function uploads()
    local names = {}
    local list <close> = assert(io.popen(("ls -A %s/files/uploads 2>/dev/null"):format(folder.dir)))
    for name in list:lines() do names[#names + 1] = name end
    return names
  end

  local function content(name)
    local file <close> = assert(io.open(folder.dir .. "/files/uploads/" .. name, "rb"))
    return file:read "a"
  end

  -- Sends the chunks, with default indices. Returns reply and status.
  local function upload(chunks)
    local stream <close> = client:Upload()
    for i, chunk in ipairs(chunks) do
      chunk.chunk_index = chunk.chunk_index or i - 1
      if not stream:send(chunk) then break end
    end
    return stream:finish()
  end

  local function refuses(message, chunks)
    local before = uploads()
    servers.assert_status("INVALID_ARGUMENT", message, upload(chunks))
    test.eventually(function() return #uploads() == #before end) -- no temporary file is left
  end

  it("keeps a file of one chunk", function()
    local reply = assert(upload { { filename = "one.bin", data = "a\0b\xff", is_last = true } })
    assert.are.equal("one.bin", reply.filename)
    assert.are.equal(4, reply.total_bytes)
    assert.are.equal(1, reply.total_chunks)
    assert.is_true(reply.success)
    assert.are.equal("received 4 bytes in 1 chunks", reply.message)
    assert.are.equal("a\0b\xff", content "one.bin")
  end)

  it("keeps an empty file", function()
    assert.are.equal(0, assert(upload { { filename = "empty", is_last = true } }).total_bytes)
    assert.are.equal("", content "empty")
  end)

  it("keeps a file of many chunks, named by the first or by each", function()
    local chunks, expected = { { filename = "many", data = "start" } }, { "start" }
    for i = 2, 200 do
      expected[i] = ("%04d"):format(i):rep(1000)
      chunks[i] = { filename = i % 2 == 0 and "many" or "", data = expected[i], is_last = i == 200 }
    end
    local reply = assert(upload(chunks))
    assert.are.equal(200, reply.total_chunks)
    assert.is_true(content "many" == table.concat(expected))
  end)

  it("replaces a file of the same name", function()
    assert(upload { { filename = "same", data = "old, and longer", is_last = true } })
    assert(upload { { filename = "same", data = "new", is_last = true } })
    assert.are.equal("new", content "same")
  end)

  it("takes names of any script, and those that only look odd", function()
    for _, name in ipairs { "grüße.txt", "a b", "...", "-rf", ".hidden", ("n"):rep(255) } do
      assert(upload { { filename = name, data = name, is_last = true } })
      assert.are.equal(name, content(name))
    end
  end)

  it("refuses names that are none, or paths", function()
    refuses("filename: the first chunk must name the file", { { data = "x", is_last = true } })
    for _, name in ipairs { "../x", "/etc/passwd", "a/b", "..", ".", "a\\b", "a\0b" } do
      refuses("filename: expected a plain name without a path", { { filename = name, data = "x", is_last = true } })
    end
    refuses("filename: expected at most 255 bytes, got 256", { { filename = ("n"):rep(256), is_last = true } })
  end)

  it("refuses chunks out of order", function()
    refuses("chunk_index: expected 0, got 1", { { filename = "o", chunk_index = 1, is_last = true } })
    refuses("chunk_index: expected 1, got 0", { { filename = "o" }, { chunk_index = 0, is_last = true } })
    refuses("chunk_index: expected 1, got 2", { { filename = "o" }, { chunk_index = 2, is_last = true } })
  end)

  it("refuses chunks after the last", function()
    local words = "chunk_index: got chunk 1 after the one with is_last"
    refuses(words, { { filename = "o", is_last = true }, { data = "x" } })
  end)

  it("refuses a second name", function()
    local words = 'filename: expected "o" as in the first chunk, got "p"'
    refuses(words, { { filename = "o" }, { filename = "p", is_last = true } })
  end)

  it("refuses an end without the last chunk, or without any", function()
    refuses("the upload ended after 2 chunks without one with is_last", { { filename = "o" }, { data = "x" } })
    refuses("the upload ended after 0 chunks without one with is_last", {})
  end)

  it("says why it cannot keep files", function()
    local data <close> = project.new { ["files/uploads"] = "a file where the folder would be" }
    local other = servers.start { data = data.dir }
    local stream <close> = mw.client(other.address):service("fileupload.FileUploadService"):Upload()
    servers.assert_status("FAILED_PRECONDITION", "uploads: ", stream:finish())
    other:stop()
  end)

  it("shows a file only when it is complete, and leaves nothing of a client that goes", function()
    local before = #uploads()
    local stream <close> = client:Upload()
    assert(stream:send { filename = "partial", data = ("x"):rep(100000) })
    test.eventually(function() return #uploads() == before + 1 end)
    for _, name in ipairs(uploads()) do assert.are_not.equal("partial", name) end
    stream:cancel()
    test.eventually(function() return #uploads() == before end)
  end)

  it("writes to disk as it comes, and holds nothing in memory", function()
    local data, before = ("0123456789abcdef"):rep(65536), server:memory() -- 1 MiB
    local stream <close> = client:Upload()
    for i = 0, 127 do assert(stream:send { filename = "large", data = data, chunk_index = i, is_last = i == 127 }) end
    assert.are.equal(128 << 20, assert(stream:finish()).total_bytes)
    local more = server:memory() - before
    assert.is_true(more < 96 << 20, more)
  end)
end)
