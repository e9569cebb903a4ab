-- For scripts/prose: the most that a path may have of each habit per 1,000 sentences, rounded up to whole sentences,
-- and of lines over 120 columns. `done` is for paths that are in plain English; the others come down to it.
local done <const> = { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 0 }

local function at(path, limit)
  return setmetatable({ path = path }, { __index = limit })
end

return {
  at("src/base", { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 2 }),
  at("src/loop", done),
  at("src/observe", { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 3 }),
  at("src/schema", { start = 26, what = 33, persons = 33, behind = 26, quantity = 1, wide = 30 }),
  at("src/store", done),
  at("src/rpc", done),
  at("src/engine/core", { start = 1, what = 6, persons = 8, behind = 1, quantity = 1, wide = 4 }),
  at("src/engine/http", done),
  at("src/engine/inproc", done),
  at("src/script", { start = 16, what = 24, persons = 16, behind = 8, quantity = 2, wide = 80 }),
  at("src/bind", { start = 21, what = 46, persons = 12, behind = 7, quantity = 1, wide = 80 }),
  at("src/server", { start = 36, what = 28, persons = 46, behind = 2, quantity = 4, wide = 80 }),
  at("src/cli", { start = 28, what = 40, persons = 31, behind = 10, quantity = 1, wide = 50 }),
  at("docs/decisions", done),
  at("docs", { start = 21, what = 24, persons = 24, behind = 8, quantity = 3, wide = 600 }),
  at("library", { start = 1, what = 19, persons = 9, behind = 5, quantity = 1, wide = 11 }),
  at("lua", { start = 84, what = 84, persons = 125, behind = 1, quantity = 1, wide = 0 }),
  at("spec", { start = 73, what = 121, persons = 61, behind = 1, quantity = 1, wide = 100 }),
  at("test", { start = 38, what = 42, persons = 46, behind = 8, quantity = 1, wide = 160 }),
  at("examples", { start = 41, what = 51, persons = 91, behind = 1, quantity = 1, wide = 4 }),
  at("bench", done),
  at("fuzz", done),
  at("scripts", done),
  at("README.md", { start = 1, what = 39, persons = 8, behind = 1, quantity = 1, wide = 8 }),
  at("CONTRIBUTING.md", done),
  at("SECURITY.md", done),
  at("CHANGELOG.md", done),
  at("Makefile", done),
}
