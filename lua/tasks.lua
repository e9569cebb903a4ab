-- Keeps tasks only in the store: they survive a crash, a restart and a reload, and all workers share
-- them.
local mw = require "moonwire"

local tasks = mw.store.collection { name = "tasks", message = "tasks.Task", key = "id" }
local TaskService = mw.service "tasks.TaskService"

local function unknown(id)
  return mw.status.not_found("Task ID not found: %s", id)
end

---@param req tasks.CreateTaskRequest
---@return tasks.Task?, moonwire.Status?
function TaskService.CreateTask(req)
  if req.title == "" then
    return nil, mw.status.invalid_argument("title is required")
  end
  return tasks:insert {
    id = assert(tasks:next_id("task-%04d")),
    title = req.title,
    description = req.description,
    priority = req.priority,
    status = "TODO",
    created_at = os.time(),
  }
end

---@param req tasks.GetTaskRequest
---@return tasks.Task?, moonwire.Status?
function TaskService.GetTask(req)
  local task, status = tasks:get(req.id, { packed = true })
  if not task then return nil, status or unknown(req.id) end
  return task
end

---@param req tasks.ListTasksRequest
---@param call moonwire.Call
function TaskService.ListTasks(req, call)
  local where <const> = { priority = req.priority_filter, status = req.status_filter }
  call:send_all(tasks:each { where = where, packed = true }) -- nothing here looks into a task
end

---@param req tasks.UpdateStatusRequest
---@return tasks.Task?, moonwire.Status?
function TaskService.UpdateStatus(req)
  -- An enum's value is its name; a value that the schema lacks is a number.
  if req.status == "STATUS_UNSPECIFIED" or math.type(req.status) then
    return nil, mw.status.invalid_argument("status: expected TODO, IN_PROGRESS, DONE or CANCELLED, got %s", req.status)
  end
  local task, status = tasks:update(req.id, function(task)
    task.status = req.status
    return task
  end)
  if not task then return nil, status.code == "NOT_FOUND" and unknown(req.id) or status end
  return task
end
