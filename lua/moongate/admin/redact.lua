--- redact: values of the configuration as anybody may see them.
--
-- A text is hidden when it came from env or file, has such a text in it, is a private key, or
-- stands under a name that says so; so is all that an option calls secret.

local json = require "moongate.json"

local redact = {}

local HIDDEN = "(secret)"
local DEPTH_MAX = 16
-- Secrets shorter than this are found only where they are the whole text.
local PART_MIN = 4

local SECRET_NAMES = { "authorization", "cookie", "password", "passwd", "secret", "token",
  "api%-?_?key", "credential", "private" }

-- Names of options that say how a secret is called or carried, and are none themselves.
local function is_secret_name(name)
  name = name:lower()
  for _, pattern in ipairs(SECRET_NAMES) do
    if name:find(pattern) then return true end
  end
  return false
end

-- Secrets by their first bytes.
local function index_of(secrets)
  local index = {}
  for secret in pairs(secrets) do
    if #secret >= PART_MIN then
      local first = secret:sub(1, PART_MIN)
      index[first] = index[first] or {}
      table.insert(index[first], secret)
    end
  end
  return index
end

local function has_part(index, text)
  for at = 1, #text - PART_MIN + 1 do
    for _, secret in ipairs(index[text:sub(at, at + PART_MIN - 1)] or {}) do
      if text:sub(at, at + #secret - 1) == secret then return true end
    end
  end
  return false
end

---@class Redaction
---@field secrets table<string, boolean>
---@field index table
local Redaction = {}
Redaction.__index = Redaction

---@param secrets table<string, boolean>  what env and file gave
---@return Redaction
function redact.with(secrets)
  return setmetatable({ secrets = secrets, index = index_of(secrets),
    has_any = next(secrets) ~= nil }, Redaction)
end

function Redaction:text(text)
  if text == "" then return text end
  if self.secrets[text] or text:find("PRIVATE KEY", 1, true) then return HIDDEN end
  if self.has_any and has_part(self.index, text) then return HIDDEN end
  if not text:find("://", 1, true) then return text end
  return (text:gsub("://[^/@%s]*@", "://" .. HIDDEN .. "@"))
end

function Redaction:name(name)
  return type(name) == "string" and self:text(name) or tostring(name)
end

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value, count
end

function Redaction:table(value, depth)
  if depth > DEPTH_MAX then return "(too deep)" end
  local all_in_order, count = is_list(value)
  local copy = {}
  if all_in_order and count > 0 then
    for i, item in ipairs(value) do copy[i] = self:value(item, depth + 1) end
    return json.array(copy)
  end
  for name, item in pairs(value) do
    local hides = type(name) == "string" and type(item) == "string" and is_secret_name(name)
    copy[self:name(name)] = hides and HIDDEN or self:value(item, depth + 1)
  end
  return copy
end

--- Any value as one that JSON can say.
---@param value any
---@param depth integer?
---@return any
function Redaction:value(value, depth)
  local kind = type(value)
  if kind == "string" then return self:text(value) end
  if kind == "table" then return self:table(value, depth or 0) end
  if kind == "number" then return value - value == 0 and value or tostring(value) end
  if kind == "boolean" or kind == "nil" then return value end
  return "(" .. kind .. ")"
end

--- A list, which is one even when it is empty.
---@param list any[]?
---@return any[]
function Redaction:list(list)
  local copy = json.array {}
  for i, item in ipairs(list or {}) do copy[i] = self:value(item, 1) end
  return copy
end

local function given_fields(self, option, value)
  local copy = {}
  for name, item in pairs(value) do
    copy[self:name(name)] = self:option(option.fields[name], item)
  end
  return copy
end

--- The value of an option that says of itself whether it is secret.
---@param option PluginOption?
---@param value any
---@return any
function Redaction:option(option, value)
  if not option or value == nil then return self:value(value) end
  if option.secret then return HIDDEN end
  if type(value) == "table" then
    if option.items and option.items.secret then return json.array { HIDDEN } end
    if option.fields then return given_fields(self, option, value) end
    if option.type == "list" then return self:list(value) end
  end
  return self:value(value)
end

return redact
