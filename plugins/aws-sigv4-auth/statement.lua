--- statement: what a request says of its signature, in the Authorization field or in the query.
--
-- Each part has to be there once, in the one form that AWS's own clients write.

local sigv4 = require "moongate.sigv4"
local uri = require "moongate.uri"

local statement = {}

local ID_BYTES_MAX, NAMES_MAX = 128, 64

---@class SigV4Statement
---@field id string         of the access key
---@field date string       "20150830"
---@field region string
---@field service string
---@field stamp string      "20150830T123600Z"
---@field time number       seconds since the epoch
---@field names string[]    of the signed fields, sorted
---@field covers table<string, true>
---@field signature string
---@field payload string?   what it says of the body's digest
---@field lifetime number?  seconds, of a presigned URL

-- ID/DATE/REGION/SERVICE/aws4_request
local function read_credential(into, text)
  local id, date, region, service = text:match "^(.+)/(%d+)/([^/]+)/([^/]+)/aws4_request$"
  if not id or #id > ID_BYTES_MAX or #date ~= 8 then return false end
  into.id, into.date, into.region, into.service = id, date, region, service
  return true
end

-- Sorted, so that one request has one text.
local function read_names(into, text)
  local names, covers, last = {}, {}, ""
  for name in (text .. ";"):gmatch "([^;]*);" do
    if not name:find "^[%l%d!#$%%&'*+.^_`|~-]+$" or name <= last or #names == NAMES_MAX then
      return false
    end
    names[#names + 1], covers[name], last = name, true, name
  end
  into.names, into.covers = names, covers
  return true
end

local function finish(into, parts)
  if not read_credential(into, parts.Credential) or not read_names(into, parts.SignedHeaders) then
    return nil
  end
  into.time = sigv4.time(into.stamp)
  if not into.time or into.stamp:sub(1, 8) ~= into.date then return nil end
  into.signature = parts.Signature
  return #into.signature == 64 and not into.signature:find "[^%da-f]" and into or nil
end

local FIELDS = { Credential = true, SignedHeaders = true, Signature = true }

--- Of the field Authorization; nil when it is not whole.
---@param req Request
---@param field string
---@return SigV4Statement?
function statement.of_field(req, field)
  local parts, count = {}, 0
  for part in ((field:match "^%S+%s+(.*)$" or "") .. ","):gmatch "([^,]*)," do
    local name, value = part:match "^%s*(%a+)=(%S+)%s*$"
    if not FIELDS[name] or parts[name] then return nil end
    parts[name], count = value, count + 1
  end
  local stamp = req.headers["x-amz-date"]
  if count ~= 3 or not stamp then return nil end
  return finish({ stamp = stamp, payload = req.headers["x-amz-content-sha256"] }, parts)
end

-- Name by its lower case: whoever writes one in another way means to be read in two.
local PARAMETERS = {}
for _, name in ipairs { "Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature",
  "Security-Token", "Content-Sha256" } do
  PARAMETERS["x-amz-" .. name:lower()] = name
end
statement.PARAMETERS = PARAMETERS

local function parameters_of(query)
  local parts = {}
  for _, pair in ipairs(uri.parse_query(query) or {}) do
    local name = PARAMETERS[pair[1]:lower()]
    if name then
      if pair[1] ~= "X-Amz-" .. name or parts[name] then return nil end
      parts[name] = pair[2]
    end
  end
  return parts
end

--- Of the query of a presigned URL; nil when it is not whole.
---@param query string
---@return SigV4Statement?
function statement.of_query(query)
  local parts = parameters_of(query)
  if not parts or parts.Algorithm ~= sigv4.ALGORITHM then return nil end
  for _, name in ipairs { "Credential", "Date", "Expires", "SignedHeaders", "Signature" } do
    if not parts[name] then return nil end
  end
  local lifetime = #parts.Expires <= 7 and parts.Expires:match "^%d+$" and tonumber(parts.Expires)
  if not lifetime or lifetime < 1 then return nil end
  return finish({ stamp = parts.Date, payload = parts["Content-Sha256"], lifetime = lifetime },
    parts)
end

return statement
