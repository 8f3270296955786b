--- caching: heads and policies for the rules of the cache, which specs call through the FFI.
--
--     local caching = require "spec.support.caching"
--     before_each(caching.begin) after_each(caching.finish)
--     local asked = caching.ask({ "Accept: text/html" }, { ttl = 60 })

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("cache/cache_status.h", "cache/storability.h", "cache/stored_answer.h",
  "cache/stored_head.h", "cache/variant.h", "cache/cache_key.h")

local caching = { C = C, NOW = 1790000000 }

local METHODS = {
  GET = C.METHOD_GET, HEAD = C.METHOD_HEAD, POST = C.METHOD_POST, PUT = C.METHOD_PUT,
  DELETE = C.METHOD_DELETE, PATCH = C.METHOD_PATCH, OPTIONS = C.METHOD_OPTIONS,
}

-- What C points to, until finish().
local kept

function caching.begin()
  kept = {}
  caching.arena = runtime.new_arena()
end

function caching.finish()
  C.arena_clear(caching.arena)
  kept = nil
end

---@param value any
---@return any value
function caching.keep(value)
  kept[#kept + 1] = value
  return value
end

---@param text string|nil
---@return ffi.cdata* slice
function caching.slice(text)
  return caching.keep(runtime.slice(text))
end

--- Fields written as "Name: value", added to a message.
function caching.add(headers, lines)
  for _, line in ipairs(lines) do
    local name, value = line:match "^([^:]+): ?(.*)$"
    assert(C.headers_add(headers, caching.arena, caching.slice(name), caching.slice(value)))
  end
end

--- All fields of a message that are of that name, joined by "|"; nil when there is none.
---@return string|nil
function caching.field(headers, name)
  local found = {}
  local header = C.headers_find(headers, caching.slice(name))
  while header ~= nil do
    found[#found + 1] = runtime.text(header.value)
    header = C.headers_find_next(headers, header)
  end
  return #found > 0 and table.concat(found, "|") or nil
end

--- The date so many seconds from NOW, as HTTP writes it.
function caching.date(offset)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", caching.NOW + offset)
end

-- "{-3600}" in a line is that date.
local function dated(line)
  return (line:gsub("{(%-?%d+)}", function(offset) return caching.date(tonumber(offset)) end))
end

local function dated_all(lines)
  local all = {}
  for i, line in ipairs(lines) do all[i] = dated(line) end
  return all
end

--- A request: fields as lines, beside them method, scheme, host, port, path, query.
function caching.request(options)
  local request = caching.keep(ffi.new "struct request")
  local method = options.method or "GET"
  request.method = METHODS[method] or C.METHOD_OTHER
  request.method_name = caching.slice(method)
  request.scheme = caching.slice(options.scheme or "http")
  request.host = caching.slice(options.host or "example.com")
  request.path = caching.slice(options.path or "/")
  request.query = caching.slice(options.query)
  if options.port then request.port = options.port end
  if options.body then request.body = C.BODY_LENGTH end
  request.upgrade = caching.slice(options.upgrade)
  caching.add(request.headers, dated_all(options))
  return request
end

--- A response: fields as lines, beside them its status.
function caching.response(options)
  local response = caching.keep(ffi.new "struct response")
  response.status = options.status or 200
  response.reason = caching.slice(options.reason or "OK")
  response.minor_version = 1
  response.body = options.length and C.BODY_LENGTH or C.BODY_STREAMED
  response.content_length = options.length or 0xffffffffffffffffULL
  caching.add(response.headers, dated_all(options))
  return response
end

local function header_key(name)
  local key = ffi.new "struct header_key"
  key.name = caching.slice(name:lower())
  key.id = C.header_id_of(key.name)
  return key
end

local function array(ctype, list, convert)
  local items = caching.keep(ffi.new(ctype .. "[?]", #list))
  for i, value in ipairs(list) do items[i - 1] = convert(value) end
  return items
end

local CONDITIONS = {
  header = C.CACHE_CONDITION_HEADER, cookie = C.CACHE_CONDITION_COOKIE,
  query = C.CACHE_CONDITION_QUERY,
}

local function condition(row)
  local made = ffi.new "struct cache_condition"
  made.kind, made.name = CONDITIONS[row[1]], header_key(row[2])
  if row[1] ~= "header" then made.name.name = caching.slice(row[2]) end
  made.value = caching.slice(row[3])
  return made
end

local LISTS = {
  targeted = { "struct header_key", header_key, "targeted_count" },
  key_headers = { "struct header_key", header_key, "key_header_count" },
  key_cookies = { "struct slice", function(name) return caching.slice(name) end,
    "key_cookie_count" },
  query_names = { "struct slice", function(name) return caching.slice(name) end,
    "query_name_count" },
  ttls = { "struct cache_policy_ttl", function(row) return row end, "ttl_count" },
  bypass = { "struct cache_condition", condition, "bypass_count" },
  no_store = { "struct cache_condition", condition, "no_store_count" },
}

--- The default policy with other values; lists as Lua tables, texts as strings.
function caching.policy(options)
  local policy = caching.keep(ffi.new("struct cache_policy", C.CACHE_POLICY))
  for name, value in pairs(options or {}) do
    local list = LISTS[name]
    if list then
      policy[name], policy[list[3]] = array(list[1], value, list[2]), #value
    elseif name == "tags" then
      policy.tags = header_key(value)
    elseif type(value) == "string" then
      policy[name] = caching.slice(value)
    else
      policy[name] = value
    end
  end
  return policy
end

--- What a request asks of a cache with that policy.
function caching.ask(request, policy)
  local asked = caching.keep(ffi.new "struct cache_request")
  C.cache_request_read(asked, caching.policy(policy), caching.request(request), caching.arena)
  return asked
end

--- Whether an answer that came at NOW may be stored: the text of why not (nil: it may), and what
--- was found out.
function caching.judge(asked, response, requested)
  local storable = caching.keep(ffi.new "struct storable")
  local result = C.storability_of(asked, caching.response(response),
    { requested or caching.NOW, caching.NOW }, caching.arena, storable)
  local text = C.storability_text(result)
  return text ~= nil and ffi.string(text) or nil, storable
end

--- An answer as it was stored at NOW: its head, read again.
function caching.stored(asked, response)
  local made = caching.response(response)
  local storable = caching.keep(ffi.new "struct storable")
  local times = { caching.NOW, caching.NOW }
  local result = C.storability_of(asked, made, times, caching.arena, storable)
  assert(result == C.STORABLE, "not storable")
  local bytes = C.stored_head_write(asked, made, storable, caching.arena)
  assert(bytes.start ~= nil, "too large")
  local head = caching.keep(ffi.new "struct stored_head")
  assert(C.stored_head_read(bytes, head), "not readable")
  return head, bytes
end

return caching
