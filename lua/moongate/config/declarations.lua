--- declarations: what `consumer` said, kept as bytes until somebody reads it.
--
-- A hundred thousand of them in tables are a heap that each turn of the garbage collector walks
-- through; as bytes they are a fifth as large, and one object. What has functions in it stays a
-- table.

local buffer = require "moongate.string_buffer"

local declarations = {}

-- Written as numbers; a name that is not among them costs its length.
local NAMES = {
  "keys", "passwords", "username", "hmac_secrets", "certificates", "jwt_keys", "groups", "roles",
  "scopes", "plan", "tags", "id", "expires",
}

---@class Declarations
---@field count integer
local Declarations = {}
Declarations.__index = Declarations

local function write(bytes, declaration)
  bytes:encode(declaration.at)
  bytes:encode(declaration.name)
  bytes:encode(declaration.fields)
end

---@param declaration Declaration
function Declarations:add(declaration)
  local group = declaration.group
  if group and not self.numbers[group] then
    self.groups[#self.groups + 1] = group
    self.numbers[group] = #self.groups
  end
  local bytes, scratch = self.bytes, self.scratch
  self.count = self.count + 1
  if pcall(write, scratch, declaration) then
    bytes:encode(self.numbers[group] or 0)
    bytes:put(scratch)
  else -- it has begun to write
    self.tables[self.count] = declaration
    bytes:encode(false)
  end
  scratch:reset()
end

--- The oldest that is left, which is forgotten; good until the next one is taken.
---@return Declaration?
function Declarations:take()
  if self.taken == self.count then return nil end
  self.taken = self.taken + 1
  local bytes = self.bytes
  local group = bytes:decode()
  if not group then
    local declaration = self.tables[self.taken]
    self.tables[self.taken] = nil
    return declaration
  end
  local one = self.one
  one.group = self.groups[group]
  one.at, one.name, one.fields = bytes:decode(), bytes:decode(), bytes:decode()
  return one
end

---@return Declarations
function declarations.new()
  local options = { dict = NAMES }
  return setmetatable({
    count = 0, taken = 0, tables = {}, groups = {}, numbers = {}, one = {},
    bytes = buffer.new(options), scratch = buffer.new(options),
  }, Declarations)
end

return declarations
