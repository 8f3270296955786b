--- service: what decides for forward-auth, asked over HTTP.

local freshness = require "moongate.freshness"
local headers = require "moongate.headers"
local moongate = require "moongate"

local fetch, log = moongate.fetch, moongate.log
local metrics, time, uri = moongate.metrics, moongate.time, moongate.uri

local service = {}

-- At least so many seconds between two lines of the log.
local TELL_AGAIN = 1
-- What the gateway says to the service itself.
local OWN = "^x%-forwarded%-"

local asked = metrics.counter("moongate_forward_auth_total",
  "Questions to services that decide about requests.", { "url", "outcome" })

local function names(default, help)
  return { type = "list", items = { type = "string" }, default = default, help = help }
end

local OPTIONS = {
  url = { type = "string", required = true,
    help = "of the service; its host may be an upstream of the configuration" },
  method = { type = "string", values = { "GET", "POST" }, default = "GET",
    help = "by which it is asked, whatever the request's own is (X-Forwarded-Method)" },
  request_headers = names({ "authorization", "cookie" },
    "of the request, which the service is sent"),
  body = { type = "size", default = 0, max = 1048576, help = "bytes of the request's body, which "
    .. "the service is sent, with method = \"POST\"; a larger one is refused (413); 0: none" },
  upstream_headers = names({},
    "of the service's answer, which the upstream is sent; what clients send in them is removed"),
  response_headers = names({},
    "of the service's answer, which the client gets with the answer of the upstream"),
  client_headers = names({ "www-authenticate", "location", "set-cookie", "content-type",
    "cache-control", "retry-after" },
    "of the service's answer, which the client gets with a refusal"),
  challenge = { type = "string", default = "ForwardAuth",
    help = 'WWW-Authenticate of a 401 for which none came from the service, as one is wanted; "": '
      .. "none" },
  timeout = { type = "duration", default = "2s", min = 0.01, help = "for the service's answer" },
  answer_limit = { type = "size", default = "64k", max = 1048576,
    help = "bytes of the service's answer; a larger one counts as none" },
}

--- A plugin's own options and those of the service.
---@param own table<string, PluginOption>
---@return table<string, PluginOption>
function service.options(own)
  for name, option in pairs(OPTIONS) do own[name] = option end
  return own
end

local function fault_of_names(list, may_be_ours)
  for _, name in ipairs(list) do
    local wrong = headers.fault(name)
    if wrong then return wrong end
    name = name:lower()
    if name == "host" or not may_be_ours and name:find(OWN) then
      return ("header %q is written by the gateway itself"):format(name)
    end
  end
  return nil
end

--- What is wrong with the options.
---@param options table
---@return string?
function service.fault(options)
  local url = uri.parse(options.url)
  if not url or url.scheme ~= "http" and url.scheme ~= "https" or url.fragment then
    return ("url is %q; expected the URL of the service"):format(options.url)
  end
  for _, option in ipairs { "request_headers", "upstream_headers", "response_headers",
    "client_headers" } do
    local wrong = fault_of_names(options[option], option ~= "request_headers")
    if wrong then return ("%s: %s"):format(option, wrong) end
  end
  local wrong = headers.fault("www-authenticate", options.challenge)
  if wrong then return "challenge: " .. wrong end
  if options.body > 0 and options.method ~= "POST" then
    return 'a body is sent with method = "POST"'
  end
  return nil
end

-- The normalised path, as routes see it, and the query as the client sent it.
local function uri_of(req)
  local target = req.target
  local mark = target:find("?", 1, true)
  local path = mark and target:sub(1, mark - 1) or target
  if path:byte() ~= 47 then -- not origin-form
    local parsed = uri.parse(target)
    path = parsed and parsed.path or path
  end
  return (uri.normalise_path(path) or path) .. (mark and target:sub(mark) or "")
end

-- Several lines of Cookie are one with semicolons (RFC 6265, 5.4). Where the last line of several
-- is empty, what they are together ends with a blank, which no field may.
local function value_of(fields, name)
  local value = fields:get(name)
  if name == "cookie" and value and value:find(", ", 1, true) then
    value = table.concat(fields:all(name), "; ")
  end
  if value and value:byte(-1) == 32 then value = value:sub(1, -2) end
  return value
end

--- Stands for what a request has not: no value has it.
service.ABSENT = "\1"

--- All that the service is told of a request, but its body: into `parts`, in an order of its own.
---@param self ForwardAuth
---@param req Request
---@param parts string[]
---@return integer count
---@return boolean has_credentials  one of the chosen headers is there
function service.tell(self, req, parts)
  parts[1], parts[2], parts[3] = req.method, req.scheme, req.authority or ""
  parts[4], parts[5] = uri_of(req), req.address or ""
  local fields, wanted, has_any = req.headers, self.wanted, false
  for i = 1, #wanted do
    local value = value_of(fields, wanted[i])
    if value then has_any = true end
    parts[5 + i] = value or service.ABSENT
  end
  return 5 + #wanted, has_any
end

--- What is fetched for what was told.
---@param self ForwardAuth
---@param parts string[]
---@param body string?
---@return FetchOptions
function service.question(self, parts, body)
  local fields = {
    ["x-forwarded-method"] = parts[1], ["x-forwarded-proto"] = parts[2],
    ["x-forwarded-host"] = parts[3], ["x-forwarded-uri"] = parts[4],
    ["x-forwarded-for"] = parts[5],
  }
  for i, name in ipairs(self.wanted) do
    if parts[5 + i] ~= service.ABSENT then fields[name] = parts[5 + i] end
  end
  return { url = self.url, method = self.method, headers = fields, body = body,
    timeout = self.timeout, connect_timeout = self.timeout, limit = self.answer_limit }
end

-- No final answer to a question without conditions, or none by the service: 407 is a proxy's on the
-- way there, and no client's business.
local function is_failure(status)
  return status < 200 or status == 304 or status == 407 or status >= 500
end

--- What logs and metrics call it: a query may have a secret in it.
---@param url string
---@return string
function service.name(url) return (url:gsub("%?.*", "")) end

local told = {}

local function failed(self, outcome, why)
  local name = self.service_name
  asked:with(name, outcome):add()
  local now = time.monotonic()
  if now - (told[name] or 0) >= TELL_AGAIN then
    told[name] = now
    log.error("%s does not decide: %s", name, tostring(why))
  end
  return nil
end

--- Asks; waits for the answer.
---@param self ForwardAuth
---@param question FetchOptions
---@return FetchAnswer?  nil: the service does not decide
function service.ask(self, question)
  local answer, fault, why = fetch(question)
  if not answer then return failed(self, fault, why) end
  if is_failure(answer.status) then
    return failed(self, "status-" .. answer.status, "It answered " .. answer.status .. ".")
  end
  asked:with(self.service_name, answer.status < 300 and "allowed" or "refused"):add()
  return answer
end

--- The fields of an answer that are among the names, in turn.
---@param answer FetchAnswer
---@param wanted table<string, true>
---@return string[]
function service.chosen(answer, wanted)
  local list, fields = {}, answer.fields
  for i = 1, #fields, 2 do
    local name = fields[i]:lower()
    if wanted[name] then
      list[#list + 1] = name
      list[#list + 1] = fields[i + 1]
    end
  end
  return list
end

--- Seconds for which a decision may be used again.
---@param self ForwardAuth
---@param answer FetchAnswer
---@return number
function service.lifetime(self, answer)
  local is_let = answer.status < 300 and not answer.headers["set-cookie"]
  if not is_let then return 0 end
  return math.min(self.cache, freshness.of(answer.headers, time.now()) or self.cache)
end

return service
