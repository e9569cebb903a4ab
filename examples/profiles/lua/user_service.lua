-- Serves the people of people.lua.
local mw = require "moonwire"
local people = require "people"

local PAGE_SIZE <const>, MAX_PAGE_SIZE <const> = 10, 1000

local UserService = mw.service "user.UserService"

local ids = {}
for id in pairs(people) do ids[#ids + 1] = id end
table.sort(ids)

local function response(id, include_profile)
  local person = people[id]
  return { id = id, email = person.email, name = person.name, profile = include_profile and person.profile or nil }
end

---@param req user.UserRequest
---@return user.UserResponse?, moonwire.Status?
function UserService.GetUser(req)
  if not people[req.user_id] then return nil, mw.status.not_found("User ID not found: %s", req.user_id) end
  return response(req.user_id, req.include_profile)
end

---@param req user.ListUsersRequest
---@param call moonwire.Call
function UserService.ListUsers(req, call)
  if req.page_size < 0 then
    error(mw.status.invalid_argument("page_size: expected 0 to %d, got %d", MAX_PAGE_SIZE, req.page_size))
  end
  local left = req.page_size == 0 and PAGE_SIZE or math.min(req.page_size, MAX_PAGE_SIZE)
  for _, id in ipairs(ids) do
    if left == 0 then return end
    if id > req.after_id then
      if not call:send(response(id, req.include_profile)) then return end
      left = left - 1
    end
  end
end
