--- mock: answers by itself, as a service would that is not there yet.
--
-- Body and headers may have places for what the request has, as {param:id}: see
-- lua/moongate/template.lua. In `json` they stand in strings, and stay in them.

local headers = require "moongate.headers"
local moongate = require "moongate"
local template = require "moongate.template"

local json, reply, sleep = moongate.json, moongate.reply, moongate.sleep

---@class Mock: Plugin
---@field status integer
---@field delay number
---@field fields { name: string, value: Template }[]
---@field content Template
---@field fixed Reply?  where all requests get the same
local mock = {
  summary = "Answers by itself.",
  options = {
    status = { type = "integer", min = 200, max = 599, default = 200,
      help = "status to answer with" },
    headers = { type = "map", items = { type = "string", help = "" }, default = {},
      help = "headers of the answer" },
    body = { type = "string", help = "body of the answer; text/plain unless `headers` say more" },
    json = { type = "any", help = "instead of `body`: a value to send as JSON" },
    delay = { type = "duration", default = 0, max = 3600, help = "time to wait before answering" },
  },
}

local function has_no_body(status) return status == 204 or status == 205 or status == 304 end

function mock.check(options)
  local has_body = options.body ~= nil or options.json ~= nil
  if options.body ~= nil and options.json ~= nil then
    return "body and json are both given; expected one of them"
  end
  if has_body and has_no_body(options.status) then
    return ("an answer with status %d has no body"):format(options.status)
  end
  return nil
end

-- The content's text, what it is for, and its type.
local function content_of(options)
  if options.json == nil then
    return options.body or "", "text", options.body and "text/plain; charset=utf-8"
  end
  local ok, text = pcall(json.encode, options.json)
  if not ok then return nil, "json: " .. tostring(text) end
  return text, "json", "application/json"
end

local function add_field(fields, name, text)
  local value, why = template.compile(text, "field")
  if not value then return ("headers.%s: %s"):format(name, why) end
  fields[#fields + 1] = { name = name, value = value }
  return headers.fault(name, #value.places == 0 and value.text or nil)
end

local function is_fixed(instance)
  for _, field in ipairs(instance.fields) do
    if #field.value.places > 0 then return false end
  end
  return #instance.content.places == 0
end

local function answer(self, req)
  local fields = {}
  for _, field in ipairs(self.fields) do fields[field.name] = field.value:render(req) end
  return reply.new(self.status, self.content:render(req), fields)
end

function mock.new(options)
  local text, use, kind = content_of(options)
  if not text then return nil, use end
  local content, why = template.compile(text, use)
  if not content then return nil, why end
  local instance = { content = content, fields = {} }

  for name, value in pairs(options.headers) do
    if name:lower() == "content-type" then kind = nil end
    why = add_field(instance.fields, name, value)
    if why then return nil, why end
  end
  if kind then add_field(instance.fields, "content-type", kind) end
  instance.status = options.status
  if is_fixed(instance) then instance.fixed = answer(instance) end
  return instance
end

---@param req Request
---@return Reply
function mock:respond(req)
  if self.delay > 0 then sleep(self.delay) end
  return self.fixed or answer(self, req)
end

return mock
