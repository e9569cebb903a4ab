-- For scripts/prose: the most that a path may have of each habit per 1,000 sentences, rounded up to whole sentences,
-- and of lines over 120 columns. `done` is for paths that are in plain English; the others come down to it.
local done <const> = { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 0 }

local function at(path, limit)
  return setmetatable({ path = path }, { __index = limit })
end

return {
  at("src/base", done),
  at("src/loop", done),
  at("src/observe", done),
  at("src/schema", { start = 26, what = 33, persons = 33, behind = 26, quantity = 1, wide = 23 }),
  at("src/store", done),
  at("src/rpc", done),
  at("src/engine/core", { start = 21, what = 57, persons = 54, behind = 10, quantity = 1, wide = 32 }),
  at("src/engine/http", { start = 52, what = 65, persons = 70, behind = 19, quantity = 5, wide = 49 }),
  at("src/engine/inproc", { start = 26, what = 103, persons = 206, behind = 26, quantity = 1, wide = 1 }),
  at("src/script", { start = 17, what = 25, persons = 17, behind = 8, quantity = 2, wide = 55 }),
  at("src/bind", { start = 22, what = 47, persons = 14, behind = 8, quantity = 1, wide = 70 }),
  at("src/server", { start = 36, what = 28, persons = 47, behind = 2, quantity = 4, wide = 67 }),
  at("src/cli", { start = 30, what = 43, persons = 33, behind = 10, quantity = 1, wide = 34 }),
  at("docs/decisions", done),
  at("docs", { start = 22, what = 26, persons = 26, behind = 9, quantity = 3, wide = 582 }),
  at("library", { start = 1, what = 19, persons = 9, behind = 5, quantity = 1, wide = 11 }),
  at("lua", { start = 84, what = 84, persons = 125, behind = 1, quantity = 1, wide = 0 }),
  at("spec", { start = 74, what = 122, persons = 61, behind = 1, quantity = 1, wide = 69 }),
  at("test", { start = 47, what = 62, persons = 56, behind = 12, quantity = 3, wide = 163 }),
  at("examples", { start = 41, what = 51, persons = 91, behind = 1, quantity = 1, wide = 4 }),
  at("bench", { start = 36, what = 71, persons = 48, behind = 1, quantity = 1, wide = 1 }),
  at("fuzz", { start = 29, what = 86, persons = 8, behind = 29, quantity = 1, wide = 4 }),
  at("scripts", done),
  at("README.md", { start = 1, what = 40, persons = 8, behind = 1, quantity = 1, wide = 8 }),
  at("CONTRIBUTING.md", done),
  at("SECURITY.md", done),
  at("CHANGELOG.md", done),
  at("Makefile", done),
}
