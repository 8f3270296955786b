--- decisions: that a service has let a request through, kept for others that are alike.

local moongate = require "moongate"
local service = require "forward-auth.service"

local by, crypto, json, time = moongate.by, moongate.crypto, moongate.json, moongate.time

---@class ForwardDecision
---@field fields string[]  of the service's answer, as far as they are used: names and values
---@field ends number      seconds since 1970

local decisions = {}

local cache = moongate.cache "forward-auth"

-- Why there is nothing in the cache: what was said is not to be kept, or nothing was said.
local UNKEPT, UNKEPT_SECONDS, UNDECIDED = "unkept", 1, "undecided"
-- A moment longer than the question, whose outcome is to be known.
local WAIT_MORE = 1

-- These alone are many callers'.
local NOBODY = { "^address$", "^route$", "^param:" }

local function names_caller(text)
  for _, pattern in ipairs(NOBODY) do
    if type(text) == "string" and text:find(pattern) then return false end
  end
  return true
end

--- What is wrong with the options.
---@param options table
---@return string?
function decisions.fault(options)
  if options.cache == 0 then return nil end
  local has_caller = false
  for i, text in ipairs(options.cache_by) do
    if not by.parse(text) then return ("cache_by[%d]: expected %s"):format(i, by.EXPECTED) end
    has_caller = has_caller or names_caller(text)
  end
  if not has_caller then
    return 'cache needs cache_by, which names the caller: { "header:authorization" }'
  end
  return options.body > 0 and "what a body decides cannot be cached" or nil
end

--- What decisions depend on beside the request, as far as it is configured.
---@param options table
---@return string digest
function decisions.fingerprint(options)
  local callers = {}
  for i, text in ipairs(options.cache_by) do
    callers[i] = type(text) == "string" and text or "function"
  end
  return crypto.sha256(json.encode { options.url, options.method, options.cache, callers,
    options.request_headers, options.upstream_headers, options.response_headers,
    options.consumer_from or false, options.answer_limit })
end

--- What a decision is kept by: all that the service is told, and the caller; nil: of one that does
--- not say who it is.
---@param self ForwardAuth
---@param req Request
---@param parts string[]  of service.tell
---@param count integer
---@return string?
function decisions.key(self, req, parts, count)
  local has_caller, callers = false, self.callers
  for i = 1, #callers do
    local value = callers[i](req)
    if value then has_caller = true end
    parts[count + i] = value or service.ABSENT
  end
  if not has_caller then return nil end
  return table.concat(parts, "\0", 1, count + #callers)
end

--- Asks, once for all who want to know the same.
---@param self ForwardAuth
---@param key string
---@param question FetchOptions
---@return ForwardDecision? decision  that may be used again
---@return FetchAnswer? answer        else: to this question alone; nil: the service does not decide
function decisions.find(self, key, question)
  local own, has_asked
  local text, why = cache:fetch(crypto.sha256(self.fingerprint .. key), self.timeout + WAIT_MORE,
    function()
      has_asked = true
      own = service.ask(self, question)
      if not own then return nil, UNDECIDED end
      local seconds = service.lifetime(self, own)
      if seconds <= 0 then return nil, UNKEPT, UNKEPT_SECONDS end
      return json.encode { ends = time.now() + seconds, fields = service.chosen(own, self.used) },
        seconds
    end)
  if text then return json.decode(text) end
  if has_asked or why == UNDECIDED or why == "timeout" then return nil, own end
  -- Of no use to others, or another worker was in vain: everybody for himself.
  return nil, service.ask(self, question)
end

return decisions
