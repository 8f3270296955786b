--- fetched: JSON that a registry answers with.

local fetch = require "moongate.fetch"
local json = require "moongate.json"
local varied = require "moongate.discovery.varied"

local fetched = {}

local JITTER = 0.1

--- The time between two questions, not the same for all gateways.
---@param source DiscoverySource
---@return number seconds
function fetched.interval(source)
  return varied(source.options.interval, 1 - JITTER, 1 + JITTER)
end

--- Text as a part of a URL.
---@param text string
---@return string
function fetched.escape(text)
  return (text:gsub("[^%w._~-]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

---@param source DiscoverySource
---@param url string
---@param seconds number?  beyond the timeout
---@param token string?    of Consul
---@return any document     nil: see why
---@return string|table why_or_headers
function fetched.document(source, url, seconds, token)
  local options, headers = source.options, { accept = "application/json" }
  for name, value in pairs(options.headers or {}) do headers[name:lower()] = value end
  headers["x-consul-token"] = token or headers["x-consul-token"]
  local answer, fault, text = fetch { url = url, headers = headers, limit = options.size,
    timeout = options.timeout + (seconds or 0), connect_timeout = options.timeout }
  if not answer then return nil, ("%s: %s"):format(fault, text or "no answer") end
  if answer.status ~= 200 then return nil, ("it answered with %d"):format(answer.status) end
  local document, wrong = json.decode(answer.body)
  if document == nil then return nil, "the answer is no JSON: " .. tostring(wrong) end
  return document, answer.headers
end

return fetched
