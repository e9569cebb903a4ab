-- The text of a C file for scripts/layers and scripts/loops: without comments and literals, by functions, by lines.
local M = {}

-- The text with comments and literals blanked out, so that places stay the same.
function M.strip(text)
  local function blank(s) return (s:gsub("[^\n]", " ")) end
  local out, at = {}, 1
  while true do
    local from, _, mark = text:find("([/'\"])", at)
    if not from then break end
    local to
    if mark == "/" then
      local two = text:sub(from, from + 1)
      if two == "/*" then _, to = text:find("*/", from + 2, true)
      elseif two == "//" then to = (text:find("\n", from, true) or #text + 1) - 1
      else to = from end
    else
      to = from
      repeat
        to = text:find("[\\" .. mark .. "]", to + 1)
        local escape = text:sub(to, to) == "\\"
        if escape then to = to + 1 end
      until not escape
    end
    out[#out + 1] = text:sub(at, from - 1)
    out[#out + 1] = from == to and text:sub(from, to) or blank(text:sub(from, to))
    at = to + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

-- Reads a file and strips it. An extra newline comes first, so that every line of the file follows one.
function M.read(path)
  local input <close> = assert(io.open(path))
  return "\n" .. M.strip(input:read "a")
end

-- Calls f(name, offset, body, head) for each function of a stripped text: a line that begins with a word and ends with
-- "{", up to "}".
function M.each_function(text, f)
  for from, head, body in text:gmatch "\n()(%a[^;{}]-%))%s*(%b{})" do
    local name = head:match "([%w_]+)%s*%("
    if name then f(name, from + #head, body, head) end
  end
end

-- The line of a place in a text of read().
function M.line_of(text, at) return select(2, text:sub(1, at):gsub("\n", "")) end

function M.shell_quote(s) return "'" .. s:gsub("'", [['\'']]) .. "'" end

-- Sorted paths of the .c and .h files below a folder; none where there is no such folder.
function M.files(folder)
  local paths = {}
  local list <close> = assert(io.popen(("find %s -name '*.[ch]' 2>/dev/null | sort"):format(M.shell_quote(folder))))
  for path in list:lines() do paths[#paths + 1] = path end
  return paths
end

return M
