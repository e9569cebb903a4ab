-- The people, by id. A plain Lua table: once this file is saved, the service answers from the new one.
return {
  ["1"] = {
    name = "Ada", email = "ada@example.com",
    profile = {
      bio = "Writes programs for engines.", avatar_url = "https://example.com/ada.png", created_at = 1700000000,
    },
  },
  ["2"] = {
    name = "Grace", email = "grace@example.com",
    profile = {
      bio = "Finds the moth.", avatar_url = "https://example.com/grace.png", created_at = 1700003600,
    },
  },
  ["3"] = {
    name = "Radia", email = "radia@example.com",
    profile = {
      bio = "Keeps networks free of loops.", avatar_url = "https://example.com/radia.png", created_at = 1700007200,
    },
  },
}
