-- The users in the store, by id and by username, so that usernames are unique. One transaction writes both.
local mw = require "moonwire"

local M = {}

local by_id = mw.store.collection { name = "users", message = "userservice.User", key = "id" }
local by_name = mw.store.collection { name = "users.by_name", message = "userservice.User", key = "username" }

-- The initial users.
local founders <const> = {
  { id = 1, username = "alice", email = "alice@example.com", roles = { "admin" } },
  { id = 2, username = "bob", email = "bob@example.com", roles = { "user" } },
}
local founded = false

-- Every access goes through users(): the first one on each worker adds the founders.
local function users()
  if not founded then
    assert(mw.store.transaction(function(tx)
      for _, user in ipairs(founders) do
        if not tx:get(by_id, user.id) then
          tx:insert(by_id, user)
          tx:insert(by_name, user)
        end
      end
    end))
    founded = true
  end
  return by_id
end

-- Adds all requested users, or none if a username is taken. Returns them, or nil and a status.
---@param requests userservice.CreateUserRequest[]
---@return userservice.User[]?, moonwire.Status?
function M.add(requests)
  local added = {}
  for i, request in ipairs(requests) do
    local number <const> = assert(users():next_id())
    added[i] = { id = #founders + number, username = request.username, email = request.email, roles = { "user" } }
  end
  return mw.store.transaction(function(tx)
    for _, user in ipairs(added) do
      if tx:get(by_name, user.username) then
        return nil, mw.status.already_exists("username %s is taken", user.username)
      end
      tx:insert(by_name, user)
      tx:insert(by_id, user)
    end
    return added
  end)
end

---@param id integer
---@return userservice.User?
function M.get(id)
  return users():get(id)
end

-- Returns at most `limit` users in id order, after the user `id`.
---@param id integer?
---@param limit integer
---@return userservice.User[]
function M.page(id, limit)
  local page = {}
  for user in users():each { after = id, limit = limit } do
    page[#page + 1] = user
  end
  return page
end

-- Iterates over the existing users, then over each new one, without end.
function M.watch()
  return users():watch { existing = true }
end

return M
