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
  at("src/schema", done),
  at("src/store", done),
  at("src/rpc", done),
  at("src/engine/core", done),
  at("src/engine/http", done),
  at("src/engine/inproc", done),
  at("src/script", done),
  at("src/bind", done),
  at("src/server", done),
  at("src/cli", { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 1 }),
  at("docs/decisions", done),
  at("docs", done),
  at("library", done),
  at("lua", done),
  at("spec", { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 15 }),
  at("test", { start = 1, what = 2, persons = 8, behind = 1, quantity = 1, wide = 6 }),
  at("examples", done),
  at("bench", done),
  at("fuzz", done),
  at("scripts", done),
  at("README.md", done),
  at("CONTRIBUTING.md", done),
  at("SECURITY.md", done),
  at("CHANGELOG.md", done),
  at("Makefile", done),
}
