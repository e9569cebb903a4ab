-- Helpers of the files of checks. `t` is the harness: t.encode, t.decode, t.protoc_encode, t.protoc_decode.

local function show(value, depth)
  depth = depth or 0
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if type(value) ~= "table" or depth > 12 then return tostring(value) end
  local parts = {}
  for k, v in next, value do parts[#parts + 1] = "[" .. show(k, depth + 1) .. "]=" .. show(v, depth + 1) end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- Raw equality at every depth: same keys, same types, NaN equal to itself, 0.0 unlike -0.0.
local function same(a, b)
  if math.type(a) ~= math.type(b) or type(a) ~= type(b) then return false end
  if type(a) == "number" then return a == b and (a ~= 0 or 1 / a == 1 / b) or a ~= a and b ~= b end
  if type(a) ~= "table" then return a == b end
  for k, v in next, a do if not same(v, rawget(b, k)) then return false end end
  for k in next, b do if rawget(a, k) == nil then return false end end
  return true
end

function t.same(got, expected, what)
  if not same(got, expected) then
    error((what or "value") .. ": expected " .. show(expected) .. "\n  got " .. show(got), 2)
  end
end

function t.is(got, expected, what)
  if got ~= expected then error((what or "value") .. ": expected " .. show(expected) .. ", got " .. show(got), 2) end
end

-- Asserts that encoding `value` as `type_name` fails with exactly `message`.
function t.fails(type_name, value, message)
  local bytes, text = t.encode(type_name, value)
  if bytes then error("encoded, but expected: " .. message, 2) end
  if text ~= message then error("expected: " .. message .. "\n     got: " .. text, 2) end
end

function t.raises(message, f, ...)
  local ok, text = pcall(f, ...)
  if ok then error("no error, but expected: " .. message, 2) end
  if not tostring(text):find(message, 1, true) then
    error("expected: " .. message .. "\n     got: " .. tostring(text), 2)
  end
end

-- Encodes and decodes `value`.
function t.round_trip(type_name, value)
  local bytes, text = t.encode(type_name, value)
  if not bytes then error(text, 2) end
  return (assert(t.decode(type_name, bytes)))
end

-- Passes `value` through the encoder, protoc in both directions, and the decoder.
function t.oracle(type_name, value)
  local bytes = assert(t.encode(type_name, value))
  return (assert(t.decode(type_name, t.protoc_encode(type_name, t.protoc_decode(type_name, bytes)))))
end
