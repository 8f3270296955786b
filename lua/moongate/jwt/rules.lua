--- rules: options by which plugins hold what a token says against what is wanted.
--
--     options = rules.options { ... }          -- and with `scopes` and `scope_claim` of bearer
--     function plugin.check(options) return rules.fault(options) end
--     self.rules = rules.of(options)           -- for jwt.claims

---@class moongate.jwt.rules
local rules = {}

local COMMON = {
  issuer = { type = "any", help = "what iss is, or a list of what it may be" },
  audience = { type = "any", help = "what aud is or has among others, or a list of these" },
  required = { type = "list", items = { type = "string" }, default = {},
    help = "claims that must be there" },
  claims = { type = "map", default = {},
    help = "claims that must have a value: { tenant = \"core\" }, or one of a list" },
  skew = { type = "duration", default = "30s", help = "by which clocks may differ" },
  max_age = { type = "duration", default = 0, help = "since iat; 0: any" },
}

--- A plugin's own options and those that all such plugins have.
---@param own table<string, PluginOption>
---@return table<string, PluginOption>
function rules.options(own)
  for name, option in pairs(COMMON) do own[name] = option end
  return own
end

--- What is wrong with them; for a plugin's `check`.
---@param options table
---@return string? wrong
function rules.fault(options)
  for _, name in ipairs { "issuer", "audience" } do
    local value = options[name]
    if value ~= nil and type(value) ~= "string" and type(value) ~= "table" then
      return ("%s is %s; expected a text or a list of texts"):format(name, tostring(value))
    end
  end
  return nil
end

local function list_of(value)
  if not value then return nil end
  return type(value) == "table" and value or { value }
end

--- What claims are held against.
---@param options table  checked
---@return JwtRules
function rules.of(options)
  return {
    issuer = list_of(options.issuer), audience = list_of(options.audience),
    required = options.required, claims = options.claims, skew = options.skew,
    max_age = options.max_age > 0 and options.max_age or nil,
    scopes = options.scopes, scope_claim = options.scope_claim,
  }
end

return rules
