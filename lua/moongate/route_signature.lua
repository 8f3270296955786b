--- route_signature: what `route` is called with, "GET,POST /users/{id}": methods and a path.

local route_signature = {}

local find, sub = string.find, string.sub

local NONE = {}

-- What http-parser knows, but for CONNECT: the gateway refuses it.
local METHODS = {}
for method in ([[
  ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE
  NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE
  UNBIND UNLINK UNLOCK UNSUBSCRIBE
]]):gmatch "%S+" do METHODS[method] = true end

route_signature.METHODS = METHODS

--- What is wrong with a method; nil: nothing.
---@param method string
---@return string?
function route_signature.method_error(method)
  if METHODS[method] then return nil end
  if method == "CONNECT" then return "CONNECT requests are refused, so no route can have them" end
  local upper = method:upper()
  if METHODS[upper] then return ("unknown method \"%s\"; expected \"%s\""):format(method, upper) end
  return ("unknown method \"%s\"; expected one like GET, POST or DELETE"):format(method)
end

-- Lists that are right, by their text, shared by all routes that have them.
local parsed = {}

-- "GET,POST" or "GET|POST" taken apart.
local function parse_methods(text)
  if parsed[text] then return parsed[text] end
  local methods, seen = {}, {}
  for method in (text .. ","):gmatch "([^,|]*)[,|]" do
    local message = method == "" and ("\"%s\" lacks a method"):format(text)
      or route_signature.method_error(method)
    if message then return nil, message end
    if seen[method] then return nil, ("method %s is given twice"):format(method) end
    methods[#methods + 1] = method
    seen[method] = true
  end
  parsed[text] = methods
  return methods
end

-- What most are, without a pattern of Lua's, which is never compiled.
local function at_a_glance(signature, is_plain)
  local blank = find(signature, " ", 1, true)
  local methods = blank and parsed[sub(signature, 1, blank - 1)] or NONE
  local path = methods == NONE and signature or sub(signature, blank + 1)
  if is_plain(path) then return methods, path, not methods[2] and signature or nil end
end

--- Takes "GET /users/{id}", "GET,POST /users" or "/users" apart.
---@param signature string
---@param is_plain nil|fun(path: string): boolean  tells of most that are paths, of nothing else
---@return string[]? methods  empty: any
---@return string path        or what is wrong
---@return string? name       what a route is called that has no name of its own; nil: not told
function route_signature.parse(signature, is_plain)
  if is_plain then
    local known, path, name = at_a_glance(signature, is_plain)
    if known then return known, path, name end
  end
  local text = signature:match "^%s*(.-)%s*$"
  local start = text:find("/", 1, true)
  if not start then
    return nil, ("\"%s\" has no path; expected \"GET /path\" or \"/path\""):format(signature)
  end
  local methods = text:sub(1, start - 1):match "^(.-)%s*$"
  if methods == "" then return NONE, text end
  if methods:find "%s" and not methods:find "[,|]" then
    return nil, ("\"%s\" has several words before its path; expected \"GET,POST /path\"")
      :format(signature)
  end
  if not text:sub(1, start - 1):find "%s$" then
    return nil, ("\"%s\" has no blank before its path; expected \"GET /path\""):format(signature)
  end
  local list, message = parse_methods((methods:gsub("%s*([,|])%s*", "%1")))
  return list, list and text:sub(start) or message
end

return route_signature
