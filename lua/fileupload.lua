-- Writes each chunk to a temporary file beside the final place, and renames the file once it is complete. If the upload
-- fails or the client disconnects, `<close>` removes the temporary file.
local mw = require "moonwire"

local PIECE <const> = 256 * 1024 -- bytes that are gathered for one write
local LONGEST_NAME <const> = 255 -- bytes, the limit of most file systems

local FileUploadService = mw.service "fileupload.FileUploadService"
local invalid = mw.status.invalid_argument

-- Checks a file name. Returns a status if it is invalid, else nil.
local function check_name(name)
  if name == "" then
    return invalid("filename: the first chunk must name the file")
  elseif name:find "[/\\\0]" or name == "." or name == ".." then
    return invalid("filename: expected a plain name without a path, got %q", name)
  elseif #name > LONGEST_NAME then
    return invalid("filename: expected at most %d bytes, got %d", LONGEST_NAME, #name)
  end
end

-- Checks a chunk. Returns a status if it is invalid, else nil.
local function check_chunk(chunk, name, expected, complete)
  if complete then
    return invalid("chunk_index: got chunk %d after the one with is_last", chunk.chunk_index)
  elseif chunk.chunk_index ~= expected then
    return invalid("chunk_index: expected %d, got %d", expected, chunk.chunk_index)
  elseif chunk.filename ~= "" and chunk.filename ~= name then
    return invalid("filename: expected %q as in the first chunk, got %q", name, chunk.filename)
  end
end

-- Returns a function that writes to the file in larger pieces, and without bytes the rest. It returns true, or nil and
-- a status.
local function piecewise(file)
  local pieces, size = {}, 0
  return function(bytes)
    if bytes then pieces[#pieces + 1], size = bytes, size + #bytes end
    if size == 0 or (bytes and size < PIECE) then return true end
    local piece <const> = table.concat(pieces)
    pieces, size = {}, 0
    return file:write(piece)
  end
end

---@param call moonwire.Call
---@return fileupload.UploadResponse?, moonwire.Status?
function FileUploadService.Upload(call)
  local file <close>, unopened = mw.fs.temp "uploads"
  if not file then return nil, unopened end
  local write <const> = piecewise(file)
  local name, bytes, chunks, complete = nil, 0, 0, false

  for chunk in call:messages() do
    local wrong = not name and check_name(chunk.filename)
    name = name or chunk.filename
    wrong = wrong or check_chunk(chunk, name, chunks, complete)
    if wrong then return nil, wrong end

    local written, status = write(chunk.data)
    if not written then return nil, status end
    bytes, chunks, complete = bytes + #chunk.data, chunks + 1, chunk.is_last
  end

  if not complete then
    return nil, invalid("the upload ended after %d chunks without one with is_last", chunks)
  end
  local written, unwritten = write()
  if not written then return nil, unwritten end
  local committed, status = file:commit(name, { replace = true })
  if not committed then return nil, status end
  return {
    filename = name, total_bytes = bytes, total_chunks = chunks,
    success = true, message = ("received %d bytes in %d chunks"):format(bytes, chunks),
  }
end
