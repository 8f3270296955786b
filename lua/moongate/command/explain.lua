--- explain: `moongate explain METHOD URL`: which route a request takes, which came near, and why.

local bridge = require "moongate.ffi"
local explain = require "moongate.explain"
local json = require "moongate.json"
local protection = require "moongate.protection"
local reading = require "moongate.command.reading"

local C, found = bridge.C, bridge.found

local verb = {
  usage = "explain METHOD URL [-H 'name: value']... [--sni NAME] [-c FILE] [--json]",
  words = { 2, 2 },
  options = {
    ["-H"] = { key = "headers", value = true, list = true },
    ["--sni"] = { key = "sni", value = true },
  },
}

-- The request that the words mean; nil and what is wrong.
local function request_of(given)
  local method, url = given.words[1], given.words[2]
  local scheme, authority, rest = url:match "^(https?)://([^/?#]*)(.*)$"
  if not scheme then
    scheme, authority, rest = "http", "", url
    if rest:sub(1, 1) ~= "/" then
      return nil, ("%q is no URL; expected http://host/path or /path"):format(url)
    end
  end
  local path, query = rest:match "^([^?#]*)%??([^#]*)"
  local request = {
    method = method, scheme = scheme, query_text = query,
    host = authority:gsub(":%d+$", ""):gsub("^%[(.*)%]$", "%1"):lower(),
    path = path == "" and "/" or path, headers = {}, query = {}, sni = given.sni,
  }
  for _, line in ipairs(given.headers or {}) do
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if not name then return nil, ("%q is no header; expected 'name: value'"):format(line) end
    request.headers[name:lower()] = request.headers[name:lower()] or value
  end
  return request
end

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function describe(request)
  local generation = bridge.generation
  local function text(which, value)
    return C.moon_explain_text(generation, which, value, #value)
  end
  C.moon_explain_begin(generation, false)
  text(C.MOON_TEXT_METHOD, request.method)
  text(C.MOON_TEXT_SCHEME, request.scheme)
  text(C.MOON_TEXT_HOST, request.host)
  if request.query_text ~= "" then
    text(C.MOON_TEXT_QUERY, request.query_text)
    for name, value in request.query_text:gmatch "([^&=]+)=?([^&]*)" do
      request.query[decode(name)] = request.query[decode(name)] or decode(value)
    end
  end
  if request.sni then text(C.MOON_TEXT_SERVER_NAME, request.sni) end
  for name, value in pairs(request.headers) do
    C.moon_explain_header(generation, name, #name, value, #value)
  end
  return text(C.MOON_TEXT_PATH, request.path)
end

-- Predicates are asked about a stand-in that has what the words say; one that raises says no.
local function stand_in(request)
  return {
    method = request.method, path = request.path, host = request.host, scheme = request.scheme,
    headers = request.headers, query = request.query, params = {}, cookies = {}, context = {},
    address = "127.0.0.1",
  }
end

-- The winner's number in the model, and those that matched but whose `when` said no.
local function match(model, request)
  local rejected = {}
  local index = C.moon_explain_match(bridge.generation)
  while index >= 0 do
    local route = model.routes[index + 1]
    if not route.when then return index + 1, rejected end
    local ok, says = pcall(route.when, stand_in(request))
    if ok and says then return index + 1, rejected end
    rejected[index + 1] = true
    index = C.moon_explain_next(bridge.generation)
  end
  return nil, rejected, index == -2 and "method not allowed" or "not found"
end

local function captures_of()
  local captures, at = {}, 0
  while C.moon_explain_capture(bridge.generation, at, found) do
    captures[#captures + 1] = { bridge.pair() }
    at = at + 1
  end
  return captures
end

local function misses_of(model)
  local misses = {}
  for i = 1, #model.routes do
    misses[i] = explain.MISSES[C.moon_explain_why_not(bridge.generation, i - 1)]
  end
  return misses
end

-- By the numbers of enum moon_explain_way.
local WAYS = { [0] = "none", "lookup", "pass", "write" }

local function cache_of(route)
  local way = WAYS[C.moon_explain_cache(bridge.generation, found)]
  if way == "none" then return nil end
  local said, is_conditional = bridge.text(), false
  for _, step in ipairs(route.plugins) do
    if step.plugin.cache_policy then is_conditional = step.when ~= nil end
  end
  return {
    way = way, conditional = is_conditional or nil,
    key = way == "lookup" and said or nil, reason = way == "pass" and said or nil,
  }
end

local function protection_of(model, route, method)
  for _, upstream in ipairs(model.upstreams) do
    if upstream.name == route.upstream then
      return protection.of(model, route, upstream, method)
    end
  end
  return nil
end

local function explained(model, request)
  local winner, rejected, outcome = match(model, request)
  local given = {
    request = request, outcome = outcome or "found", winner = winner, rejected = rejected,
    captures = {}, routes = model.routes, chain = explain.chain(model.use),
  }
  if winner then
    given.captures = captures_of()
    given.chain = explain.chain(model.routes[winner].plugins)
    given.cache = cache_of(model.routes[winner])
    given.protection = protection_of(model, model.routes[winner], request.method)
    if C.moon_explain_forward_path(bridge.generation, found) then
      given.forward_path = bridge.text()
    end
  elseif C.moon_explain_allowed(bridge.generation, found) then
    given.allowed = bridge.text()
  end
  given.misses = misses_of(model)
  return given
end

---@param given Arguments
---@return integer code
function verb.run(given)
  local request, wrong = request_of(given)
  if not request then
    io.stderr:write("moongate explain: ", wrong, "\nusage: moongate ", verb.usage, "\n")
    return 2
  end
  local model = reading.model(given, true)
  if not model then return 1 end
  if not describe(request) then
    io.stderr:write(("the path %q is malformed: the gateway answers 400\n"):format(request.path))
    return 1
  end
  request.query_text = nil
  local result = explain.table(explained(model, request))
  io.stdout:write(given.json and json.encode(result) .. "\n" or explain.text(result))
  return 0
end

return verb
