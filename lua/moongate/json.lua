--- json: texts to values and back, by lua-cjson.
--
-- JSON's null is `json.null`. Numbers keep 14 digits, as Lua writes them. An empty table is an
-- object; `json.array {}` is an empty array, and so is an array that was decoded.

local cjson = require "cjson.safe"

local codec = cjson.new()
codec.decode_max_depth(128)
codec.encode_max_depth(128)
codec.encode_keep_buffer(false)
codec.encode_sparse_array(false, 2, 64)
codec.encode_invalid_numbers(false)
codec.decode_invalid_numbers(false)
-- Where this lua-cjson can: arrays stay arrays, also empty ones.
if codec.decode_array_with_array_mt then codec.decode_array_with_array_mt(true) end
if codec.encode_escape_forward_slash then codec.encode_escape_forward_slash(false) end

---@class moongate.json
local json = { null = cjson.null }

--- Raises for what JSON cannot say (functions, cycles, infinity, mixed tables).
---@param value any
---@return string
function json.encode(value)
  local text, reason = codec.encode(value)
  if not text then error("not a value that JSON can say: " .. tostring(reason), 2) end
  return text
end

---@param text string
---@return any value       nil when it is not JSON
---@return string? reason
function json.decode(text)
  return codec.decode(text)
end

--- Marks a table as an array, so that it stays one when it is empty.
---@generic T: table
---@param values T
---@return T
function json.array(values)
  return setmetatable(values, cjson.array_mt)
end

return json
