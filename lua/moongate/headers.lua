--- headers: the header fields of a request or a response, as a plugin sees them.
--
--     local kind = res.headers["content-type"] -- nil: none; several are joined with ", "
--     res.headers["x-team"] = "core"              -- replaces all of that name
--     res.headers["server"] = nil                 -- removes all of that name
--
-- Names match in any case. Names and values are checked: what is not a valid field raises an
-- error, so that nothing from a request can inject one. Framing (content-length,
-- transfer-encoding, connection) is the gateway's own.

local bridge = require "moongate.ffi"
-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local setmetatable, tostring, type = setmetatable, tostring, type
local C, found, at = bridge.C, bridge.found, bridge.at
local text, pair = bridge.text, bridge.pair

---@class Headers
---@field [string] string?
local Headers = {}

local meta = {}

-- Where a proxy keeps what it stands for: numbers, which no field is called.
local HANDLE, SERIAL, OF = 1, 2, 3

local function alive(self)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then
    error("this request has already been answered", 3)
  end
  return handle
end

local REASONS = {
  [C.MOON_FIELD_BAD_NAME] = "is not a field name",
  [C.MOON_FIELD_BAD_VALUE] = "would get a value that no field may have",
  [C.MOON_FIELD_OURS] = "is written by the gateway itself",
  [C.MOON_FIELD_FULL] = "does not fit: too many fields",
  [C.MOON_FIELD_NO_MESSAGE] = "cannot be set: there is no such message",
}

-- What C knows names by: found once for each of them. Names come from plugins, hardly from
-- requests; beyond NAMES_MAX they are looked for each time.
local NAMES_MAX = 4096
local ids, id_count = {}, 0

local function id_of(name)
  local id = ids[name]
  if id then return id end
  id = C.moon_field_id(name, #name)
  if id_count < NAMES_MAX then
    ids[name] = id
    id_count = id_count + 1
  end
  return id
end

local function refuse(outcome, name)
  error(("header %q %s"):format(name, REASONS[outcome]), 3)
end

---@param name string
---@return string? value  several are joined with ", "
function Headers:get(name)
  if C.moon_header_get(alive(self), self[OF], id_of(name), name, #name, found) then
    return (text())
  end
  return nil
end

--- Replaces all fields of that name by one; nil removes them.
---@param name string
---@param value string|number|nil
function Headers:set(name, value)
  local handle = alive(self)
  if value == nil then
    C.moon_header_remove(handle, self[OF], id_of(name), name, #name)
    return
  end
  if type(value) == "number" then value = tostring(value) end
  local outcome = C.moon_header_set(handle, self[OF], id_of(name), name, #name, value,
    #value)
  if outcome ~= 0 then refuse(outcome, name) end
end

--- Adds a field, beside those of the same name.
---@param name string
---@param value string|number
function Headers:add(name, value)
  if type(value) == "number" then value = tostring(value) end
  local outcome = C.moon_header_add(alive(self), self[OF], id_of(name), name, #name, value,
    #value)
  if outcome ~= 0 then refuse(outcome, name) end
end

---@param name string
---@return integer removed  how many there were
function Headers:remove(name)
  return (C.moon_header_remove(alive(self), self[OF], id_of(name), name, #name))
end

--- Removes all fields whose names begin so, in any case; "_" is as good as "-".
---@param prefix string
---@return integer removed
function Headers:remove_prefix(prefix)
  return (C.moon_header_remove_prefix(alive(self), self[OF], prefix, #prefix))
end

--- Removes all fields that are called so, in any case; "_" is as good as "-", as it is for programs
--- that read them from variables (CGI).
---@param name string
---@return integer removed
function Headers:remove_alike(name)
  return (C.moon_header_remove_alike(alive(self), self[OF], name, #name))
end

--- For auth.lua: tells the upstream the name of a consumer of the configuration, once what the
--- client says of itself is gone.
---@param name string
---@param number integer
---@param is_alone boolean  the field is not one of those called x-consumer-…
function Headers:tell_consumer(name, number, is_alone)
  local outcome = C.moon_consumer_tell(alive(self), number, id_of(name), name, #name, is_alone)
  if outcome ~= 0 then refuse(outcome, name) end
end

--- For consumers.lua: the number of the consumer whose API key is in that field, of which no text
--- is made; MOON_CONSUMER_UNKNOWN, MOON_CONSUMER_NO_FIELD.
---@param name string
---@param digest ffi.cdata*  char[32], for that of the key
---@return integer
function Headers:find_consumer(name, digest)
  return (C.moon_consumer_by_field(alive(self), id_of(name), name, #name, digest))
end

--- All values of that name, one by one, in their order.
---@param name string
---@return string[]
function Headers:all(name)
  local handle, values = alive(self), {}
  at[0] = 0
  while C.moon_header_next(handle, self[OF], name, #name, at, found) do
    local _, value = pair()
    values[#values + 1] = value
  end
  return values
end

--- All fields: `{ { "accept", "*/*" }, ... }`, names in lower case, in their order. For logs and
--- dumps: it makes a table each.
---@return { [1]: string, [2]: string }[]
function Headers:list()
  local handle, fields = alive(self), {}
  at[0] = 0
  while C.moon_header_next(handle, self[OF], nil, 0, at, found) do
    local name, value = pair()
    fields[#fields + 1] = { name:lower(), value }
  end
  return fields
end

local function next_field(fields, index)
  local field = fields[index + 1]
  if not field then return nil end
  return index + 1, field[1], field[2]
end

--- `for _, name, value in req.headers:each() do`: walks over a copy, so the fields may be changed
--- meanwhile.
---@return fun(fields: table, index: integer): integer?, string?, string?
---@return table fields
---@return integer index
function Headers:each()
  return next_field, self:list(), 0
end

function meta.__index(self, name)
  return Headers[name] or (Headers.get(self, name))
end

function meta.__newindex(self, name, value)
  Headers.set(self, name, value)
end

local headers = {}

--- What is wrong with a field that a plugin is to send, for when it is loaded; nil: nothing.
---@param name string
---@param value string?
---@return string?
function headers.fault(name, value)
  value = value or ""
  local outcome = C.moon_field_check(name, #name, value, #value)
  if outcome == 0 then return nil end
  return ("header %q %s"):format(name, REASONS[outcome])
end

---@param handle ffi.cdata*
---@param serial number
---@param of integer  0 the request's, 1 the response's
---@return Headers
function headers.of(handle, serial, of)
  return (setmetatable({ handle, serial, of }, meta)) -- a tail call would never be compiled
end

return headers
