--- acl: lets callers through by what they are: consumer, groups, roles, scopes, plan.
--
-- Comes after what finds out who calls. A consumer has groups, roles and scopes as the
-- configuration or the admin API say, and those of its token's claims (`groups`, `roles`, and
-- `scope` or `scp`). Everything that is given has to hold. With `methods`, what stands under the
-- request's method has to hold as well (HEAD goes by GET, other methods by "*"); a method that is
-- not there is refused. A consumer's plan that names routes allows no others.

local auth = require "moongate.auth"
local kept = require "moongate.kept"
local moongate = require "moongate"

local reply = moongate.reply

local function names(help)
  return { type = "list", items = { type = "string" }, help = help }
end

local RULE = {
  consumers = names "names of consumers that may; default: all",
  groups = names "of which the caller has to be in one",
  deny_groups = names "of which the caller may be in none",
  roles = names "of which the caller has to have one",
  scopes = names "of which the caller has to have all",
}

---@class Acl: Plugin
local acl = {
  summary = "Admits callers by consumer, groups, roles, scopes and plan.",
  options = {
    methods = { type = "map", items = { type = "table", fields = RULE },
      help = 'further rules by method: { GET = { scopes = { "read" } }, ["*"] = { ... } }' },
    anonymous = { type = "boolean", default = false,
      help = "let through those of whom nobody has found out who they are" },
  },
}
for name, option in pairs(RULE) do acl.options[name] = option end

local NOBODY = reply.problem(403, "not-identified", "It is not known who you are.")
local NOT_IN_PLAN = reply.problem(403, "not-in-plan", "Your plan does not have this.")
local REFUSED = reply.problem(403, "not-allowed", "You may not do this.")

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

-- Asks for more than the token allows (RFC 6750, 3.1).
local function insufficient(scopes)
  return reply.problem(403, "insufficient-scope", "Your credentials do not allow this.", {
    ["www-authenticate"] = ('Bearer error="insufficient_scope", scope="%s"'):format(
      table.concat(scopes, " ")),
  })
end

local function rule_of(options)
  return {
    consumers = options.consumers and set_of(options.consumers), groups = options.groups,
    deny_groups = options.deny_groups, roles = options.roles, scopes = options.scopes,
    insufficient = options.scopes and insufficient(options.scopes),
  }
end

local function scope_fault(rule)
  for _, scope in ipairs(rule.scopes or {}) do
    if not auth.is_scope(scope) then return ("%q is no scope"):format(scope) end
  end
  return nil
end

function acl.check(options)
  local wrong = scope_fault(options)
  for method, rule in pairs(options.methods or {}) do
    if method ~= "*" and not method:find "^%u+$" then
      return ('methods has %q; expected "GET" and the like, or "*"'):format(method)
    end
    wrong = wrong or scope_fault(rule)
  end
  return wrong
end

function acl.new(options)
  local self = { rule = rule_of(options) }
  if options.methods then
    self.by_method = {}
    for method, rule in pairs(options.methods) do self.by_method[method] = rule_of(rule) end
    self.by_method.HEAD = self.by_method.HEAD or self.by_method.GET
  end
  return self
end

-- Sets of what stands in claims, by the text.
local parsed = kept(1024)

local function words_of(text)
  local set = parsed:get(text)
  if not set then
    set = {}
    for word in text:gmatch "%S+" do set[word] = true end
    parsed:put(text, set)
  end
  return set
end

local function claim_has(claim, name)
  if type(claim) == "string" then return words_of(claim)[name] == true end
  if type(claim) ~= "table" then return false end
  for i = 1, #claim do
    if claim[i] == name then return true end
  end
  return false
end

local function has(set, claim, name)
  return set ~= nil and set[name] == true or claim ~= nil and claim_has(claim, name)
end

local function has_one(set, claim, list)
  for i = 1, #list do
    if has(set, claim, list[i]) then return true end
  end
  return false
end

local function has_all(set, claim, list)
  for i = 1, #list do
    if not has(set, claim, list[i]) then return false end
  end
  return true
end

local NONE = {}

local function scope_objection(rule, consumer, claims)
  if has_all(consumer.scopes, claims.scope or claims.scp, rule.scopes) then return nil end
  return claims ~= NONE and rule.insufficient or REFUSED
end

local function is_in_groups(rule, consumer, claims)
  local deny, groups = rule.deny_groups, rule.groups
  if deny and has_one(consumer.groups, claims.groups, deny) then return false end
  return not groups or has_one(consumer.groups, claims.groups, groups)
end

-- What the rule says against the caller, nil: nothing.
local function objection(rule, consumer, claims)
  if rule.consumers and not rule.consumers[consumer.name or ""] then return REFUSED end
  if not is_in_groups(rule, consumer, claims) then return REFUSED end
  local roles = rule.roles
  if roles and not has_one(consumer.roles, claims.roles, roles) then return REFUSED end
  if rule.scopes then return (scope_objection(rule, consumer, claims)) end
  return nil
end

local function is_in_plan(consumer, route)
  local plan = consumer.plan
  return not plan or not plan.routes or plan.routes[route or ""] == true
end

-- By what stands under the request's method.
local function method_objection(by_method, method, consumer, claims)
  local rule = by_method[method] or by_method["*"]
  if not rule then return REFUSED end
  return (objection(rule, consumer, claims))
end

---@param req Request
---@return Reply?
function acl:request(req)
  local consumer, claims = req.consumer, req.claims
  if not consumer and not claims then
    if self.anonymous then return nil end
    return NOBODY
  end
  consumer, claims = consumer or NONE, claims or NONE
  if not is_in_plan(consumer, req.route) then return NOT_IN_PLAN end
  local against = objection(self.rule, consumer, claims)
  if against or not self.by_method then return against end
  return (method_objection(self.by_method, req.method, consumer, claims))
end

return acl
