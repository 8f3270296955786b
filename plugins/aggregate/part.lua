--- part: one of the requests that an aggregate makes: its options, and asking.

local bridge = require "moongate.ffi"
local check = require "moongate.config.check"
local fetch = require "moongate.fetch"
local json = require "moongate.json"
local json_text = require "aggregate.json_text"
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
---@field needs table<string, boolean>  parts that it waits for
---@field url AggregateText
---@field body AggregateText?
---@field fields { name: string, value: AggregateText }[]
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
  local fields = {}
  for name, text in pairs(checked.headers) do
    local value, wrong = template.text(text, "header", names, self.needs)
    if not is_token(name) or text:find "%c" then wrong = ("header %q is none"):format(name) end
    if wrong then report(wrong) end
    fields[#fields + 1] = { name = name:lower(), value = value }
  end
  return fields
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
  local self = { name = name, needs = {}, required = checked.required, timeout = checked.timeout,
    limit = checked.limit, when = checked.when, extract = path_of(checked.extract) }
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
  self.fields = fields_of(self, checked, names, wrong_with)
  self.method = checked.method or (self.body and "POST" or "GET")
  if not is_token(self.method) then wrong_with(("method is %q"):format(self.method)) end
  self.fallback = fallback_of(checked, wrong_with)
  return self
end

---@alias AggregateReason
---| "upstream-refused"|"timeout"|"status"|"not-json"|"nothing-extracted"|"no-value"

---@class AggregateFailure
---@field reason AggregateReason
---@field status integer?  that it answered
---@field answer FetchAnswer?

local function failed(reason, answer)
  return { failure = { reason = reason, status = answer and answer.status, answer = answer } }
end

-- The JSON that is used of an answer.
local function judge(self, answer)
  if answer.status < 200 or answer.status > 299 then return failed("status", answer) end
  if answer.body == "" then return { value = "null" } end
  local value = json_text.value(answer.body)
  if not value then return failed("not-json", answer) end
  if self.extract then value = json_text.at(value, self.extract) end
  if not value then return failed("nothing-extracted", answer) end
  return { value = value }
end

local function headers_of(self, req, results, forwarded)
  local headers = { accept = "application/json" }
  for name, value in pairs(forwarded) do headers[name] = value end
  for _, field in ipairs(self.fields) do
    local value = field.value(req, results)
    if not value then return nil end
    headers[field.name] = value
  end
  return headers
end

---@class AggregateResult
---@field value string?  JSON
---@field failure AggregateFailure?
---@field is_skipped boolean?

local function ask(self, req, results, forwarded, seconds)
  local url = self.url(req, results)
  local headers = url and headers_of(self, req, results, forwarded)
  local body = headers and self.body and self.body(req, results)
  if not headers or (self.body and not body) then return failed "no-value" end
  if seconds <= 0 then return failed "timeout" end
  local answer, fault = fetch { url = url, method = self.method, headers = headers, body = body,
    timeout = seconds, limit = self.limit }
  if not answer then return failed(fault) end
  return judge(self, answer)
end

--- Asks, and waits for the answer.
---@param self AggregatePart
---@param run { req: Request, results: table, forwarded: table, deadline: number }
---@return AggregateResult
function part.ask(self, run)
  if self.when and not self.when(run.req) then
    return { value = self.fallback, is_skipped = true }
  end
  local left = run.deadline - C.moon_now(bridge.generation)
  local seconds = math.min(self.timeout or left, left)
  local result = ask(self, run.req, run.results, run.forwarded, seconds)
  if result.failure then result.value = self.fallback end
  return result
end

return part
