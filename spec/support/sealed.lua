--- sealed: bodies that tell which URL they are of, and whether all of them is there.
--
-- A head line with the target, the number of its making and the length; as many bytes as that,
-- which only these three give; a sum over all of it.

local bit = require "bit"

local sealed = {}

-- Adler's sum, in eight hexadecimal digits.
local function sum_of(bytes)
  local low, high = 1, 0
  for i = 1, #bytes do
    low = (low + bytes:byte(i)) % 65521
    high = (high + low) % 65521
  end
  return bit.tohex(bit.bor(bit.lshift(high, 16), low))
end

--- The body of an answer to `target`.
---@param target string
---@param number integer  tells it from others of the same target
---@param length integer  of its inner part, in bytes
---@return string
function sealed.body(target, number, length)
  local head = ("%s %d %d\n"):format(target, number, length)
  local text = head .. head:rep(math.ceil(length / #head)):sub(1, length)
  return text .. sum_of(text)
end

--- What is wrong with the body of an answer to `target`; nil when nothing is.
---@param body string
---@param target string
---@return string|nil
function sealed.problem(body, target)
  local of, _, length = body:match "^(%S+) (%d+) (%d+)\n"
  if not of then return "it is no body of ours" end
  if of ~= target then return "it is of " .. of end
  local text = body:sub(1, -9)
  if #text ~= #body:match "^[^\n]*\n" + tonumber(length) then return "its length is wrong" end
  if sum_of(text) ~= body:sub(-8) then return "its bytes are wrong" end
  return nil
end

return sealed
