--- endpoint: a provider that is asked whether a token is active (RFC 7662).

local moongate = require "moongate"

local crypto, fetch, json, log = moongate.crypto, moongate.fetch, moongate.json, moongate.log
local metrics, time, uri = moongate.metrics, moongate.time, moongate.uri

---@class IntrospectionEndpoint
---@field url string
---@field headers table<string, string>
---@field tail string         of the form, behind the token
---@field timeout number
---@field answer_limit integer
---@field told number         when a failure was logged last
local Endpoint = {}
Endpoint.__index = Endpoint

local endpoint = {}

-- Longer ones would not fit into the cache.
local ANSWER_BYTES_MAX = 65000
-- At least so many seconds between two lines of the log.
local TELL_AGAIN = 1

local OPTIONS = {
  endpoint = { type = "string", required = true,
    help = "URL of the provider's introspection endpoint" },
  client_auth = { type = "string", default = "client_secret_basic",
    values = { "client_secret_basic", "client_secret_post", "bearer" },
    help = "how the gateway shows there who it is (RFC 6749, 2.3.1; RFC 7662, 2.1)" },
  client_id = { type = "string", help = "of the gateway, with client_secret_…" },
  client_secret = { type = "string", secret = true, help = "of the gateway: env \"NAME\"" },
  client_token = { type = "string", secret = true, help = "of the gateway, with bearer" },
  token_type_hint = { type = "any", default = "access_token",
    help = "tells the provider where to look first; false: nothing" },
  timeout = { type = "duration", default = "2s", min = 0.01, help = "for the provider's answer" },
  answer_limit = { type = "size", default = "32k", min = 64, max = ANSWER_BYTES_MAX,
    help = "bytes of the provider's answer; a larger one counts as none" },
}

local asked = metrics.counter("moongate_introspections_total",
  "Questions to identity providers whether a token is active.", { "endpoint", "outcome" })

--- A plugin's own options and those of the endpoint.
---@param own table<string, PluginOption>
---@return table<string, PluginOption>
function endpoint.options(own)
  for name, option in pairs(OPTIONS) do own[name] = option end
  return own
end

local function fault_of_client(options)
  if options.client_auth == "bearer" then
    return not options.client_token and "client_auth = \"bearer\" needs a client_token" or nil
  end
  return not (options.client_id and options.client_secret)
    and ("client_auth = %q needs client_id and client_secret"):format(options.client_auth) or nil
end

--- What is wrong with the options.
---@param options table
---@return string?
function endpoint.fault(options)
  local url = uri.parse(options.endpoint)
  if not url or url.scheme ~= "http" and url.scheme ~= "https" or url.fragment then
    return ("endpoint is %q; expected the URL of the provider's"):format(options.endpoint)
  end
  if options.client_token and not options.client_token:find "^[\33-\126]+$" then
    return "client_token is not what a token may be"
  end
  local hint = options.token_type_hint
  if hint ~= false and type(hint) ~= "string" then
    return ("token_type_hint is %s; expected a text, or false"):format(tostring(hint))
  end
  return fault_of_client(options)
end

-- The gateway's credentials, and what the form has of them.
local function credentials(options)
  local id, secret = options.client_id, options.client_secret
  if options.client_auth == "bearer" then return "Bearer " .. options.client_token, "" end
  id, secret = uri.encode(id), uri.encode(secret)
  if options.client_auth == "client_secret_post" then
    return nil, ("&client_id=%s&client_secret=%s"):format(id, secret)
  end
  return "Basic " .. crypto.base64(id .. ":" .. secret), ""
end

---@param options table  checked
---@return IntrospectionEndpoint
function endpoint.of(options)
  local authorization, tail = credentials(options)
  local hint = options.token_type_hint
  if hint then tail = "&token_type_hint=" .. uri.encode(hint) .. tail end
  return setmetatable({ url = options.endpoint, tail = tail, timeout = options.timeout,
    answer_limit = options.answer_limit, told = 0, headers = {
      authorization = authorization, accept = "application/json",
      ["content-type"] = "application/x-www-form-urlencoded",
    } }, Endpoint)
end

--- What answers depend on: other endpoints, or other clients, may be told something else.
---@return string digest
function Endpoint:fingerprint()
  return crypto.sha256(json.encode { self.url, self.headers.authorization or "", self.tail,
    self.answer_limit })
end

--- What an answer says of a token: its claims, false of one that is not active, nil when it is no
--- such answer. Of what it must have there is `active` alone; what is null is not there.
---@param text string
---@return table|false|nil
function endpoint.read(text)
  local said = json.decode(text)
  if type(said) ~= "table" or type(said.active) ~= "boolean" then return nil end
  if not said.active then return false end
  for name, value in pairs(said) do
    if value == json.null then said[name] = nil end
  end
  return said
end

local function failed(self, outcome, why)
  asked:with(self.url, outcome):add()
  if time.monotonic() - self.told >= TELL_AGAIN then
    self.told = time.monotonic()
    log.error("%s does not say whether tokens are active: %s", self.url, tostring(why))
  end
  return nil
end

--- Asks; waits for the answer.
---@param token string
---@return table|false|nil said  as of endpoint.read
---@return string? text          the answer
function Endpoint:ask(token)
  local answer, fault, why = fetch { url = self.url, method = "POST", headers = self.headers,
    body = "token=" .. uri.encode(token) .. self.tail, timeout = self.timeout,
    connect_timeout = self.timeout, limit = self.answer_limit }
  if not answer then return failed(self, fault, why) end
  if answer.status ~= 200 then
    return failed(self, "status-" .. answer.status, "It answered " .. answer.status .. ".")
  end
  local said = endpoint.read(answer.body)
  if said == nil then return failed(self, "unusable", "Its answer is none of RFC 7662.") end
  asked:with(self.url, said and "active" or "inactive"):add()
  return said, answer.body
end

return endpoint
