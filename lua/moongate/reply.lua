--- reply: answers that a plugin gives instead of letting the request go on.
--
-- A phase ends its chain by returning one. Replies that do not depend on the request are made
-- once, when the plugin is loaded, and shared by all requests; nobody writes to an existing one.
--
--     local MISSING = reply.problem(401, "missing-key", "An API key is required.")

local bridge = require "moongate.ffi"
local json = require "moongate.json"

local C = bridge.C

---@class Reply
---@field status integer
---@field fields string[]    names and values in turn
---@field body string        empty when there is none
---@field problem string?    last part of the problem's type; the body is then made for each request
---@field detail string?     of the problem
---@field extensions string? further members of the problem as JSON text without braces
---@field is_missing boolean? of auth.lua: there were no credentials
---@field is_attempt boolean? of auth.lua: there were some
---@field gathered string?   the body is what C has gathered, with these further members
local Reply = {}
Reply.__index = Reply

local WHY = {
  [C.MOON_FIELD_BAD_NAME] = "is not a field name",
  [C.MOON_FIELD_BAD_VALUE] = "has a value that no field may have",
  [C.MOON_FIELD_OURS] = "is written by the gateway itself",
}

local function add_field(fields, name, value, level)
  value = tostring(value)
  local outcome = C.moon_field_check(name, #name, value, #value)
  if outcome ~= 0 then error(("header %q %s"):format(name, WHY[outcome]), level + 1) end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

-- From { name = value or { values } } to a flat list.
local function fields_of(headers, kind, level)
  local fields = {}
  if kind then fields = { "content-type", kind } end
  for name, value in pairs(headers or {}) do
    if type(value) == "table" then
      for _, one in ipairs(value) do add_field(fields, name, one, level + 1) end
    else
      if kind and name:lower() == "content-type" then
        fields[2] = tostring(value)
      else
        add_field(fields, name, value, level + 1)
      end
    end
  end
  return fields
end

local function make(status, fields, body)
  if type(status) ~= "number" or status < 200 or status > 599 then
    error(("%s is not the status of a final answer"):format(tostring(status)), 3)
  end
  if type(body) == "number" then body = tostring(body) end
  if body ~= nil and type(body) ~= "string" then
    error(("the body is a %s; expected a string"):format(type(body)), 3)
  end
  local answer = setmetatable({
    status = status, fields = fields, body = body or "", problem = false, detail = false,
    extensions = false, gathered = false,
  }, Reply)
  return answer -- a tail call of setmetatable() would keep it from being compiled
end

---@class moongate.reply
local reply = {}

---@alias ReplyHeaders table<string, string|number|string[]>

--- A status, header fields and a body, as they are.
---@param status integer           200 to 599
---@param body string?
---@param headers ReplyHeaders?
---@return Reply
function reply.new(status, body, headers)
  return make(status, fields_of(headers, nil, 2), body)
end

---@param status integer
---@param body string
---@param headers ReplyHeaders?
---@return Reply
function reply.text(status, body, headers)
  return make(status, fields_of(headers, "text/plain; charset=utf-8", 2), body)
end

---@param status integer
---@param body string
---@param headers ReplyHeaders?
---@return Reply
function reply.html(status, body, headers)
  return make(status, fields_of(headers, "text/html; charset=utf-8", 2), body)
end

--- The value as JSON. A table that is to be an empty array: `moongate.json.array {}`.
---@param status integer
---@param value any
---@param headers ReplyHeaders?
---@return Reply
function reply.json(status, value, headers)
  return make(status, fields_of(headers, "application/json", 2), json.encode(value))
end

---@param location string  where to
---@param status integer?  301, 302 (default), 303, 307 or 308
---@param headers ReplyHeaders?
---@return Reply
function reply.redirect(location, status, headers)
  local fields = fields_of(headers, nil, 2)
  add_field(fields, "location", location, 2)
  return make(status or 302, fields, nil)
end

--- An error as the gateway's own are: a problem document (RFC 9457), or HTML or text where the
--- client prefers it, with the request id as `instance`.
---@param status integer          400 to 599
---@param kind string             last part of the type: "unknown-key"
---@param detail string?          one sentence for the client; nothing internal
---@param headers ReplyHeaders?
---@param extensions table<string, any>?  further members of the document
---@return Reply
function reply.problem(status, kind, detail, headers, extensions)
  local problem = make(status, fields_of(headers, nil, 2), nil)
  problem.problem = kind
  problem.detail = detail or ""
  problem.extensions = extensions and json.encode(extensions):sub(2, -2) or ""
  return problem
end

--- A reply like another one, which keeps its own body: for what has the same status and headers
--- each time.
---@param answer Reply  no problem
---@param body string
---@return Reply
function reply.with_body(answer, body)
  return make(answer.status, answer.fields, body)
end

--- A reply like another one, with further header fields.
---@param answer Reply
---@param headers ReplyHeaders
---@return Reply
function reply.with_headers(answer, headers)
  local copy = make(answer.status, fields_of(headers, nil, 2), answer.body)
  for name, value in pairs(answer) do
    if name ~= "fields" then copy[name] = value end
  end
  copy.fields = { unpack(answer.fields) }
  for i, text in ipairs(fields_of(headers, nil, 2)) do copy.fields[#answer.fields + i] = text end
  return copy
end

--- Adds the values that a reply has for a field to a list, each of them once.
---@param list string[]
---@param answer Reply
---@param name string  in lower case
function reply.add_values(list, answer, name)
  local fields = answer.fields
  for i = 1, #fields, 2 do
    if fields[i]:lower() == name and not list[fields[i + 1]] then
      list[#list + 1] = fields[i + 1]
      list[fields[i + 1]] = true
    end
  end
end

--- For aggregates: the body is what C has gathered with `more` members, JSON text without braces.
---@return Reply
function reply.gathered(status, more, headers)
  local answer = make(status, fields_of(headers, nil, 2), nil)
  answer.gathered = more
  return answer
end

---@param value any
---@return boolean
function reply.is(value)
  return getmetatable(value) == Reply
end

--- For the dispatcher: hands the reply to the exchange. What sends it is the return to C.
---@param handle ffi.cdata*
---@param answer Reply
function reply.hand_over(handle, answer)
  C.moon_answer_begin(handle, answer.status)
  local fields = answer.fields
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    C.moon_answer_header(handle, name, #name, value, #value)
  end
  local problem = answer.problem
  if problem then
    local detail, extensions = answer.detail, answer.extensions
    C.moon_answer_problem(handle, problem, #problem, detail, #detail, extensions, #extensions)
  elseif answer.gathered then
    C.moon_answer_gathered(handle, answer.gathered, #answer.gathered)
  else
    C.moon_answer_body(handle, answer.body, #answer.body)
  end
end

return reply
