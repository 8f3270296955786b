--- fetch: asks an upstream, or any URL, from within a plugin.
--
--     local answer, why = moongate.fetch { url = "http://users/users/7", timeout = 0.5 }
--     if answer and answer.status == 200 then ... answer.body ... end
--
-- The host of the URL is an upstream of the configuration where there is one of that name; its
-- targets, TLS and pools are used then. Other hosts are connected to directly.

local core = require "moongate.core.fetch"
local must_serve = require("moongate.ffi").must_serve
local target_of = require "moongate.fetch_target"

local LIMIT = 1048576
local TIMEOUT = 30

---@class FetchOptions
---@field url string
---@field method string?             default GET, or POST with a body
---@field headers table<string, string|string[]>?
---@field body string?
---@field timeout number?            seconds for the whole; default 30
---@field connect_timeout number?    seconds; default 5
---@field limit integer?             bytes of the answer's body; default 1 MiB

---@class FetchAnswer
---@field status integer
---@field headers table<string, string>  lower-case names; repeated fields joined with ", "
---@field fields string[]                names and values in turn, as they came
---@field body string

local function read_url(url)
  local scheme, authority, path = tostring(url):match "^(https?)://([^/?#]+)([^#]*)"
  if not scheme then error(("%q is not a URL to fetch"):format(tostring(url)), 3) end
  local target = target_of(scheme, authority)
  if target == false then error(("%q is not a URL to fetch"):format(url), 3) end
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  return target, authority, path
end

local function flat(headers)
  local list = {}
  for name, value in pairs(headers or {}) do
    if name:lower() ~= "host" then
      for _, one in ipairs(type(value) == "table" and value or { value }) do
        list[#list + 1] = name
        list[#list + 1] = tostring(one)
      end
    end
  end
  return list
end

local function by_name(fields)
  local headers = {}
  for i = 1, #fields, 2 do
    local name, value = fields[i]:lower(), fields[i + 1]
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

local function host_of(headers, authority)
  for name, value in pairs(headers or {}) do
    if name:lower() == "host" then return tostring(value) end
  end
  return authority
end

--- Waits for the whole answer. Redirects are answers like others. Raises for what is no URL, and
--- for headers that frame messages, which are the gateway's.
---@param options FetchOptions|string  a string is the URL
---@return FetchAnswer? answer  of any status
---@return string? fault        without an answer: "upstream-timeout", "upstream-refused" ...
---@return string? text         a sentence about it
return function(options)
  must_serve "fetch"
  if type(options) == "string" then options = { url = options } end
  local target, authority, path = read_url(options.url)
  if not target then return nil, "upstream-limit", "Too many different hosts were fetched." end
  local method = options.method or (options.body and "POST" or "GET")
  local status, fields, body = core.call(target, method, path, host_of(options.headers, authority),
    flat(options.headers), options.body, options.connect_timeout or 0,
    options.timeout or TIMEOUT, options.limit or LIMIT)
  if not status then return nil, fields, body end
  return { status = status, fields = fields, headers = by_name(fields), body = body }
end
