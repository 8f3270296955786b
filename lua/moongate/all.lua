--- all: runs several functions side by side and waits for all of them.
--
--     local values, why = moongate.all { user = function() return fetch(a) end,
--                                        orders = function() return fetch(b) end }
--     values.user, why.user
--
-- When the request that waits is cancelled, so are they.

local core = require "moongate.core.task"
local must_serve = require("moongate.ffi").must_serve

---@param functions table<any, fun(): any, string?>  by any keys, at most 256
---@param ends_early boolean?  once one has raised or returned false or nil, the others are
--- cancelled and have no results
---@return table values  first results by the same keys
---@return table why     second results: with nil and a message, the message
return function(functions, ends_early)
  must_serve "all"
  local keys, list = {}, {}
  for key, run in pairs(functions) do
    keys[#keys + 1] = key
    list[#list + 1] = run
  end
  local results = core.join(list, ends_early) or {}
  local values, why = {}, {}
  for i, key in ipairs(keys) do
    local result = results[i] or {}
    if result.error then error(result.error, 0) end
    values[key], why[key] = result[1], result[2]
  end
  return values, why
end
