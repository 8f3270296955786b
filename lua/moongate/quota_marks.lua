--- quota_marks: what of quotas a worker has charged and not saved yet, told in shared memory.
--
-- So the successor of a worker that was killed knows what to save. A mark is a quota's name and a
-- scope, with a number; the numbers of a worker go up, so that those that still count are among
-- the last. Marks lie where nothing gives way (`memory.dict`): without room one is missing, and
-- then what it stands for is saved when the scope is charged again.

local bridge = require "moongate.ffi"
local dict = require "moongate.dict" "quota"

local C = bridge.C

local marks = {}

-- A worker that was killed has a successor long before, save where none can be started.
local KEPT_SECONDS = 600
-- Between two marks that count there are no more that do not, or they are given up.
local GAP_MAX = 10000
local PATTERN = "^(%d+) (.*)$"

local function worker() return C.moon_worker_number(bridge.generation, C.MOON_WORKER_INDEX) end

local function key_of(number) return ("%d/%d"):format(worker(), number) end

--- Before the next flush, at the first charge of a scope since the last one.
---@param name string
---@param scope string
---@param seconds number  until it is flushed
---@return integer mark  0: there was no room
function marks.put(name, scope, seconds)
  local number = dict:increment("marks/" .. worker())
  if not number then return 0 end
  local text = ("%d %s%s"):format(#name, name, scope)
  return dict:set(key_of(number), text, seconds + KEPT_SECONDS) and number or 0
end

---@param mark integer
function marks.remove(mark)
  if mark > 0 then dict:delete(key_of(mark)) end
end

-- By name: scopes, with their marks.
local function read()
  local all, missing = {}, 0
  local number = dict:get("marks/" .. worker()) or 0
  while number > 0 and missing < GAP_MAX do
    local text = dict:get(key_of(number))
    missing = text and 0 or missing + 1
    if text then
      local length, rest = text:match(PATTERN)
      local name, scope = rest:sub(1, length), rest:sub(length + 1)
      all[name] = all[name] or {}
      all[name][scope] = number
    end
    number = number - 1
  end
  return all
end

local function is_new_process()
  local numbers = bridge.new "double[4]"
  if not C.moon_worker_at(bridge.generation, worker(), bridge.found, numbers) then return false end
  local before = dict:get("process/" .. worker())
  if before == numbers[0] then return false end
  dict:set("process/" .. worker(), numbers[0])
  return before ~= nil
end

local left

--- What the worker that had this place before has not saved of a quota, once.
---@param name string
---@return table<string, integer>  marks by scope
function marks.take(name)
  left = left or (is_new_process() and read() or {})
  local of_name = left[name] or {}
  left[name] = nil
  return of_name
end

return marks
