--- part: one of the requests that an aggregate makes: its options, and asking.

local bridge = require "moongate.ffi"
local check = require "moongate.config.check"
local core = require "moongate.core.fetch"
local document = require "aggregate.document"
local json = require "moongate.json"
local json_text = require "aggregate.json_text"
local target_of = require "moongate.fetch_target"
local template = require "aggregate.template"

local C = bridge.C

local part = {}

local OPTIONS = {
  url = { type = "string", help = "http://upstream/path, also written first without a name" },
  method = { type = "string", help = "default: GET, or POST with a body" },
  headers = { type = "map", items = { type = "string" }, default = {},
    help = "fields to send beside those of forward_headers" },
  body = { type = "any", help = "a text, or a table that is sent as JSON" },
  required = { type = "boolean", default = false, help = "without it there is no answer" },
  default = { type = "any", help = "stands for it when it fails or is left out" },
  timeout = { type = "duration", min = 0.001, help = "for this part alone" },
  limit = { type = "size", default = "1m", min = 1, max = 67108864, help = "of its answer" },
  when = { type = "function", help = "a predicate of the request: false leaves it out" },
  extract = { type = "string", help = 'what of its answer is used: "data.items"' },
}

---@class AggregatePart
---@field name string
---@field member string                  its name as the document has it
---@field needs table<string, boolean>  parts that it waits for
---@field url AggregateAddress
---@field target integer?                where that is, once it has been asked
---@field body AggregateText?
---@field fields { name: string, value: AggregateText }[]
---@field overrides table<string, true>  their names
---@field fallback string?  JSON

local function is_token(text) return text:find "^[%w!#$%%&'*+.^_`|~-]+$" ~= nil end

local function kind_of(headers, body)
  for name, value in pairs(headers) do
    if name:lower() == "content-type" then return value, true end
  end
  return type(body) == "table" and "application/json" or "text/plain; charset=utf-8", false
end

-- How values are escaped in a body that is a text.
local function place_in(kind)
  if kind:find "json" then return "json" end
  return kind:find "x%-www%-form%-urlencoded" and "query" or "text"
end

local function body_of(self, checked, names)
  local body = checked.body
  if body == nil then return nil end
  local kind, is_given = kind_of(checked.headers, body)
  if not is_given then checked.headers["content-type"] = kind end
  if type(body) == "table" then return template.json(body, names, self.needs) end
  return template.text(tostring(body), place_in(kind), names, self.needs)
end

local function fields_of(self, checked, names, report)
  local fields, overrides = {}, {}
  for name, text in pairs(checked.headers) do
    local value, wrong = template.text(text, "header", names, self.needs)
    if not is_token(name) or text:find "%c" then wrong = ("header %q is none"):format(name) end
    if wrong then report(wrong) end
    name = name:lower()
    if not overrides[name] then fields[#fields + 1] = { name = name, value = value } end
    overrides[name] = true
  end
  return fields, overrides
end

local function fallback_of(checked, report)
  if checked.default == nil then return nil end
  local ok, text = pcall(json.encode, checked.default)
  if ok then return text end
  report "default is nothing that JSON can say"
  return nil
end

local function path_of(text)
  if not text then return nil end
  local names = {}
  for name in text:gmatch "[^.]+" do names[#names + 1] = name end
  return names
end

local function take_apart(given)
  if type(given) ~= "table" then given = { given } end
  local options = {}
  for name, value in pairs(given) do options[name == 1 and "url" or name] = value end
  return options
end

--- Checks what was written about a part; what is wrong is reported.
---@param name string
---@param given any
---@param names table<string, any>  of all parts
---@param report fun(message: string)
---@return AggregatePart
function part.new(name, given, names, report)
  local function wrong_with(message) report(("parts.%s: %s"):format(name, message)) end
  local checked = check.options(OPTIONS, take_apart(given), wrong_with)
  local self = { name = name, member = document.member(name), needs = {},
    required = checked.required, timeout = checked.timeout, limit = checked.limit,
    when = checked.when, extract = path_of(checked.extract) }
  local wrong
  if not checked.url then
    wrong_with "its address is missing; expected http://upstream/path"
    return self
  end
  self.url, wrong = template.url(checked.url, names, self.needs)
  if wrong then wrong_with(wrong) end
  checked.headers = checked.headers or {}
  self.body, wrong = body_of(self, checked, names)
  if wrong then wrong_with(wrong) end
  self.fields, self.overrides = fields_of(self, checked, names, wrong_with)
  self.method = checked.method or (self.body and "POST" or "GET")
  if not is_token(self.method) then wrong_with(("method is %q"):format(self.method)) end
  self.fallback = fallback_of(checked, wrong_with)
  return self
end

---@alias AggregateReason
---| "upstream-refused"|"timeout"|"status"|"not-json"|"nothing-extracted"|"no-value"

---@class AggregateFailure
---@field reason AggregateReason
---@field status integer?   that it answered
---@field fields string[]?  of an answer that is not 2xx: names and values in turn

---@class AggregateRun
---@field req Request
---@field values table<string, string>  JSON, by names of parts
---@field failures table<string, AggregateFailure>?
---@field failed AggregatePart?         the first required one that did
---@field fields string[]               that all parts get: names and values in turn
---@field host string?                  what Host says, when it is not the address's
---@field deadline number

-- Whether the others go on.
local function fail(self, run, reason, status, fields)
  run.failures = run.failures or {}
  run.failures[self.name] = { reason = reason, status = status, fields = fields }
  run.values[self.name] = self.fallback
  if not self.required then return true end
  run.failed = run.failed or self
  return false
end

-- Keeps the JSON that is used of an answer.
local function judge(self, run, status, fields, body)
  if status < 200 or status > 299 then return fail(self, run, "status", status, fields) end
  local value = body == "" and "null" or json_text.value(body)
  if not value then return fail(self, run, "not-json", status) end
  if self.extract and body ~= "" then value = json_text.at(value, self.extract) end
  if not value then return fail(self, run, "nothing-extracted", status) end
  run.values[self.name] = value
  return true
end

-- Names and values in turn, and what Host says; nil: a value lacks.
local function fields_for(self, run)
  if #self.fields == 0 then return run.fields, run.host end
  local list, host = {}, run.host
  for i = 1, #run.fields, 2 do
    if not self.overrides[run.fields[i]] then
      list[#list + 1], list[#list + 2] = run.fields[i], run.fields[i + 1]
    end
  end
  for _, field in ipairs(self.fields) do
    local value = field.value(run.req, run.values)
    if not value then return nil end
    if field.name == "host" then
      host = value
    else
      list[#list + 1], list[#list + 2] = field.name, value
    end
  end
  return list, host
end

local function find_target(self)
  local url = self.url
  self.target = target_of(url.scheme, url.authority)
  if self.target == false then
    error(("%q is no authority to fetch from"):format(url.authority), 0)
  end
  return self.target
end

-- Path, fields, what Host says, and a body if it has one; nil: a value lacks.
local function request_of(self, run)
  local path = self.url.path(run.req, run.values)
  if not path then return nil end
  local fields, host = fields_for(self, run)
  local body = fields and self.body and self.body(run.req, run.values)
  if not fields or (self.body and not body) then return nil end
  return path, fields, host or self.url.authority, body
end

local function ask(self, run, seconds)
  local path, fields, host, body = request_of(self, run)
  if not path then return fail(self, run, "no-value") end
  if seconds <= 0 then return fail(self, run, "timeout") end
  local target = self.target or find_target(self)
  if not target then return fail(self, run, "upstream-limit") end
  local status, got, text = core.call(target, self.method, path, host, fields, body, 0, seconds,
    self.limit, true)
  if not status then return fail(self, run, got) end
  return judge(self, run, status, got, text)
end

--- Asks, waits for the answer, and keeps it.
---@param self AggregatePart
---@param run AggregateRun
---@return boolean goes_on  false: it was required and has failed
function part.ask(self, run)
  if self.when and not self.when(run.req) then
    run.values[self.name] = self.fallback
    return true
  end
  local left = run.deadline - C.moon_now(bridge.generation)
  return ask(self, run, math.min(self.timeout or left, left))
end

return part
