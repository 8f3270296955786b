--- claims: whether what a token says is what is wanted (RFC 7519, 4.1; RFC 8725, 3.8 to 3.12).

---@class JwtRules
---@field issuer string[]?      one of them is "iss"
---@field audience string[]?    one of them is (among) "aud"
---@field type string?          what "typ" in the header is: "at+jwt"
---@field required string[]?    claims that must be there
---@field claims table<string, any>?  claims that must have that value, or have it among theirs
---@field scopes string[]?      all of them are in the scope claim
---@field scope_claim string?   default "scope", then "scp"
---@field skew number?          seconds by which clocks may differ; default 0
---@field max_age number?       seconds since "iat"
---@field may_last boolean?     a token without "exp" is taken

local has = require("moongate.list").has

---@class moongate.jwt.claims
local claims = {}

-- Beyond it doubles are no longer exact; no clock gets there.
local TIME_MAX = 2 ^ 53

local function is_time(value)
  return type(value) == "number" and value > -TIME_MAX and value < TIME_MAX
end

-- One of `wanted` is the value, or among the values.
local function matches(value, wanted)
  if type(value) ~= "table" then return has(wanted, value) end
  for _, item in ipairs(value) do
    if has(wanted, item) then return true end
  end
  return false
end

local function list_of(value)
  return type(value) == "table" and value or { value }
end

-- "at+jwt" and "application/at+jwt" are one type (RFC 7515, 4.1.9), in any case.
local function type_of(text)
  return type(text) == "string" and text:lower():gsub("^application/", "") or nil
end

local TIMES = { "exp", "nbf", "iat" }

local function fault_of_age(said, rules, now, skew)
  if said.iat and now < said.iat - skew then return "The token was issued in the future." end
  if not rules.max_age then return nil end
  if not said.iat then return "The token does not say when it was issued." end
  return now >= said.iat + rules.max_age + skew and "The token is too old." or nil
end

local function fault_of_forms(said)
  for _, name in ipairs(TIMES) do
    if said[name] ~= nil and not is_time(said[name]) then
      return ("The claim %s is no time."):format(name)
    end
  end
  return nil
end

local function fault_of_times(said, rules, now)
  local fault, skew = fault_of_forms(said), rules.skew or 0
  if fault then return fault end
  if said.exp == nil and not rules.may_last then return "The token does not expire." end
  if said.exp and now >= said.exp + skew then return "The token has expired." end
  if said.nbf and now < said.nbf - skew then return "The token is not valid yet." end
  return fault_of_age(said, rules, now, skew)
end

local function fault_of_values(said, rules)
  for _, name in ipairs(rules.required or {}) do
    if said[name] == nil then return ("The claim %s is missing."):format(name) end
  end
  for name, wanted in pairs(rules.claims or {}) do
    if not matches(said[name], list_of(wanted)) then
      return ("The claim %s is not as required."):format(name)
    end
  end
  return nil
end

--- What is wrong with the claims; nil: nothing.
---@param said table    the claims
---@param header table  of the token
---@param rules JwtRules
---@param now number    seconds since 1970
---@return string? fault  a sentence for the client
function claims.fault(said, header, rules, now)
  if rules.type and type_of(header.typ) ~= type_of(rules.type) then
    return "The token is of another type."
  end
  if rules.issuer and not (type(said.iss) == "string" and has(rules.issuer, said.iss)) then
    return "The token is from another issuer."
  end
  if rules.audience and not matches(said.aud, rules.audience) then
    return "The token is for another audience."
  end
  return fault_of_times(said, rules, now) or fault_of_values(said, rules)
end

-- As a set: "a b" (RFC 6749, 3.3) or a list.
local function scopes_of(value)
  local found = {}
  if type(value) == "string" then
    for scope in value:gmatch "[^ ]+" do found[scope] = true end
  elseif type(value) == "table" then
    for _, scope in ipairs(value) do found[scope] = true end
  end
  return found
end

--- Whether all the scopes that are wanted are among those of the token.
---@param said table
---@param rules JwtRules
---@return boolean
function claims.has_scopes(said, rules)
  if not rules.scopes then return true end
  local value
  if rules.scope_claim then
    value = said[rules.scope_claim]
  elseif said.scope ~= nil then
    value = said.scope
  else
    value = said.scp
  end
  local found = scopes_of(value)
  for _, wanted in ipairs(rules.scopes) do
    if not found[wanted] then return false end
  end
  return true
end

--- When what was found is no longer so.
---@param said table
---@param rules JwtRules
---@return number seconds  since 1970; infinity: never
function claims.end_of(said, rules)
  local skew = rules.skew or 0
  local ends = said.exp and said.exp + skew or math.huge
  if rules.max_age and said.iat then ends = math.min(ends, said.iat + rules.max_age + skew) end
  return ends
end

return claims
