--- path_pattern: the path of a route as it is written, "/users/{id}" or "/files/{rest*}".
--
-- Literal segments take the normal form that paths of requests have, so that "/a%2Db" is "/a-b".

local path_pattern = {}

path_pattern.BYTES_MAX = 4096
-- As in runtime/gateway/route_matcher.h.
path_pattern.SEGMENTS_MAX = 64
path_pattern.CAPTURES_MAX = 16

local NAME = "^([a-z_][a-z0-9_]*)(%*?)$"
-- What RFC 3986 allows in a path, and braces.
local UNWRITABLE = "[^%w%-._~!$&'()*+,;=:@%%/{}]"

---@class PathPattern
---@field path string     normalised; placeholders as written
---@field names string[]  what is captured, in its order, without "*"

local function placeholder_error(segment)
  if segment:find("{", 1, true) and not segment:find("}", 1, true) then
    return "has an unclosed placeholder; expected {name} or {name*}"
  elseif not segment:find("{", 1, true) then
    return "has a \"}\" without a \"{\" before it; expected {name} or {name*}"
  elseif not segment:find "^{[^{}]*}$" then
    return ("has the segment \"%s\"; expected a placeholder to be all of it, as in \"/{name}\"")
      :format(segment)
  end
  return ("has the placeholder %s; expected a name of a-z, 0-9 and _, as in {name} or {name*}")
    :format(segment)
end

-- The name of a placeholder, which may be the last segment or not; "" for a literal.
local function segment_name(segment, is_last)
  if not segment:find("{", 1, true) and not segment:find("}", 1, true) then return "" end
  local name, star = (segment:match "^{([^{}]*)}$" or ""):match(NAME)
  if not name then return nil, placeholder_error(segment) end
  if star == "*" and not is_last then
    return nil, ("has {%s*} before its end; expected it as the last segment"):format(name)
  end
  return name
end

local function split(path)
  local segments = {}
  for segment in path:gmatch "/([^/]*)" do segments[#segments + 1] = segment end
  return segments
end

-- The names of all placeholders, and the path with something plain in their places.
local function read_segments(segments)
  local names, seen, plain = {}, {}, {}
  for i, segment in ipairs(segments) do
    local name, message = segment_name(segment, i == #segments)
    if not name then return nil, message end
    if seen[name] then return nil, ("has {%s} twice; expected each name once"):format(name) end
    if name ~= "" then
      names[#names + 1] = name
      seen[name] = true
    end
    plain[i] = name == "" and segment or "x"
  end
  return names, "/" .. table.concat(plain, "/")
end

-- The path with its literals as in `normal`, or nil when requests never look like that.
local function with_literals_of(segments, normal)
  local literals = split(normal)
  if #literals ~= #segments then return nil end
  for i, segment in ipairs(segments) do
    if segment:byte() == 123 then literals[i] = segment end
  end
  return "/" .. table.concat(literals, "/")
end

local function form_error(path)
  if path:sub(1, 1) ~= "/" then return "does not begin with \"/\"" end
  if #path > path_pattern.BYTES_MAX then
    return ("is longer than %d bytes"):format(path_pattern.BYTES_MAX)
  end
  local bad = path:match(UNWRITABLE)
  if bad == "?" then return "has a query; expected it under query = { name = \"value\" }" end
  if bad then return ("has the byte 0x%02x; expected %%%02X"):format(bad:byte(), bad:byte()) end
  return nil
end

local function size_error(segments, names)
  if #segments > path_pattern.SEGMENTS_MAX then
    return ("has %d segments; at most %d"):format(#segments, path_pattern.SEGMENTS_MAX)
  elseif #names > path_pattern.CAPTURES_MAX then
    return ("has %d placeholders; at most %d"):format(#names, path_pattern.CAPTURES_MAX)
  end
  return nil
end

--- Checks a route's path, and normalises its literals.
---@param path string
---@param normalise fun(path: string): string?  the normal form of a request's path; nil: malformed
---@return PathPattern? pattern
---@return string? message  continues a sentence that begins with the path
function path_pattern.parse(path, normalise)
  local message = form_error(path)
  if message then return nil, message end
  local segments = split(path)
  local names, plain = read_segments(segments)
  if not names then return nil, plain end
  message = size_error(segments, names)
  if message then return nil, message end

  local normal = normalise(plain)
  if not normal then return nil, "has a malformed escape, or one of a control character" end
  if normal == plain then return { path = path, names = names } end
  local result = with_literals_of(segments, normal)
  if not result then
    return nil, "has empty, \".\" or \"..\" segments, which paths of requests never have"
  end
  return { path = result, names = names }
end

--- Whether all placeholders of a template are among those of a pattern, where both are right.
---@param path string  the pattern's
---@param template string
---@return boolean
function path_pattern.has_names_of(path, template)
  for name in template:gmatch "{([^*}]*)" do
    local opened = "{" .. name
    local is_known = path:find(opened .. "}", 1, true) or path:find(opened .. "*}", 1, true)
    if not is_known then return false end
  end
  return true
end

local function list_names(names)
  if #names == 0 then return "no placeholders" end
  return "{" .. table.concat(names, "}, {") .. "}"
end

--- Checks a path that captures are put into: "/v2/users/{id}.json".
---@param template string
---@param names string[]  those of the pattern
---@param normalise fun(path: string): string?
---@return true? ok
---@return string? message  as of `parse`
function path_pattern.check_template(template, names, normalise)
  local message = form_error(template)
  if message then return nil, message end
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  local plain = template:gsub("{([^{}]*)}", function(text)
    local name = text:match(NAME)
    if not known[name] and not message then
      message = ("has the unknown placeholder {%s}; the route's path has %s")
        :format(text, list_names(names))
    end
    return "x"
  end)
  if message then return nil, message end
  if plain:find "[{}]" then return nil, placeholder_error(plain) end
  if not with_literals_of(split(plain), normalise(plain) or "") then
    return nil, "has a malformed escape, or empty, \".\" or \"..\" segments"
  end
  return true
end

return path_pattern
