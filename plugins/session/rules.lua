--- rules: which options of a session do not fit together, or to what browsers make of a cookie.

local rules = {}

local SECRET_BYTES_MIN, SECRETS_MAX = 32, 8

local function fault_of_name(options)
  local name = options.name
  if not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    return ("%q is no name of a cookie"):format(name)
  end
  local is_host = name:find "^__Host%-" ~= nil
  if (is_host or name:find "^__Secure%-") and not options.secure then
    return ("a cookie with the name %q has to be secure"):format(name)
  end
  if is_host and (options.domain or options.path ~= "/") then
    return ('a cookie with the name %q has the path "/" and no domain'):format(name)
  end
  return nil
end

local function fault_of_attributes(options)
  for _, name in ipairs { "path", "domain" } do
    if (options[name] or ""):find "[^\33-\58\60-\126]" then
      return ("%s is %q; that is none of a cookie"):format(name, options[name])
    end
  end
  if options.same_site == "None" and not options.secure then
    return 'same_site = "None" needs secure = true'
  end
  if options.renew_after >= options.idle_timeout then
    return "renew_after is not below idle_timeout; sessions in use would expire"
  end
  return nil
end

local function fault_of_action(options)
  local is_everywhere = options.action == "logout_everywhere"
  if is_everywhere and options.revocation == "none" then
    return 'action = "logout_everywhere" needs revocation = "dict" or "store"'
  end
  if options.of and not is_everywhere then return 'of needs action = "logout_everywhere"' end
  return nil
end

local function fault_of_secrets(secrets)
  if #secrets == 0 or #secrets > SECRETS_MAX then
    return ("secrets has %d; expected 1 to %d"):format(#secrets, SECRETS_MAX)
  end
  for i, secret in ipairs(secrets) do
    if #secret < SECRET_BYTES_MIN then
      return ("secrets[%d] has fewer than %d bytes"):format(i, SECRET_BYTES_MIN)
    end
  end
  return nil
end

--- What is wrong; nil: nothing.
---@param options table
---@return string?
function rules.fault(options)
  return fault_of_secrets(options.secrets) or fault_of_name(options)
    or fault_of_attributes(options) or fault_of_action(options)
end

return rules
