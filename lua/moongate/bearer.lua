--- bearer: what plugins that admit by bearer tokens have in common (RFC 6750).
--
-- Where the token is, what is said when it does not do, and what upstreams are told of its claims.
-- Of what `auth` has they take part, too.
--
--     bearer.strip(self, req)
--     local token, answer = bearer.token(self, req)
--     if not token then return answer end
--     local said = ...  -- what the token says
--     local objection = bearer.objection(self, said, header, now)
--     if objection then return objection end
--     local verdict = bearer.verdict(self, said, now + self.cache)
--     return bearer.admit(self, req, said, verdict.texts)

local auth = require "moongate.auth"
local claims_of = require "moongate.jwt.claims"
local consumers = require "moongate.consumers"
local headers = require "moongate.headers"
local known = require "moongate.known"
local reply = require "moongate.reply"

-- Beyond it doubles are no longer exact.
local WHOLE_MAX = 2 ^ 53

---@class BearerVerdict
---@field ends number             seconds since 1970
---@field claims table
---@field texts (string|false)[]  of bearer.texts

---@class moongate.bearer
---@field known moongate.known  tokens that this worker has found to be right
local bearer = { known = known }

local COMMON = {
  header = { type = "string", default = "authorization",
    help = "request header that holds the token; in Authorization after the word Bearer" },
  cookie = { type = "string", help = "cookie that holds the token, too" },
  query = { type = "string",
    help = "name in the query that holds the token, too; it gets into logs (RFC 6750, 5.3)" },
  hide = { type = "boolean", default = false, help = "do not pass the token to the upstream" },
  token_limit = { type = "size", default = 8192, min = 16, max = 65536,
    help = "bytes of a token; longer ones are refused before they are looked into" },
  realm = { type = "string", default = "api", help = "what WWW-Authenticate calls it" },
  scopes = { type = "list", items = { type = "string" }, default = {},
    help = "scopes that the token must have, all of them; else 403" },
  scope_claim = { type = "string",
    help = "claim that holds the scopes, as a text or a list; default: scope, else scp" },
  consumer_claim = { type = "string",
    help = "claim that holds the name of a consumer, who must be known; default: the token is "
      .. "enough" },
  claim_headers = { type = "map", items = { type = "string" }, default = {},
    help = "request headers that tell the upstream a claim each: { [\"x-user\"] = \"sub\" }; what "
      .. "clients send in them is removed" },
}

--- A plugin's own options and those that all such plugins have.
---@param own table<string, PluginOption>
---@return table<string, PluginOption>
function bearer.options(own)
  for name, option in pairs(COMMON) do own[name] = option end
  return auth.options(own)
end

--- What is wrong with the options that all have; for a plugin's `check`.
---@param options table
---@return string? wrong
function bearer.fault(options)
  for name in pairs(options.claim_headers) do
    local wrong = headers.fault(name)
    if wrong then return "claim_headers: " .. wrong end
  end
  for _, scope in ipairs(options.scopes) do
    if not auth.is_scope(scope) then
      return ("scopes: %q is not a scope"):format(scope)
    end
  end
  if not options.realm:find "^[\32\33\35-\91%]\94-\126]*$" then
    return "realm has quotes, or characters beyond ASCII"
  end
  return headers.fault(options.header) or auth.fault(options)
end

local function challenge(self, code, detail, scope)
  local text = ('Bearer realm="%s"'):format(self.realm)
  if code then text = ('%s, error="%s", error_description="%s"'):format(text, code, detail) end
  if scope then text = ('%s, scope="%s"'):format(text, scope) end
  return text
end

--- Answers and lists that requests need; for a plugin's `new`.
---@param self table  the instance, with its options
function bearer.prepare(self)
  local scope = #self.scopes > 0 and table.concat(self.scopes, " ") or nil
  self.answers = {}
  self.missing = auth.missing("missing-token", "A bearer token is required.",
    challenge(self, nil, nil, scope))
  self.lacking = auth.refused(403, "insufficient-scope", "The token lacks a scope.",
    challenge(self, "insufficient_scope", "The token lacks a scope.", scope or ""))
  self.ambiguous = auth.refused(400, "invalid-request", "The request has several bearer tokens.",
    challenge(self, "invalid_request", "The request has several bearer tokens."))
  self.claim_names, self.claim_of = {}, {}
  for name, claim in pairs(self.claim_headers) do
    name = name:lower()
    self.claim_of[name] = claim
    self.claim_names[#self.claim_names + 1] = name
  end
  table.sort(self.claim_names)
  self.own_headers = self.claim_names
  -- What an instance does not have is looked for in its plugin, for each request.
  self.consumer_claim = self.consumer_claim or false
  self.is_authorization = self.header:lower() == "authorization"
  self.is_alone = not self.cookie and not self.query
end

--- The answer to a request whose token does not do (401, invalid_token).
---@param self table
---@param detail string  a sentence for the client, one of few
---@return Reply
function bearer.refusal(self, detail)
  local answer = self.answers[detail]
  if not answer then
    answer = auth.refused(401, "invalid-token", detail, challenge(self, "invalid_token", detail))
    self.answers[detail] = answer
  end
  return answer
end

local SCHEME, BLANK = "bearer ", (" "):byte()

-- The token of the header's value; nil: it is of another scheme. Without a pattern: one that looks
-- for blanks at both ends takes as long as the square of their number.
local function of_header(self, value)
  if not self.is_authorization then return value end
  if value:sub(1, #SCHEME):lower() ~= SCHEME then return nil end
  local first, last = #SCHEME + 1, #value
  while value:byte(first) == BLANK do first = first + 1 end
  while last > first and value:byte(last) == BLANK do last = last - 1 end
  return value:sub(first, last)
end

-- The tokens of the request, by all ways that are open; the count says whether there are several.
local function tokens_of(self, req)
  local value = req.headers:get(self.header)
  local found, count = value and of_header(self, value), 0
  if found then count = 1 end
  local others = { self.cookie and req.cookies:get(self.cookie),
    self.query and req.query:get(self.query) }
  for i = 1, 2 do
    if others[i] then found, count = found or others[i], count + 1 end
  end
  return found, count
end

--- The answer while nobody can say whether tokens do (503).
---@param seconds number  after which it may be tried again
---@return Reply
function bearer.unavailable(seconds)
  local answer = auth.refused(503, "identity-provider-unavailable",
    "Tokens cannot be verified at the moment.", nil)
  return reply.with_headers(answer, { ["retry-after"] = math.ceil(seconds) })
end

--- The one token of the request. Without any it goes on as the option `anonymous` says, or not.
---@param self table
---@param req Request
---@return string? token
---@return Reply? answer  without a token; nil: it goes on as `anonymous`
function bearer.token(self, req)
  local token, count = tokens_of(self, req)
  if count == 0 then return nil, auth.without(self, req, self.missing) end
  -- A comma: of several fields; no token has one (RFC 6750, 2.1).
  if count > 1 or token:find(",", 1, true) then return nil, self.ambiguous end
  if #token > self.token_limit then
    return nil, bearer.refusal(self, "The token is too large.")
  end
  return token
end

-- A claim as a field's value; nil when it cannot be one.
local function text_of(value)
  local kind = type(value)
  if kind == "number" and value % 1 == 0 and value < WHOLE_MAX and value > -WHOLE_MAX then
    return ("%d"):format(value)
  end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  return kind == "string" and not headers.fault("x", value) and value or nil
end

-- Those of a list with blanks between them; nil when one of them cannot be told, and of an object.
local function texts_of(list)
  local all = {}
  if list[1] == nil and next(list) ~= nil then return nil end
  for i, item in ipairs(list) do
    all[i] = text_of(item)
    if not all[i] then return nil end
  end
  return table.concat(all, " ")
end

--- What the upstream is told of the claims: texts by the place of their header, false: nothing.
---@param self table
---@param claims table
---@return (string|false)[]
function bearer.texts(self, claims)
  local texts = {}
  for i, name in ipairs(self.claim_names) do
    local value = claims[self.claim_of[name]]
    texts[i] = (type(value) == "table" and texts_of or text_of)(value) or false
  end
  return texts
end

--- What is wrong with what a token says, by the instance's `rules`; nil: nothing.
---@param self table
---@param claims table
---@param header table  of the token
---@param now number    seconds since 1970
---@return Reply?
function bearer.objection(self, claims, header, now)
  local fault = claims_of.fault(claims, header, self.rules, now)
  if fault then return bearer.refusal(self, fault) end
  if not claims_of.has_scopes(claims, self.rules) then return self.lacking end
  return nil
end

--- What is found of a token that does: for `bearer.known`.
---@param self table
---@param claims table
---@param ends number  at the latest
---@return BearerVerdict
function bearer.verdict(self, claims, ends)
  return { ends = math.min(claims_of.end_of(claims, self.rules), ends), claims = claims,
    texts = bearer.texts(self, claims) }
end

--- Takes what clients must not say of themselves off the request.
---@param self table
---@param req Request
function bearer.strip(self, req)
  local names = self.own_headers
  for i = 1, #names do req.headers:remove_alike(names[i]) end
end

-- Whose token it is: nil where nobody has to be, false where nobody is.
local function consumer_of(self, claims)
  if not self.consumer_claim then return nil end
  local name = claims[self.consumer_claim]
  return type(name) == "string" and consumers.by_name(name) or false
end

--- The token does: its claims become `req.context.claims`, its consumer `req.consumer`, and the
--- upstream is told.
---@param self table
---@param req Request
---@param claims table   shared by requests with the same token: to be read only
---@param texts (string|false)[]  of bearer.texts
---@param owner Consumer|integer|nil  whose token it is, where that is known
---@return Reply?  when there is no such consumer
function bearer.admit(self, req, claims, texts, owner)
  local consumer = owner or consumer_of(self, claims)
  if consumer == false then return bearer.refusal(self, "The token is nobody's here.") end
  req.claims = claims
  auth.admit(self, req, consumer)
  bearer.strip(self, req)
  local names = self.claim_names
  for i = 1, #names do
    if texts[i] then req.headers[names[i]] = texts[i] end
  end
  if self.hide then auth.hide(self, req) end
  return nil
end

return bearer
