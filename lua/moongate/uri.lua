--- uri: URIs, their escapes, paths and queries, read as the gateway itself reads requests.
--
--     local target = uri.parse "https://users.example:8443/users?page=2"
--     target.host, target.port, target.query
--
-- What is malformed gives nil and a message.

local bridge = require "moongate.ffi"

local C, room, text_of = bridge.C, bridge.room, bridge.string

local parts = bridge.new "struct slice[5]"

---@class moongate.uri
local uri = {}

---@class Uri
---@field scheme string?     lower case; nil for a path alone
---@field authority string?  as written
---@field host string?       lower case, IPv6 without brackets
---@field port integer?      as given, or that of the scheme
---@field path string        as written; "/" where there is none
---@field query string?      raw, without "?"
---@field fragment string?   raw, without "#"

local PORTS = { http = 80, https = 443 }

--- Escapes all but letters, digits and "-._~", so that it can stand anywhere.
---@param text string
---@param keep string?  more characters that stay as they are: "/" for a path
---@return string
function uri.encode(text, keep)
  local out = room(3 * #text)
  return text_of(out, C.moon_uri_encode(text, #text, keep or "", out))
end

---@param text string
---@param plus_is_space boolean?  as in queries of forms
---@return string? decoded
---@return string? why
function uri.decode(text, plus_is_space)
  local out = room(#text)
  local length = C.moon_uri_decode(text, #text, plus_is_space or false, out)
  if length < 0 then return nil, "a % is not followed by two hex digits" end
  return text_of(out, length)
end

--- The one form of a path that routes and upstreams see: needless escapes, dot segments and
--- repeated slashes are gone.
---@param path string
---@return string? normal
---@return string? why
function uri.normalise_path(path)
  local out = room(#path)
  local length = C.moon_uri_normalise(path, #path, out)
  if length < 0 then return nil, "this is not a path from / on, or it leaves the root" end
  return text_of(out, length)
end

local function part(which)
  if parts[which].start == nil then return nil end
  return text_of(parts[which].start, parts[which].length)
end

local function take_apart(text)
  local port = C.moon_uri_parse(text, #text, parts)
  if port < 0 then return nil end
  local scheme, host = part(C.MOON_URI_SCHEME), part(C.MOON_URI_HOST)
  scheme = scheme and scheme:lower()
  return {
    scheme = scheme,
    authority = part(C.MOON_URI_AUTHORITY),
    host = host and host:lower(),
    port = port > 0 and port or PORTS[scheme],
    path = part(C.MOON_URI_PATH),
    query = part(C.MOON_URI_QUERY),
  }
end

--- Takes apart an absolute URI, or a path with its query; userinfo is refused.
---@param text string
---@return Uri? uri
---@return string? why
function uri.parse(text)
  local before, fragment = text:match "^([^#]*)#?(.*)$"
  local found = before and take_apart(before)
  if not found then return nil, "this is not a URI with a host, or a path" end
  if #before < #text then
    if not take_apart("/?" .. fragment) then return nil, "its fragment is malformed" end
    found.fragment = fragment
  end
  return found
end

--- Names and values of a query, decoded, in their order. A name without "=" has the value "".
---@param query string  without "?"
---@return { [1]: string, [2]: string }[]? pairs
---@return string? why
function uri.parse_query(query)
  local list = {}
  for one in query:gmatch "[^&]+" do
    local name, value = one:match "^([^=]*)=?(.*)$"
    local decoded_name, why = uri.decode(name, true)
    if not decoded_name then return nil, why end
    value, why = uri.decode(value, true)
    if not value then return nil, why end
    list[#list + 1] = { decoded_name, value }
  end
  return list
end

local function add_pair(texts, name, value)
  texts[#texts + 1] = uri.encode(tostring(name)) .. "=" .. uri.encode(tostring(value))
end

local function sorted_names(values)
  local names = {}
  for name in pairs(values) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The query that uri.parse_query would read so.
---@param values table  a list of { name, value }, or values (or lists of them) by name
---@return string query  without "?"; names of a map are sorted
function uri.build_query(values)
  local texts = {}
  if values[1] then
    for _, pair in ipairs(values) do add_pair(texts, pair[1], pair[2]) end
    return table.concat(texts, "&")
  end
  for _, name in ipairs(sorted_names(values)) do
    local value = values[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      add_pair(texts, name, one)
    end
  end
  return table.concat(texts, "&")
end

return uri
