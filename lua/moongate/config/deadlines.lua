--- deadlines: the option `deadline` of routes and groups, and `deadline { }` for all of them.

local check = require "moongate.config.check"
local schema = require "moongate.config.schema"
local values = require "moongate.config.values"

local deadlines = {}

-- Of fields whose form is known, in lower case.
local FORMATS = {
  ["grpc-timeout"] = "grpc",
  ["x-envoy-expected-rq-timeout-ms"] = "milliseconds",
  ["x-envoy-upstream-rq-timeout-ms"] = "milliseconds",
}
-- What frames a message, or says whom it is for.
local NOT_FREE = {
  "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
  "transfer-encoding", "upgrade", "via",
}
local is_taken = {}
for _, name in ipairs(NOT_FREE) do is_taken[name] = true end

-- By the tables that were written: those of groups are checked once.
local known = setmetatable({}, { __mode = "k" })

local function checked(written, report)
  local deadline = check.options(schema.deadline, written, report, "deadline")
  local field = deadline.field and deadline.field:lower()
  if not field then return nil end
  if not field:find "^[%w!#$%%&'*+.^_`|~-]+$" or is_taken[field] then
    report(("deadline.field is %q; expected the name of a field, as \"X-Request-Timeout\""):format(
      deadline.field))
  end
  deadline.format = deadline.format or FORMATS[field] or "seconds"
  return deadline
end

--- The rules that `written` stands for; nil: none.
---@param written any  a table, or false for none
---@param report fun(message: string)
---@return ModelDeadline?
function deadlines.of(written, report)
  if written == nil or written == false then return nil end
  if type(written) ~= "table" then
    report(("deadline is %s; expected a table, or false"):format(values.show(written)))
    return nil
  end
  if known[written] == nil then known[written] = checked(written, report) or false end
  return known[written] or nil
end

return deadlines
