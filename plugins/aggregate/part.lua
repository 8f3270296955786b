--- part: one of the requests that an aggregate makes: its options, and asking.

local bridge = require "moongate.ffi"
local check = require "moongate.config.check"
local document = require "aggregate.document"
local json = require "moongate.json"
local json_text = require "aggregate.json_text"
local template = require "aggregate.template"

local C, found = bridge.C, bridge.found

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
---@field place integer                of the order, from 0
---@field is_fixed boolean             asked in the same way each time
---@field is_kept boolean              more is done with its value than to put it into the document
---@field url AggregateAddress
---@field body AggregateText?
---@field fields { name: string, value: AggregateText }[]  each name once, lower case
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
  local fields, is_there = {}, {}
  for name, text in pairs(checked.headers) do
    local value, wrong = template.text(text, "header", names, self.needs)
    if not is_token(name) or text:find "%c" then wrong = ("header %q is none"):format(name) end
    if wrong then report(wrong) end
    name = name:lower()
    if not is_there[name] then fields[#fields + 1] = { name = name, value = value } end
    is_there[name] = true
  end
  return fields
end

-- Whether nothing of it depends on the request.
local function is_fixed(self)
  if self.when or not self.url or not self.url.path.fixed then return false end
  if self.body and not self.body.fixed then return false end
  for _, field in ipairs(self.fields) do
    if not field.value.fixed then return false end
  end
  return true
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
  self.fields = fields_of(self, checked, names, wrong_with)
  self.method = checked.method or (self.body and "POST" or "GET")
  if not is_token(self.method) then wrong_with(("method is %q"):format(self.method)) end
  self.fallback = fallback_of(checked, wrong_with)
  self.is_fixed = is_fixed(self)
  return self
end

---@alias AggregateReason
---| "upstream-refused"|"timeout"|"status"|"not-json"|"nothing-extracted"|"no-value"

---@class AggregateFailure
---@field reason AggregateReason
---@field status integer?   that it answered

---@class AggregateRun
---@field req Request
---@field handle ffi.cdata*             of the exchange
---@field values table<string, string>  JSON that others need, by names of parts
---@field failures table<string, AggregateFailure>?
---@field failed AggregatePart?         the first required one that did
---@field left table<string, integer>?  how many parts each one still waits for

-- What stands in the document for it, and what those get that need it.
local function put(self, run, value)
  run.values[self.name] = value
  C.moon_gather_set_value(run.handle, self.place, value, #value)
end

-- Whether the others go on.
local function fail(self, run, reason, status)
  run.failures = run.failures or {}
  run.failures[self.name] = { reason = reason, status = status }
  put(self, run, self.fallback or "null")
  run.values[self.name] = self.fallback
  if not self.required then return true end
  run.failed = run.failed or self
  return false
end

local function text_of(self, run)
  return C.moon_gather_value(run.handle, self.place, found) and bridge.text()
end

local function take_value(self, run)
  if not self.is_kept then return true end
  local value = text_of(self, run)
  if self.extract and C.moon_gather_has_body(run.handle, self.place) then
    value = json_text.at(value, self.extract)
    if not value then
      return fail(self, run, "nothing-extracted", C.moon_gather_status(run.handle, self.place))
    end
    put(self, run, value)
  end
  run.values[self.name] = value
  return true
end

local function status_of(self, run)
  local status = C.moon_gather_status(run.handle, self.place)
  return status > 0 and status or nil
end

--- How it went, once it has ended; nothing for one that was not asked.
---@param self AggregatePart
---@param run AggregateRun
---@return boolean goes_on  false: it was required and has failed
function part.judge(self, run)
  local outcome = C.moon_gather_outcome(run.handle, self.place)
  if outcome == C.MOON_GATHER_NOT_ASKED then return true end
  if outcome == C.MOON_GATHER_HAS_VALUE then return take_value(self, run) end
  if outcome == C.MOON_GATHER_BAD_STATUS then
    return fail(self, run, "status", status_of(self, run))
  end
  if outcome == C.MOON_GATHER_NOT_JSON then
    return fail(self, run, "not-json", status_of(self, run))
  end
  C.moon_gather_fault(run.handle, self.place, found)
  return fail(self, run, bridge.text())
end

-- Whether each text could be read; those that are fixed are known already.
local function read(self, run)
  local texts = { path = self.url.path.read(run.req, run.values) }
  if not texts.path then return nil end
  for i, field in ipairs(self.fields) do
    texts[i] = field.value.read(run.req, run.values)
    if not texts[i] then return nil end
  end
  if self.body then
    texts.body = self.body.read(run.req, run.values)
    if not texts.body then return nil end
  end
  return texts
end

local function add_text(self, run, which, given, text)
  return given.fixed or C.moon_gather_ask_text(run.handle, self.place, which, text, #text)
end

-- Whether it may be asked so.
local function add_texts(self, run, texts)
  local fits = add_text(self, run, C.MOON_GATHER_PATH, self.url.path, texts.path)
    and (not self.body or add_text(self, run, C.MOON_GATHER_BODY, self.body, texts.body))
  for i, field in ipairs(self.fields) do
    local value = texts[i]
    fits = fits and (field.value.fixed or C.moon_gather_ask_field(run.handle, self.place,
      field.name, #field.name, value, #value))
  end
  return fits
end

--- Asks one that is not fixed.
---@param self AggregatePart
---@param run AggregateRun
---@return boolean is_asked
---@return boolean goes_on  false: it was required and has failed
function part.ask(self, run)
  if self.when and not self.when(run.req) then
    if self.fallback then put(self, run, self.fallback) end
    return false, true
  end
  local texts = read(self, run)
  if not texts then return false, fail(self, run, "no-value") end
  C.moon_gather_ask(run.handle, self.place)
  if not add_texts(self, run, texts) then
    error(("the path or a header of part %q is not what it may be"):format(self.name), 0)
  end
  return true, true
end

return part
