--- signature: what a signed request says of its signature, and the text that was signed (RFC 9421).
--
-- One signature, over components without parameters: what is less common is refused, never guessed.

local crypto = require "moongate.crypto"

local signature = {}

local COMPONENTS_MAX = 32
local KEY = "[%l*][%l%d_.*-]*"
local TEXT = '"([^"\\%c\128-\255]*)"'
-- Parameters (RFC 9421, 2.3), and whether they are numbers.
local PARAMETERS = { created = true, expires = true, keyid = false, alg = false, nonce = false,
  tag = false }

-- { "@method", ... } of '"@method" "@path"'; nil when it is none, or has one twice.
local function components_of(inner)
  local list, seen, rest = {}, {}, inner
  while rest ~= "" do
    local name, after = rest:match '^"([%l%d@!#$%%&\'*+.^_`|~-]+)"(.*)$'
    if not name or seen[name] or #list == COMPONENTS_MAX then return nil end
    list[#list + 1], seen[name] = name, true
    rest = after:match "^ (.+)$" or after
    if rest == after and after ~= "" then return nil end
  end
  return list, seen
end

local function parameters_of(text)
  local found, rest = {}, text
  while rest ~= "" do
    local name, after = rest:match("^;(" .. KEY .. ")=(.*)$")
    local is_number = PARAMETERS[name]
    if is_number == nil or found[name] ~= nil then return nil end
    local value
    if is_number then
      value, rest = after:match "^(%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?)(.*)$"
      value = tonumber(value)
    else
      value, rest = after:match("^" .. TEXT .. "(.*)$")
    end
    if value == nil then return nil end
    found[name] = value
  end
  return found
end

---@class RequestSignature
---@field components string[]
---@field covers table<string, true>
---@field parameters table
---@field params_text string  as it was sent: the last line of what is signed
---@field code string         the bytes of the signature

--- What Signature-Input and Signature say; nil when that is not one whole signature.
---@param input string
---@param value string
---@return RequestSignature?
function signature.parse(input, value)
  local label, params_text, inner, rest = input:match("^(" .. KEY .. ")=((%b())(.*))$")
  if not label then return nil end
  local components, covers = components_of(inner:sub(2, -2))
  local parameters = parameters_of(rest)
  local of, code = value:match("^(" .. KEY .. ")=:([%w+/=]+):$")
  code = code and crypto.from_base64(code)
  if not components or not parameters or of ~= label or not code then return nil end
  return { components = components, covers = covers, parameters = parameters,
    params_text = params_text, code = code }
end

local DEFAULT_PORTS = { http = ":80", https = ":443" }

-- nil where there is none, as in requests of HTTP/1.0 without Host.
local function authority_of(req)
  local authority, port = req.authority, DEFAULT_PORTS[req.scheme]
  if not authority then return nil end
  authority = authority:lower()
  if authority:sub(-#port) == port then authority = authority:sub(1, -#port - 1) end
  return authority
end

-- Path and query as they were sent, without the authority of an absolute target.
local function target_of(req)
  local target = req.target
  if target:sub(1, 1) ~= "/" then target = target:match "^%a[^/]*//[^/?]*(.*)$" or target end
  local mark = target:find("?", 1, true)
  local path = mark and target:sub(1, mark - 1) or target
  return path == "" and "/" or path, mark and target:sub(mark) or "?"
end

local DERIVED = {
  ["@method"] = function(req) return req.method end,
  ["@authority"] = authority_of,
  ["@scheme"] = function(req) return req.scheme end,
  ["@path"] = function(req) return (target_of(req)) end,
  ["@query"] = function(req) return (select(2, target_of(req))) end,
  ["@request-target"] = function(req) return req.target end,
  ["@target-uri"] = function(req)
    local authority, path, query = authority_of(req), target_of(req)
    return authority and req.scheme .. "://" .. authority .. path .. (query ~= "?" and query or "")
  end,
}

--- The text that was signed (RFC 9421, 2.5); nil when it names what the request has not.
---@param req Request
---@param given RequestSignature
---@return string?
function signature.base(req, given)
  local lines = {}
  for i, name in ipairs(given.components) do
    local value
    if name:sub(1, 1) == "@" then
      value = DERIVED[name] and DERIVED[name](req)
    else
      value = req.headers:get(name)
    end
    if not value then return nil end
    lines[i] = ('"%s": %s'):format(name, value)
  end
  lines[#lines + 1] = '"@signature-params": ' .. given.params_text
  return table.concat(lines, "\n")
end

return signature
