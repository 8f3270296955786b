--- kept: things made for keys, of which those in use are kept, and no more than twice `max`.
--
-- Two tables: when the young one is full it becomes the old one, whose entries are dropped unless
-- they are used again.

---@class Kept
---@field max integer
local Kept = {}
Kept.__index = Kept

---@param key any
---@return any value  nil: none
function Kept:get(key)
  local value = self.young[key]
  if value ~= nil then return value end
  value = self.old[key]
  if value ~= nil then self:put(key, value) end
  return value
end

---@param key any
---@param value any  not nil
function Kept:put(key, value)
  if self.count >= self.max then
    self.old, self.young, self.count = self.young, {}, 0
  end
  self.young[key] = value
  self.count = self.count + 1
end

---@param key any
function Kept:drop(key)
  self.young[key], self.old[key] = nil, nil
end

function Kept:clear()
  self.young, self.old, self.count = {}, {}, 0
end

---@param max integer
---@return Kept
return function(max)
  return setmetatable({ max = max, young = {}, old = {}, count = 0 }, Kept)
end
