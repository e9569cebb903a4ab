-- The user service: checks requests; directory.lua stores the users.
local mw = require "moonwire"
local directory = require "directory"
local page_token = require "page_token"

local PAGE_SIZE <const>, MAX_PAGE_SIZE <const> = 10, 1000
local PACKED <const> = { packed = true }
local MAX_BULK <const> = 10000
local PAGES <const> = "userservice.ListUsers"

local UserService = mw.service "userservice.UserService"
local room = mw.topic "userservice.chat"

local function bad_field(field, words)
  return mw.status.invalid_argument("%s: %s", field, words):with_details("google.rpc.BadRequest", {
    field_violations = { { field = field, description = words } },
  })
end

-- Checks a request for a new user. Returns a status if it is invalid, else nil.
local function check_new(req)
  if req.username == "" then
    return bad_field("username", "expected a name, got nothing")
  elseif not req.email:find "^[^@%s]+@[%w-]+%.[%w.-]*%w$" or req.email:find("..", 1, true) then
    return bad_field("email", ("expected an address like name@example.com, got %q"):format(req.email))
  end
end

---@param req userservice.GetUserRequest
---@return userservice.GetUserResponse?, moonwire.Status?
function UserService.GetUser(req)
  if req.id <= 0 then
    return nil, mw.status.invalid_argument("id: expected a positive number, got %d", req.id)
  end
  local user = directory.get(req.id)
  if not user then return nil, mw.status.not_found("User ID not found: %d", req.id) end
  return { user = user }
end

---@param req userservice.CreateUserRequest
---@return userservice.GetUserResponse?, moonwire.Status?
function UserService.CreateUser(req)
  local wrong = check_new(req)
  if wrong then return nil, wrong end
  local added, status = directory.add { req }
  if not added then return nil, status end
  return { user = added[1] }
end

---@param req userservice.ListUsersRequest
---@return userservice.ListUsersResponse?, moonwire.Status?
function UserService.ListUsers(req)
  if req.page_size < 0 then
    return nil, mw.status.invalid_argument("page_size: expected 0 to %d, got %d", MAX_PAGE_SIZE, req.page_size)
  end
  local after
  if req.page_token ~= "" then
    after = tonumber(page_token.key(PAGES, req.page_token) or "")
    if not after then return nil, mw.status.invalid_argument("page_token: not one that ListUsers gave out") end
  end

  local size <const> = req.page_size == 0 and PAGE_SIZE or math.min(req.page_size, MAX_PAGE_SIZE)
  local page = directory.page(after, size + 1) -- one more, to detect a further page
  local more <const> = page[size + 1] ~= nil
  page[size + 1] = nil
  return { users = page, next_page_token = more and page_token.new(PAGES, tostring(page[size].id)) or "" }
end

local function has_role(user, wanted)
  for _, role in ipairs(user.roles) do
    if role == wanted then return true end
  end
  return wanted == ""
end

---@param req userservice.WatchUsersRequest
---@param call moonwire.Call
function UserService.WatchUsers(req, call)
  for event in directory.watch() do
    if event.type == "put" and has_role(event.message, req.role_filter) then
      if not call:send(event.message) then return end
    end
  end
end

---@param call moonwire.Call
---@return userservice.BulkCreateResponse?, moonwire.Status?
function UserService.BulkCreateUsers(call)
  local requests = {}
  for req in call:messages() do
    if #requests == MAX_BULK then
      return nil, mw.status.resource_exhausted("expected at most %d users at once", MAX_BULK)
    end
    local wrong = check_new(req)
    if wrong then return nil, wrong end
    requests[#requests + 1] = req
  end
  local added, status = directory.add(requests)
  if not added then return nil, status end
  return { created_count = #added }
end

-- One fiber publishes this client's messages, the other sends it all messages. A client that reads slowly fills its own
-- queue and then loses the oldest messages; it delays nobody else.
---@param call moonwire.Call
function UserService.UserChat(call)
  local heard <close> = room:subscribe { capacity = 1024, packed = true } -- nothing here looks into a message
  mw.spawn(function()
    local message = call:receive(PACKED)
    while message do
      room:publish(message)
      message = call:receive(PACKED)
    end
    heard:close() -- values in its queue are still sent
  end)
  for message in heard:messages() do
    if not call:send(message) then return end
  end
end
